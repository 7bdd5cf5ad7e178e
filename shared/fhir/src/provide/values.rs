//! Data types of FHIR as those of XDS. MHD 7.5.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carerecord_model::{Code, Dtm, Oid, UniqueId, escape};

use super::at::{At, Problems};
use crate::code_system::URI;
use crate::dtm_bound;
use crate::identifier::unique_id_of;
use crate::oid_of_system;

/// A concept by its first coding that has a system and a code.
pub(super) fn concept(at: &At<'_>, problems: &mut Problems) -> Option<Code> {
    if !at.is_there() {
        return None;
    }
    let code = at.each("coding").iter().find_map(coding);
    if code.is_none() {
        problems.add("required", at, "It needs a coding with system and code.");
    }
    code
}

/// A coding that has a system and a code; one without a name is called by its code.
pub(super) fn coding(at: &At<'_>) -> Option<Code> {
    let (system, code) = (at.text("system")?, at.text("code")?);
    Some(Code::new(code, scheme(system), at.text("display").unwrap_or(code)))
}

/// The coding scheme of XDS that stands for a system: of several ours.
pub(super) fn scheme(system: &str) -> String {
    oid_of_system(system).into_iter().next().unwrap_or_else(|| system.to_owned())
}

/// Any precision.
pub(super) fn time(at: &At<'_>, key: &str, problems: &mut Problems) -> Option<Dtm> {
    let text = at.text(key)?;
    let time = dtm_bound(text);
    if time.is_none() {
        problems.add("invalid", &at.get(key), "It is no date or time.");
    }
    time
}

/// The digest that FHIR has in base64, in the hex of XDS.
pub(super) fn hash(at: &At<'_>, problems: &mut Problems) -> Option<String> {
    let bytes = STANDARD.decode(at.text("hash")?).ok().filter(|bytes| bytes.len() == 20);
    if bytes.is_none() {
        problems.add("invalid", &at.get("hash"), "It is no SHA-1 in base64.");
    }
    Some(bytes?.iter().map(|b| format!("{b:02x}")).collect())
}

/// Base64, white space between allowed.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().any(|b| b.is_ascii_whitespace()) {
        return STANDARD.decode(text).ok();
    }
    let packed: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode(packed).ok()
}

/// An identifier, and the scheme that it is of.
pub(super) struct Named {
    pub value: String,
    pub scheme: Option<String>,
}

impl Named {
    /// `None` without a value.
    pub(super) fn read(at: &At<'_>) -> Option<Self> {
        let value = at.text("value")?;
        Some(match at.text("system") {
            None => Self { value: value.to_owned(), scheme: None },
            // The value is itself the whole name.
            Some(URI) => {
                let bare = value.strip_prefix("urn:oid:").unwrap_or(value);
                Self { value: bare.to_owned(), scheme: None }
            }
            Some(system) => Self { value: value.to_owned(), scheme: Some(scheme(system)) },
        })
    }

    /// `&OID&ISO`, or `&URI&URI` for a system that no OID is known of.
    pub(super) fn authority(&self) -> String {
        match &self.scheme {
            None => String::new(),
            Some(oid) if oid.parse::<Oid>().is_ok() => format!("&{oid}&ISO"),
            Some(uri) => format!("&{}&URI", escape(uri)),
        }
    }

    /// `ID^^^&OID&ISO`; `None` where no OID is known.
    pub(super) fn cx(&self) -> Option<String> {
        let oid = self.scheme.as_ref().filter(|s| s.parse::<Oid>().is_ok())?;
        Some(format!("{}^^^&{oid}&ISO", escape(&self.value)))
    }
}

/// An identifier as uniqueId.
pub(super) fn unique_id(at: &At<'_>) -> Option<UniqueId> {
    unique_id_of(at.text("system"), at.text("value")?)
}
