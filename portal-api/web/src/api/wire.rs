use serde_json::Value;

use super::ApiError;

/// A Bundle, as far as its entries go.
pub(super) struct Bundle(Vec<Value>);

impl Bundle {
    pub(super) fn read(mut value: Value) -> Result<Self, ApiError> {
        if value["resourceType"] != "Bundle" {
            return Err(ApiError::Answer);
        }
        match value["entry"].take() {
            Value::Array(entries) => Ok(Self(entries)),
            Value::Null => Ok(Self(Vec::new())),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Err(ApiError::Answer)
            }
        }
    }

    /// The resources of a type, in order.
    pub(super) fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let resources = self.0.iter().map(|entry| &entry["resource"]);
        resources.filter(move |resource| resource["resourceType"] == kind)
    }
}

/// The elements of an array; none for anything else.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text that is not empty, bounded for a page.
pub(super) fn text(value: &Value) -> Option<String> {
    bounded(value.as_str()?)
}

/// The same of a text.
pub(super) fn bounded(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if text.len() <= MAX_CHARS && text.bytes().all(|b| (b' '..0x7f).contains(&b)) {
        return Some(text.to_owned());
    }
    Some(text.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect())
}

const MAX_CHARS: usize = 500;
