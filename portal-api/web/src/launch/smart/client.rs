//! The portal as an OAuth client of a record system, with what SMART adds to its answers.

use std::fmt;

use openidconnect::{EndpointNotSet, EndpointSet, ExtraTokenFields};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sign_in::AnyClaims;
use crate::sign_in::client::{AnswerWith, ClientOf};

/// What comes with the access token. SMART App Launch 2: scopes and launch context.
#[derive(Deserialize, Serialize)]
pub(super) struct LaunchFields {
    patient: Option<String>,
    need_patient_banner: Option<Value>,
}

impl LaunchFields {
    pub(super) fn patient(&self) -> Option<&str> {
        self.patient.as_deref()
    }

    /// Whether the record system shows who the patient is around the page.
    pub(super) fn has_banner(&self) -> bool {
        self.need_patient_banner == Some(Value::Bool(false))
    }
}

/// No formatter prints whose record it is.
impl fmt::Debug for LaunchFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LaunchFields")
    }
}

impl ExtraTokenFields for LaunchFields {}

/// What the token endpoint answers.
pub(super) type Answer = AnswerWith<AnyClaims, LaunchFields>;

/// A client of a record system that has been discovered.
pub(super) type Client = ClientOf<AnyClaims, Answer, EndpointSet, EndpointNotSet>;
