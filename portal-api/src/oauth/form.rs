use std::collections::HashMap;

use axum::extract::{FromRequest, Request};
use axum::http::header;

use super::error::OAuthFailure;
use crate::Portal;

/// The parameters of a request, each at most once; one that is empty is one that is absent. RFC 6749:
/// 3.1, 3.2.
pub(crate) struct OAuthForm(HashMap<String, String>);

impl OAuthForm {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn read(content_type: &str, body: &str) -> Result<Self, OAuthFailure> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(OAuthFailure::Request);
        }
        Self::parse(body)
    }

    /// The parameters of a query, or of a form.
    pub(super) fn parse(text: &str) -> Result<Self, OAuthFailure> {
        let mut all = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if value.is_empty() {
                continue;
            }
            if all.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(OAuthFailure::Request);
            }
        }
        Ok(Self(all))
    }
}

/// What came in place of a form is an answer of the endpoint, so that it is recorded as one.
pub(crate) struct Sent(pub(super) Result<OAuthForm, OAuthFailure>);

impl FromRequest<Portal> for Sent {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, _: &Portal) -> Result<Self, Self::Rejection> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let Ok(bytes) = axum::body::to_bytes(request.into_body(), MAX_FORM).await else {
            return Ok(Self(Err(OAuthFailure::Request)));
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| OAuthFailure::Request);
        Ok(Self(text.and_then(|text| OAuthForm::read(&kind, text))))
    }
}

const MAX_FORM: usize = 64 << 10;
