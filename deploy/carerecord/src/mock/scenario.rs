//! What goes wrong with a request of the mock: what its header `X-Scenario` asks for, and what always does
//! with the person whom it is about.

use std::cell::Cell;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use carerecord_model::{ErrorCode, NhsNumber, NodeId, PortError, TransactionError};

use super::people::{LATE_NODE, LATE_SOURCE};

/// What goes wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It cannot be reached.
    Down,
    /// It answers after the deadline.
    Late,
    /// It can be reached, and refuses.
    Refused,
    /// What it answers is no answer.
    Garbage,
    /// It answers with a registry error.
    Error(ErrorCode),
    /// It finds nothing.
    Empty,
}

/// Where it goes wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// The door itself, of a registry or node.
    Door,
    /// The registry behind a node or the portal.
    Registry,
    /// The nodes behind the portal: the one of this id, or all.
    Source(Option<NodeId>),
}

/// All that one request asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scenario(Vec<(Place, Fault)>);

/// Why a header cannot be obeyed, for whoever wrote it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ScenarioError {
    /// It is none of those there are.
    #[error("{0:?} is no scenario: the documentation lists them, at /docs/scenarios.html")]
    Unknown(String),
    /// `registry-error` and `door-error` name a code.
    #[error("code is one of the registry errors, at /docs/errors.html")]
    Code,
    /// `source` is a repositoryUniqueId.
    #[error("source is the repositoryUniqueId of a node")]
    Source,
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    /// Reads `NAME` or `NAME; code=…` or `NAME; source=…`, several with commas between.
    fn from_str(header: &str) -> Result<Self, ScenarioError> {
        header.split(',').map(|one| read(one.trim())).collect::<Result<_, _>>().map(Self)
    }
}

fn read(text: &str) -> Result<(Place, Fault), ScenarioError> {
    let unknown = || ScenarioError::Unknown(text.chars().take(80).collect());
    let (name, parameter) = match text.split_once(';') {
        Some((name, parameter)) => (name.trim(), parameter.trim().split_once('=')),
        None => (text, None),
    };
    let (place, fault) = name.split_once('-').ok_or_else(unknown)?;
    let place = match (place, parameter) {
        ("door", _) => Place::Door,
        ("registry", _) => Place::Registry,
        ("source", None) => Place::Source(None),
        ("source", Some(("source", id))) => {
            Place::Source(Some(id.parse().map_err(|_| ScenarioError::Source)?))
        }
        _ => return Err(unknown()),
    };
    let is_source = matches!(place, Place::Source(_));
    let fault = match (fault, parameter) {
        ("error", Some(("code", code))) if !is_source => {
            let known = ErrorCode::ALL.iter().find(|known| known.as_str() == code);
            Fault::Error(known.cloned().ok_or(ScenarioError::Code)?)
        }
        ("error", _) if !is_source => return Err(ScenarioError::Code),
        (_, Some(_)) if !is_source => return Err(unknown()),
        ("down", _) => Fault::Down,
        ("late", _) => Fault::Late,
        ("refused", _) => Fault::Refused,
        ("garbage", _) if place != Place::Door => Fault::Garbage,
        ("empty", _) if !is_source => Fault::Empty,
        _ => return Err(unknown()),
    };
    Ok((place, fault))
}

impl Scenario {
    /// What is to go wrong at the door, if anything.
    pub fn at_door(&self) -> Option<&Fault> {
        self.find(|place| *place == Place::Door)
    }

    fn find(&self, is_it: impl Fn(&Place) -> bool) -> Option<&Fault> {
        self.0.iter().find(|(place, _)| is_it(place)).map(|(_, fault)| fault)
    }
}

/// A request that is being answered.
struct Asking {
    scenario: Arc<Scenario>,
    /// Whether it is about the person one of whose sources is always late.
    about_late: Cell<bool>,
}

tokio::task_local! {
    static ASKING: Asking;
}

/// What is to go wrong with the registry, as far as the request that is being answered asks for it.
pub fn of_registry() -> Option<Fault> {
    of(|place| *place == Place::Registry)
}

