use axum::response::{IntoResponse, Response};
use http::StatusCode;
use uuid::Uuid;

use crate::api::{ApiError, Refusal};
use crate::display::Banner;
use crate::launch::LaunchError;

/// Why a page cannot be shown. `router` turns it into a page of its own.
#[derive(Clone, Debug)]
pub(crate) enum Problem {
    /// Nobody is signed in; `had_one` if there was a session, which has ended.
    SignedOut { had_one: bool },
    /// The person must choose a role first.
    RoleNeeded,
    /// Signing in failed, for this reason.
    SignIn(SignInFailure),
    /// A launch in context does not go on, for this reason.
    Launch(LaunchFailure),
    /// An app's request does not go on, for this reason.
    App(AppFailure),
    /// The patient of this handle has died, which is told first.
    Died(Uuid),
    /// The session is for the patient of a launch, and for nobody else.
    Locked,
    /// The decision is against it.
    Refused(Box<RefusedPage>),
    /// There is no such page, patient or document for this person.
    NotFound,
    /// The API could not be asked, or could not ask.
    CouldNotAsk,
    /// The source does not give the document that was registered, or it came as another.
    NotGiven,
    /// The form did not come from our own page.
    Forged,
    /// The request is not what the page sends.
    Unreadable,
    /// Something is wrong on our side.
    Broken,
}

/// What the refusal page tells. `Debug` shows the rules only.
#[derive(Clone)]
pub(crate) struct RefusedPage {
    /// The decisions, at least one.
    pub(crate) refusals: Vec<Refusal>,
    /// The handle to go back to, if it was one document that was refused.
    pub(crate) back_to: Option<String>,
    /// Whose record it is; nothing for a document.
    pub(crate) banner: Option<Banner>,
    /// The handle of a record that the reader may open with a reason.
    pub(crate) may_open: Option<Uuid>,
    /// The handle of a record of whose person the reader may say that they care for them.
    pub(crate) may_claim: Option<Uuid>,
    /// The handle of a record whose person's wishes the reader may record.
    pub(crate) may_record: Option<Uuid>,
}

/// Why signing in failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignInFailure {
    /// The provider cannot be reached or does not make sense.
    Provider,
    /// The provider said no, or the person did.
    Declined,
    /// The browser came back with something that does not belong to a sign-in it started.
    Mismatch,
    /// What the provider gave did not pass the checks.
    Token,
}

/// Why a launch in context does not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LaunchFailure {
    /// Its time is over, or it was used before.
    Ended,
    /// What was sent is not taken.
    NotTaken,
    /// Somebody else has signed in than the one it names.
    OtherPerson,
    /// The person does not have the role that it names, or not there.
    OtherRole,
    /// The launching system cannot be asked, or does not make sense.
    Away,
    /// The launching system does not know enough to tell who the patient is.
    NotIdentified,
}

/// Why a person is not asked about an app.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AppFailure {
    /// No request waits in this browser.
    Ended,
    /// It is not known which app asks, or it asks wrongly and cannot be told.
    NotTaken,
    /// Apps are for staff.
    OfStaff,
}

impl From<LaunchError> for LaunchFailure {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Expired | LaunchError::Replayed | LaunchError::NotKnown => Self::Ended,
            LaunchError::Assertion
            | LaunchError::Away
            | LaunchError::NotGiven
            | LaunchError::Broken => Self::Away,
            LaunchError::Missing
            | LaunchError::Malformed
            | LaunchError::Algorithm
            | LaunchError::UnknownLauncher
            | LaunchError::UnknownKey
            | LaunchError::Signature
            | LaunchError::Audience
            | LaunchError::TooLong
            | LaunchError::NotYet
            | LaunchError::Organisation
            | LaunchError::Purpose
            | LaunchError::Patient
            | LaunchError::ReturnUrl
            | LaunchError::NotAsked
            | LaunchError::OtherLauncher => Self::NotTaken,
        }
    }
}

impl Problem {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut { .. } => StatusCode::UNAUTHORIZED,
            Self::RoleNeeded | Self::Died(_) => StatusCode::SEE_OTHER,
            Self::SignIn(SignInFailure::Provider)
            | Self::Launch(LaunchFailure::Away)
            | Self::CouldNotAsk => StatusCode::SERVICE_UNAVAILABLE,
            Self::SignIn(
                SignInFailure::Declined | SignInFailure::Mismatch | SignInFailure::Token,
            )
            | Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::App(AppFailure::NotTaken) => StatusCode::BAD_REQUEST,
            Self::Launch(LaunchFailure::Ended) | Self::App(AppFailure::Ended) => StatusCode::GONE,
            Self::Refused(_)
            | Self::Forged
            | Self::Launch(_)
            | Self::App(AppFailure::OfStaff)
            | Self::Locked => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotGiven => StatusCode::BAD_GATEWAY,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Problem {
    /// An empty answer that carries the problem, for `pages::problem` to fill.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unauthorized => Self::SignedOut { had_one: true },
            ApiError::Refused(refusal) => {
                let refusals = vec![refusal];
                Self::Refused(Box::new(RefusedPage {
                    refusals,
                    back_to: None,
                    banner: None,
                    may_open: None,
                    may_claim: None,
                    may_record: None,
                }))
            }
            ApiError::NotFound => Self::NotFound,
            ApiError::CouldNotAsk | ApiError::Answer => Self::CouldNotAsk,
            ApiError::NotGiven => Self::NotGiven,
        }
    }
}

impl std::fmt::Debug for RefusedPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RefusedPage({:?})", self.refusals)
    }
}
