use serde::Deserialize;

/// What a node may cost, and what it may be asked for. Each has a default.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct NodeLimits {
    /// How long it may take to answer, in milliseconds; the portal's `source_deadline_ms` unless
    /// given. For a document: until its bytes begin to come.
    pub deadline_ms: Option<u64>,
    /// How many requests it may have at once, documents that are still being passed on among them.
    pub concurrent_requests: u32,
    /// How often it is asked before it counts as silent. Only reads are sent to nodes, and none is
    /// repeated once its answer has begun to go out.
    pub attempts: u32,
    /// How long to wait before it is asked again, in milliseconds; the wait doubles each time, and
    /// is varied by half so that copies of the portal do not come all at once.
    pub retry_after_ms: u64,
    /// Of a node with two endpoints: after how many milliseconds the other one is asked as well.
    pub hedge_after_ms: u64,
    /// After how many failures in a row an endpoint is left alone for a while.
    pub breaker_failures: u32,
    /// How long it is left alone, in milliseconds; then one request tries it.
    pub breaker_pause_ms: u64,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            deadline_ms: None,
            concurrent_requests: 64,
            attempts: 2,
            retry_after_ms: 50,
            hedge_after_ms: 250,
            breaker_failures: 5,
            breaker_pause_ms: 5_000,
        }
    }
}

impl NodeLimits {
    /// Checks that a node with these can be asked at all.
    ///
    /// # Errors
    /// The key that is out of its range, and the range.
    pub fn validate(&self) -> Result<(), String> {
        let wrong = |key: &str, range: &str| Err(format!("limits.{key} must be {range}"));
        match self {
            Self { deadline_ms: Some(0 | MAX_MS..), .. } => wrong("deadline_ms", MS),
            Self { concurrent_requests: 0 | 10_001.., .. } => {
                wrong("concurrent_requests", "from 1 to 10000")
            }
            Self { attempts: 0 | 11.., .. } => wrong("attempts", "from 1 to 10"),
            Self { retry_after_ms: MAX_MS.., .. } => wrong("retry_after_ms", MS),
            Self { hedge_after_ms: MAX_MS.., .. } => wrong("hedge_after_ms", MS),
            Self { breaker_failures: 0, .. } => wrong("breaker_failures", "1 or more"),
            Self { breaker_pause_ms: 0 | MAX_MS.., .. } => wrong("breaker_pause_ms", MS),
            _ => Ok(()),
        }
    }
}

const MAX_MS: u64 = 600_001;
const MS: &str = "from 1 to 600000 (10 minutes)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_node_could_be_asked_with_is_refused_by_its_key() {
        assert_eq!(NodeLimits::default().validate(), Ok(()));
        let with = |change: fn(&mut NodeLimits)| {
            let mut limits = NodeLimits::default();
            change(&mut limits);
            limits.validate().unwrap_err()
        };

        assert!(with(|l| l.deadline_ms = Some(0)).starts_with("limits.deadline_ms must be"));
        assert!(with(|l| l.concurrent_requests = 0).contains("concurrent_requests"));
        assert!(with(|l| l.attempts = 11).contains("attempts"));
        assert!(with(|l| l.breaker_failures = 0).contains("breaker_failures"));
        assert!(with(|l| l.breaker_pause_ms = 700_000).contains("10 minutes"));
    }
}
