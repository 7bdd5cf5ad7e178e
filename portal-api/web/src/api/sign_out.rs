//! How sessions end for the API.

use axum::response::{IntoResponse, Response};
use carerecord_service::FIRST;

use super::{ApiClient, ApiError, Asker, body};

impl ApiClient {
    /// Ends the sign-in of the token, or every one of the person's.
    pub(crate) async fn sign_out(
        &self,
        asker: Asker<'_>,
        everywhere: bool,
    ) -> Result<(), ApiError> {
        let form = [("everywhere", if everywhere { "true" } else { "false" })];
        let request = self.form_to(self.at(SIGN_OUT)?, &form);
        self.send(request, asker).await.map(drop)
    }

    /// Passes on what a provider says of sessions that are over, and gives what the API says to it.
    pub(crate) async fn logout_token(
        &self,
        provider: &str,
        token: &str,
    ) -> Result<Response, ApiError> {
        let mut url = self.at(BACK_CHANNEL)?;
        if provider != FIRST {
            url.path_segments_mut().map_err(|()| ApiError::Answer)?.push(provider);
        }
        let answer = self.tell(self.form_to(url, &[("logout_token", token)])).await?;
        let status = answer.status();
        let told = body::bounded(answer, MOST_BYTES).await?.ok_or(ApiError::Answer)?;
        Ok((status, [(http::header::CONTENT_TYPE, "application/json")], told).into_response())
    }
}

/// Beside the FHIR API, not below it.
const SIGN_OUT: &str = "../oauth/sign-out";
const BACK_CHANNEL: &str = "../oauth/back-channel-logout";
const MOST_BYTES: usize = 4 << 10;
