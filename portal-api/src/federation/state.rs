use carerecord_fhir::SourceState;
use carerecord_model::{ErrorCode, NodeId, PortError, TransactionError};
use jiff::Timestamp;

use super::Member;

/// What became of asking a source.
pub(crate) struct NodeState {
    /// Its place among the nodes, from 0.
    pub place: usize,
    pub id: NodeId,
    pub name: String,
    pub state: SourceState,
    pub latency_ms: u64,
    /// When it last answered as it should, as far as this process knows.
    pub last_good: Option<Timestamp>,
}

impl NodeState {
    pub(super) fn new(member: &Member, state: SourceState, latency_ms: u64) -> Self {
        Self {
            place: member.place,
            id: member.id.clone(),
            name: member.name.clone(),
            state,
            latency_ms,
            last_good: member.last_good(),
        }
    }
}

/// What an error says of the one who was asked.
#[derive(Clone, Copy)]
pub(super) struct Meaning {
    pub(super) state: SourceState,
    /// Whether it counts as a failure of the endpoint.
    pub(super) failed: bool,
    /// Whether the same endpoint may do better in a moment.
    pub(super) here: bool,
    /// Whether another endpoint of the node may do better.
    pub(super) elsewhere: bool,
}

impl Meaning {
    pub(super) fn of(error: &PortError) -> Self {
        let bad = |state, here| Self { state, failed: true, here, elsewhere: true };
        match error {
            PortError::Late => bad(SourceState::Late, false),
            PortError::Unavailable(_) => bad(SourceState::Down, true),
            PortError::Refused { .. } => bad(SourceState::Refused, false),
            PortError::Protocol(_) => bad(SourceState::Garbage, false),
            PortError::Transaction(errors) if is_busy(errors) => bad(SourceState::Refused, true),
            // It is another repository: asking again changes nothing, nor does leaving it alone.
            PortError::Transaction(errors) if says(errors, &ErrorCode::XDSUnknownRepositoryId) => {
                Self { state: SourceState::Refused, failed: false, here: false, elsewhere: true }
            }
            // It has looked, and this is its answer.
            PortError::Transaction(_) => {
                Self { state: SourceState::Answered, failed: false, here: false, elsewhere: false }
            }
        }
    }
}

fn is_busy(errors: &TransactionError) -> bool {
    [
        ErrorCode::XDSRepositoryBusy,
        ErrorCode::XDSRepositoryOutOfResources,
        ErrorCode::XDSRegistryNotAvailable,
    ]
    .iter()
    .any(|code| says(errors, code))
}

fn says(errors: &TransactionError, code: &ErrorCode) -> bool {
    errors.0.iter().any(|error| error.code == *code)
}
