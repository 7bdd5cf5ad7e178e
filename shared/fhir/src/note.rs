//! Issues that do not stop an answer.

use serde_json::json;

use crate::Issue;

impl Issue {
    /// Something that the reader has to know to read the answer rightly.
    pub fn warning(code: &str, text: &str) -> Self {
        Self::with(json!({"severity": "warning", "code": code, "details": {"text": text}}))
    }

    /// Something worth knowing.
    pub fn information(text: &str) -> Self {
        let (severity, code) = ("information", "informational");
        Self::with(json!({"severity": severity, "code": code, "details": {"text": text}}))
    }
}
