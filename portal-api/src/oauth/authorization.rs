//! A person says whether an app may act for them. The page that asks them is the web portal's; it comes
//! with the person's own access token, and learns from here what to ask and where to send them back.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carerecord_access::{Right, UserCaller};
use carerecord_audit::AuditOutcome;
use carerecord_model::NhsNumber;
use carerecord_service::SignIn;
use carerecord_storage::StoreError;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::OAuth;
use super::authorize::{Asked, AuthorizeError, NotAsked};
use super::error::never_stored;
use super::form::{OAuthForm, Sent};
use super::grants::{Granted, GrantedPatient};
use super::limits::Key;
use crate::Portal;
use crate::error::FhirError;
use crate::fhir::Session;
use crate::opened::Opened;

/// Answers what an app asks a person for, and takes their decision.
pub(crate) async fn authorization(
    State(portal): State<Portal>,
    session: Session,
    Sent(form): Sent,
) -> Response {
    session.does("authorize an app");
    let Some(oauth) = portal.tokens.own() else { return FhirError::NoRoute.into_response() };
    let answer = match form {
        Ok(form) => oauth.decided(&portal, &session, &form).await,
        Err(_) => Err(AuthorizeError::Malformed.into()),
    };
    let mut response = match answer {
        Ok(answer) => Json(answer).into_response(),
        Err(Stopped::Told(NotAsked { error, back })) => refused(&session, error, back),
        Err(Stopped::Fhir(error)) => {
            session.note_refusal(&error);
            error.into_response()
        }
    };
    never_stored(response.headers_mut());
    response
}

/// Why there is no code.
enum Stopped {
    /// The app is told, or the person.
    Told(NotAsked),
    /// The person may not.
    Fhir(FhirError),
}

impl From<NotAsked> for Stopped {
    fn from(told: NotAsked) -> Self {
        Self::Told(told)
    }
}

impl From<AuthorizeError> for Stopped {
    fn from(error: AuthorizeError) -> Self {
        Self::Told(error.into())
    }
}

impl From<FhirError> for Stopped {
    fn from(error: FhirError) -> Self {
        Self::Fhir(error)
    }
}

fn refused(session: &Session, error: AuthorizeError, back: Option<String>) -> Response {
    session.draft.outcome(match error {
        AuthorizeError::Internal => AuditOutcome::Failed,
        AuthorizeError::Malformed => AuditOutcome::Rejected,
        AuthorizeError::UnknownApp
        | AuthorizeError::RedirectUri
        | AuthorizeError::ResponseType
        | AuthorizeError::ResponseMode
        | AuthorizeError::RequestObject
        | AuthorizeError::State
        | AuthorizeError::Challenge
        | AuthorizeError::Audience
        | AuthorizeError::Scope
        | AuthorizeError::Denied
        | AuthorizeError::TooMany => AuditOutcome::Refused,
    });
    session.draft.fill(|event| event.error = Some(format!("{}: {error}", error.code())));
    let mut told = json!({"error": error.code(), "error_description": error.to_string()});
    if let Some(back) = back {
        told["redirect_to"] = back.into();
    }
    (StatusCode::BAD_REQUEST, Json(told)).into_response()
}

impl OAuth {
    async fn decided(
        &self,
        portal: &Portal,
        session: &Session,
        form: &OAuthForm,
    ) -> Result<Value, Stopped> {
        let Some((user, sign_in)) = session.signed_in() else {
            let told = "Only people who have signed in themselves let apps act for them.";
            return Err(FhirError::Scope(told).into());
        };
        let asked = self.asked(form.get("request").unwrap_or_default())?;
        session.draft.fill(|event| {
            event.listed =
                vec![format!("app {}", asked.client.id), format!("scope {}", asked.scopes)];
        });
        match form.get("decision") {
            None => Ok(json!({
                "client_name": asked.app.name,
                "redirect_uri": asked.redirect_uri,
                "scope": asked.scopes.to_string(),
                "needs_patient": asked.scopes.need_patient(),
            })),
            Some("deny") => {
                session.does("refuse an app");
                Err(self.not_granted(&asked, AuthorizeError::Denied).into())
            }
            Some("allow") => {
                session.does("let an app act");
                let patient = form.get("nhs_number");
                self.allowed(portal, session, &asked, (user, sign_in), patient).await
            }
            Some(_) => Err(AuthorizeError::Malformed.into()),
        }
    }

    /// Gives a code, if the person may do themselves what they let the app do.
    async fn allowed(
        &self,
        portal: &Portal,
        session: &Session,
        asked: &Asked<'_>,
        (user, sign_in): (&UserCaller, &SignIn),
        patient: Option<&str>,
    ) -> Result<Value, Stopped> {
        let (inner, now) = (&self.0, self.0.clock.now());
        let key = Key::Codes(user.user_id.clone());
        if !inner.limits.count(key, asked.client.requests_per_minute, now) {
            return Err(self.not_granted(asked, AuthorizeError::TooMany).into());
        }
        let mut granted = asked.grant(user, sign_in, now);
        let purpose = granted.purpose;
        session.draft.fill(|event| event.purpose = Some(purpose.code().to_owned()));
        let id = inner.ids.random();
        if asked.scopes.need_patient() {
            let number = patient.and_then(|number| number.parse().ok());
            let missing = || FhirError::Body("nhs_number: the patient has to be chosen".into());
            let number = number.ok_or_else(missing)?;
            let chosen = self.opened(portal, session, asked, &granted, number).await?;
            granted.patient = Some(chosen);
        } else {
            let caller = granted.caller(asked.client, self.issuer(), &id.to_string());
            let may = portal.access.admit(&caller, purpose, Right::Query);
            may.map_err(FhirError::from)?;
        }
        let code = self.code(id, &granted, now).await.map_err(|error| {
            tracing::error!(%error, "the portal's database failed");
            self.not_granted(asked, AuthorizeError::Internal)
        })?;
        session.draft.fill(|event| event.listed.push(format!("token {id}")));
        let back = self.granted(asked, &code).ok_or(AuthorizeError::RedirectUri)?;
        Ok(json!({ "redirect_to": back }))
    }

    /// A code, kept with what it is good for.
    pub(super) async fn code(
        &self,
        id: Uuid,
        granted: &Granted,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let ids = &self.0.ids;
        let code = format!("{}{}", ids.random().simple(), ids.random().simple());
        let kept_until = granted.code_until + self.life();
        self.0.grants.keep(id, &code, granted, kept_until, now).await?;
        Ok(code)
    }

    /// The patient, if the person could open the record by the app.
    async fn opened(
        &self,
        portal: &Portal,
        session: &Session,
        asked: &Asked<'_>,
        granted: &Granted,
        number: NhsNumber,
    ) -> Result<GrantedPatient, FhirError> {
        session.draft.fill(|event| event.subject = Some(number));
        let caller = granted.caller(asked.client, self.issuer(), "");
        portal.access.admit(&caller, granted.purpose, Right::Query)?;
        let Opened { view, number, person } = portal.open(&caller, granted.purpose, number).await?;
        session.draft.fill(|event| event.subject = Some(number));
        if person.is_none() {
            return Err(FhirError::NotFound);
        }
        if let Some(refused) = view.closed() {
            return Err(refused.into());
        }
        let id = portal.patient_ids.seal(number, &session.caller, portal.ids.as_ref());
        Ok(GrantedPatient { number, id })
    }
}