/// The same of a node, or what always goes wrong with it for the person whom the request is about.
pub fn of_node(id: &NodeId) -> Option<Fault> {
    let asked =
        of(|place| matches!(place, Place::Source(of) if of.as_ref().is_none_or(|of| of == id)));
    let is_late = || ASKING.try_with(|asking| asking.about_late.get()).unwrap_or_default();
    asked.or_else(|| (id.as_str() == LATE_NODE && is_late()).then_some(Fault::Late))
}

fn of(is_it: impl Fn(&Place) -> bool) -> Option<Fault> {
    ASKING.try_with(|asking| asking.scenario.find(is_it).cloned()).ok().flatten()
}

/// Notes whom the request is about, as soon as that is known. Outside a request nothing is noted.
pub fn is_about(person: NhsNumber) {
    if person.digits() == LATE_SOURCE {
        let _ = ASKING.try_with(|asking| asking.about_late.set(true));
    }
}

/// The layer of the mock's listeners that obeys the header.
pub async fn obey(mut request: Request, next: Next) -> Response {
    let header = request.headers().get(X_SCENARIO);
    let asked = header.map(|header| header.to_str().unwrap_or("?").parse::<Scenario>());
    match asked.unwrap_or_else(|| Ok(Scenario::default())) {
        Ok(asked) => {
            let scenario = Arc::new(asked);
            request.extensions_mut().insert(scenario.clone());
            let asking = Asking { scenario, about_late: Cell::new(false) };
            ASKING.scope(asking, next.run(request)).await
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{X_SCENARIO}: {error}\n")).into_response(),
    }
}

impl Fault {
    /// The fault as whoever asks sees it; `None` where nothing is to be found.
    pub async fn happen(self) -> Option<PortError> {
        let words = "the request asks for it (X-Scenario)";
        Some(match self {
            Self::Empty => return None,
            Self::Down => PortError::Unavailable(words.to_owned()),
            Self::Late => {
                tokio::time::sleep(LATE).await;
                PortError::Late
            }
            Self::Refused => PortError::Refused { with: words.to_owned(), reason: None },
            Self::Garbage => PortError::Protocol(words.to_owned()),
            Self::Error(code) => PortError::Transaction(TransactionError::one(code, words)),
        })
    }
}

/// The header.
pub const X_SCENARIO: &str = "x-scenario";
/// Longer than the portal waits for a source.
pub const LATE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        let read = |header: &str| header.parse::<Scenario>();

        let node: NodeId = "2.999.826.1.2".parse().unwrap();
        let two = "source-down; source=2.999.826.1.2, registry-error; code=XDSRegistryBusy";
        let error = Fault::Error(ErrorCode::XDSRegistryBusy);
        let wanted = vec![(Place::Source(Some(node)), Fault::Down), (Place::Registry, error)];
        assert_eq!(read(two), Ok(Scenario(wanted)));
        assert_eq!(read("door-late").unwrap().at_door(), Some(&Fault::Late));
        for wrong in ["", "down", "source-empty", "door-garbage", "registry-down; code=1", "a-b"] {
            assert!(matches!(read(wrong), Err(ScenarioError::Unknown(_))), "{wrong}");
        }
        assert_eq!(read("door-error; code=Nothing"), Err(ScenarioError::Code));
        assert_eq!(read("door-error"), Err(ScenarioError::Code));
        assert_eq!(read("source-down; source=x"), Err(ScenarioError::Source));
    }

    #[test]
    fn one_source_of_one_person_is_late_as_long_as_the_request_lasts() {
        let node = |id: &str| of_node(&id.parse().unwrap());
        let asking = |header: &str| Asking {
            scenario: Arc::new(header.parse().unwrap_or_default()),
            about_late: Cell::new(false),
        };
        let about = |person: &str| is_about(person.parse().unwrap());

        ASKING.sync_scope(asking(""), || {
            about("9990001006");
            assert_eq!(node(LATE_NODE), None);
            about(LATE_SOURCE);
            about("9990001006");
            assert_eq!(node(LATE_NODE), Some(Fault::Late));
            assert_eq!(node("2.999.826.1.1"), None);
        });
        ASKING.sync_scope(asking("source-down"), || {
            about(LATE_SOURCE);
            assert_eq!(node(LATE_NODE), Some(Fault::Down), "what is asked for goes before");
        });
        about(LATE_SOURCE);
        assert_eq!(node(LATE_NODE), None, "outside a request");
    }
}
