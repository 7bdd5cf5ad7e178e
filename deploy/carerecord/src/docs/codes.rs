//! The page of code sets: those of the affinity domain as it is shipped, and our own.

use std::fmt::Write as _;

use carerecord_access::{OverrideReason, ProxyBasis, Purpose, RelationshipKind};
use carerecord_codec::CodesFile;

use super::endpoints::cell;

/// The page, as Markdown.
pub(super) fn page() -> String {
    let mut out = String::from(
        "# Code sets\n\nThe codes of the affinity domain as it is shipped \
         (`deploy/carerecord/config/codes/uk-default.xml`). There is no national list: a region adopts one, and \
         `[codes]` of the configuration says which, and whether others are refused: [running it](run.md#codes). \
         FHIR has URIs where XDS has OIDs.\n",
    );
    let file = carerecord_xml::decode::<CodesFile>(UK_DEFAULT);
    for set in file.map(|file| file.sets).unwrap_or_default() {
        let _ =
            write!(out, "\n## {}\n\n| code | display | scheme |\n|---|---|---|\n", set.attribute);
        let mut rows: Vec<(String, String, Vec<String>)> = Vec::new();
        for code in set.codes {
            let display = code.display.clone();
            match rows.iter_mut().find(|(c, d, _)| *c == code.code && *d == display) {
                Some((_, _, schemes)) => schemes.push(code.scheme),
                None => rows.push((code.code, display, vec![code.scheme])),
            }
        }
        for (code, display, mut schemes) in rows {
            schemes.retain(|scheme| !scheme.is_empty());
            let _ = writeln!(out, "| `{code}` | {} | {} |", cell(&display), schemes.join(", "));
        }
    }
    out.push_str("\n## Our own codes\n\n| where | codes |\n|---|---|\n");
    let own: [(&str, Vec<&str>); 4] = [
        ("`X-Purpose-Of-Use`", Purpose::ALL.into_iter().map(Purpose::code).collect()),
        (
            "`reason` of `$break-glass`",
            OverrideReason::ALL.into_iter().map(OverrideReason::code).collect(),
        ),
        (
            "kind of a relationship (`urn:carerecord:relationship-kind`)",
            RelationshipKind::ALL.into_iter().map(RelationshipKind::code).collect(),
        ),
        (
            "`basis` of a proxy in `$citizen-access`",
            ProxyBasis::ALL.into_iter().map(ProxyBasis::code).collect(),
        ),
    ];
    for (place, codes) in own {
        let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
        let _ = writeln!(out, "| {place} | {} |", codes.join(", "));
    }
    out.push_str(
        "| state of a source in searches (`urn:carerecord:source-state`) | see [looking](look.md) |\n\
         | rule of a decision (`urn:carerecord:decision-rule`) | see \
         [errors](errors.md#rules-of-the-access-decision) |\n",
    );
    out
}

const UK_DEFAULT: &[u8] = include_bytes!("../../config/codes/uk-default.xml");
