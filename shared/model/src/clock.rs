use jiff::Timestamp;
use uuid::Uuid;

/// Where the time comes from. Passed in, so that tests own it.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// Where fresh ids come from. Passed in, so that tests own them.
pub trait IdSource: Send + Sync + 'static {
    /// A UUID that nobody can guess (version 4).
    fn random(&self) -> Uuid;
    /// A UUID that sorts by time (version 7): kind to an index.
    fn ordered(&self) -> Uuid;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Ids from the machine's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes random ids")]
    fn random(&self) -> Uuid {
        Uuid::new_v4()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes ordered ids")]
    fn ordered(&self) -> Uuid {
        Uuid::now_v7()
    }
}
