//! Overrides of what closes a record, and the alerts that they raise. NHS context 5.4.

mod alert;
mod store;

use carerecord_access::{Override, UserCaller};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

pub(crate) use alert::{Alert, AlertCount, Note, ReviewState, WhichAlerts};
pub use store::OverrideStore;
pub(crate) use store::{NewAlert, take_step};

/// An override or a claim, with what its reviewers need to know.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub kind: GrantKind,
    pub opened: Override,
    pub user_name: String,
    /// The organisation that the person acts for.
    pub organisation: String,
    /// The job role.
    pub role: String,
    /// The person's own explanation.
    pub words: Option<String>,
    /// What it rests on, e.g. the number of a court order.
    pub reference: Option<String>,
}

impl Grant {
    /// What this person was granted.
    pub(crate) fn of(
        user: &UserCaller,
        kind: GrantKind,
        opened: Override,
        words: Option<String>,
        reference: Option<String>,
    ) -> Self {
        Self {
            kind,
            opened,
            user_name: user.name.clone(),
            organisation: user.organisation.to_string(),
            role: user.role.clone(),
            words,
            reference,
        }
    }
}

/// What was granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GrantKind {
    /// The person opens what is closed.
    Override,
    /// The person says that they care for the patient; what that opens is not decided by it.
    Claim,
}

impl GrantKind {
    pub(crate) const ALL: [Self; 2] = [Self::Override, Self::Claim];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Claim => "claim",
        }
    }

    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// The end of the day so many working days on. Bank holidays count as working days: an alert is
/// rather due too early.
pub(crate) fn working_days_on(now: Timestamp, days: u16) -> Timestamp {
    let mut day = now.to_zoned(TimeZone::UTC).date();
    let mut left = days;
    while left > 0 {
        let Ok(next) = day.tomorrow() else { break };
        day = next;
        left -= u16::from(!matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday));
    }
    let end = day.tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC));
    end.and_then(|end| end.checked_sub(1.second())).map_or(now, |end| end.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekends_do_not_count() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (from, days, due) in [
            ("2026-11-26T10:00:00Z", 0, "2026-11-26T23:59:59Z"),
            ("2026-11-26T10:00:00Z", 1, "2026-11-27T23:59:59Z"),
            ("2026-11-26T10:00:00Z", 2, "2026-11-30T23:59:59Z"),
            ("2026-11-28T10:00:00Z", 5, "2026-12-04T23:59:59Z"),
        ] {
            assert_eq!(working_days_on(at(from), days), at(due), "{from} {days}");
        }
    }
}
