//! What a session keeps for the next step of a sign-in or a launch, and gives once.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_sessions::Session;

use super::SignInStarted;
use super::person::broken;
use crate::apps::AppAsks;
use crate::launch::Pending;
use crate::problem::Problem;

/// Notes that a sign-in is under way, or takes that note away.
pub(crate) async fn started(
    session: &Session,
    begun: Option<&SignInStarted>,
) -> Result<Option<SignInStarted>, Problem> {
    note(session, STARTED, begun).await
}

/// The same of a launch for which the browser has been sent to the launching system.
pub(crate) async fn launch_started(
    session: &Session,
    begun: Option<&SignInStarted>,
) -> Result<Option<SignInStarted>, Problem> {
    note(session, LAUNCH_STARTED, begun).await
}

/// Notes that a launch is under way, or takes that note away.
pub(crate) async fn launch_pending(
    session: &Session,
    pending: Option<&Pending>,
) -> Result<Option<Pending>, Problem> {
    note(session, LAUNCH, pending).await
}

/// Notes that an app waits for the person, or takes that note away.
pub(crate) async fn app_asks(
    session: &Session,
    asks: Option<&AppAsks>,
) -> Result<Option<AppAsks>, Problem> {
    note(session, APP_ASKS, asks).await
}

/// Whether an app waits for the person, and with what.
pub(crate) async fn app_asking(session: &Session) -> Result<Option<AppAsks>, Problem> {
    session.get(APP_ASKS).await.map_err(|e| broken(&e))
}

async fn note<T: Serialize + DeserializeOwned>(
    session: &Session,
    name: &str,
    noted: Option<&T>,
) -> Result<Option<T>, Problem> {
    match noted {
        Some(noted) => {
            session.insert(name, noted).await.map_err(|e| broken(&e))?;
            Ok(None)
        }
        None => session.remove(name).await.map_err(|e| broken(&e)),
    }
}

const APP_ASKS: &str = "app asks";
const STARTED: &str = "started";
const LAUNCH: &str = "launch";
const LAUNCH_STARTED: &str = "launch started";
