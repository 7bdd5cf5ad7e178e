//! The page of errors, out of the errors themselves.

use std::fmt::Write as _;

use carerecord_access::Rule;
use carerecord_codec::soap::{SecurityFault, SoapError};
use carerecord_fhir::registry_error_over_http;
use carerecord_model::ErrorCode;
use carerecord_portal_api::{ToldRefusal, authorize_refusals, fhir_refusals, oauth_refusals};

use super::endpoints::cell;

/// The page, as Markdown.
pub(super) fn page() -> String {
    let mut out = String::from(
        "# Errors\n\nA refusal comes in its caller's protocol: an OperationOutcome over FHIR, `error` and \
         `error_description` for access tokens, a RegistryErrorList in a 200 answer over XDS, a SOAP fault \
         for an envelope that cannot be taken. None names a patient. What may not be told looks like what \
         is not there: 404, an empty list.\n\n\
         May one send the same again? After 429 and 503, when `Retry-After` is over; after 502, 408 and a \
         broken connection too: a repeat of a submission changes nothing. Not after another 4xx.\n\n\
         ## FHIR API\n\n",
    );
    out.push_str(&refusals(&fhir_refusals(), "kind of issue"));
    out.push_str(
        "\nBesides, 403 with a rule of [the access decision](#rules-of-the-access-decision) \
         (`urn:carerecord:decision-rule`), and the errors of the registry \
         (`urn:ihe:iti:xds:errorCode`) as [below](#registry-errors).\n\n## Access tokens\n\n",
    );
    out.push_str(&refusals(&oauth_refusals(), "error"));
    out.push_str(
        "\n## Codes for apps\n\nAs [apps](apps.md#what-it-is-told) are told by redirect, once it is known \
         which one asks.\n\n",
    );
    out.push_str(&refusals(&authorize_refusals(), "error"));
    out.push_str(
        "\n## Registry errors\n\nOver XDS they are the `errorCode` of a RegistryError. Over FHIR they keep \
         their code, and the answer has this status.\n\n| code | means | over FHIR |\n|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let (status, kind) = registry_error_over_http(code);
        let over =
            if status >= 400 { format!("{status} `{kind}`") } else { "a warning".to_owned() };
        let _ = writeln!(out, "| `{code}` | {} | {over} |", cell(code.meaning()));
    }
    out.push_str("\n## SOAP faults\n\n| status | code | reason |\n|---|---|---|\n");
    for fault in faults() {
        let (status, reason) = (fault.http_status(), fault.to_string());
        let code = fault.codes();
        let code = code.1.map_or(code.0.to_owned(), |subcode| format!("{}, {subcode}", code.0));
        let _ = writeln!(out, "| {status} | `{code}` | {} |", cell(&reason));
    }
    out.push_str(
        "\n## Rules of the access decision\n\nEach decision names its rule; [how access is \
         decided](access.md) says which may be told to whom.\n\n| rule | in words |\n|---|---|\n",
    );
    for rule in Rule::ALL {
        let _ = writeln!(out, "| `{}` | {} |", rule.id(), cell(rule.explanation()));
    }
    out
}

fn refusals(all: &[ToldRefusal], code: &str) -> String {
    let mut rows: Vec<(u16, String)> = all
        .iter()
        .map(|told| {
            (told.status, format!("| {} | `{}` | {} |", told.status, told.code, cell(&told.words)))
        })
        .collect();
    rows.sort_by_key(|(status, _)| *status);
    rows.dedup();
    let rows: Vec<String> = rows.into_iter().map(|(_, row)| row).collect();
    format!("| status | {code} | in words |\n|---|---|---|\n{}\n", rows.join("\n"))
}

/// One of each kind.
fn faults() -> Vec<SoapError> {
    let mut all = vec![
        SoapError::VersionMismatch,
        SoapError::MustUnderstand("NAME".to_owned()),
        SoapError::MissingAction,
        SoapError::RepeatedHeader("wsa:Action"),
        SoapError::ActionNotSupported,
        SoapError::OnlyAnonymousAddress,
        SoapError::WrongBody,
        SoapError::Transport("what is wrong with the HTTP message".to_owned()),
        SoapError::TooLong,
        SoapError::NotPermitted,
        SoapError::NotDelegated(
            "a role of the deployment does not say for whom it asks".to_owned(),
        ),
    ];
    all.extend(
        [
            SecurityFault::InvalidSecurity,
            SecurityFault::InvalidSecurityToken,
            SecurityFault::FailedAuthentication,
            SecurityFault::FailedCheck,
            SecurityFault::SecurityTokenUnavailable,
            SecurityFault::UnsupportedSecurityToken,
            SecurityFault::MessageExpired,
        ]
        .map(SoapError::Security),
    );
    all.extend([SoapError::Busy("too many requests; wait, and send again"), SoapError::Internal]);
    all
}
