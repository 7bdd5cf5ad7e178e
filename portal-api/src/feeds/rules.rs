//! What is expected of sources: `feeds.toml` of the policy folder.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// What is expected of each feed.
#[derive(Clone, Debug, Default)]
pub struct FeedRules {
    pub(crate) feeds: Vec<ExpectedFeed>,
}

/// A feed and its rhythm.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedFeed {
    /// What people call it.
    pub name: String,
    /// The system, by the name that it is known by.
    pub system: String,
    /// The transaction, e.g. `ITI-41`.
    pub transaction: String,
    /// Whose door it comes in by: `registry`, `portal` or the name of a node.
    pub to: String,
    /// At least one message in so many hours.
    pub every_hours: u32,
    /// Whether nothing is expected on Saturdays and Sundays.
    #[serde(default)]
    pub weekdays_only: bool,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FeedRulesError {
    /// It cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(String, std::io::Error),
    /// It does not have the right form.
    #[error("{0}: {1}")]
    Form(String, String),
}

impl FeedRules {
    /// What is expected, by the `feeds.toml` of a policy folder; without one nothing is.
    ///
    /// # Errors
    /// Names the file and what is wrong.
    pub fn load(folder: &Path) -> Result<Self, FeedRulesError> {
        let path = folder.join("feeds.toml");
        if !path.exists() {
            return Ok(Self::default());
        }
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|e| FeedRulesError::Read(shown.clone(), e))?;
        let form = |what: String| FeedRulesError::Form(shown.clone(), what);
        let file: File = toml::from_str(&text).map_err(|e| form(e.to_string()))?;
        for (n, feed) in file.feed.iter().enumerate() {
            if !(1..=24 * 366).contains(&feed.every_hours) {
                return Err(form(format!("{}: every_hours is from 1 to 8784", feed.name)));
            }
            if file.feed[..n].iter().any(|other| other.is_same(feed)) {
                return Err(form(format!("{}: is there twice", feed.name)));
            }
        }
        Ok(Self { feeds: file.feed })
    }

    /// How many feeds are expected.
    pub fn len(&self) -> usize {
        self.feeds.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }
}

impl ExpectedFeed {
    fn is_same(&self, other: &Self) -> bool {
        self.is(&other.system, &other.transaction, &other.to)
    }

    /// Whether this feed is meant.
    pub(crate) fn is(&self, system: &str, transaction: &str, to: &str) -> bool {
        self.system == system && self.transaction == transaction && self.to == to
    }

    /// Whether more time than usual has passed since the last message.
    pub(crate) fn is_late(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(last) = last else { return true };
        let hours = now.duration_since(last).as_hours();
        let free = if self.weekdays_only { weekend_hours(last, now) } else { 0 };
        hours - free >= i64::from(self.every_hours)
    }
}

/// Hours of Saturdays and Sundays between two instants, in whole hours of UTC.
fn weekend_hours(from: Timestamp, to: Timestamp) -> i64 {
    let mut hours = 0;
    let mut at = from;
    // No rhythm is longer than a year; what is later is late.
    for _ in 0..24 * 400 {
        if at >= to {
            break;
        }
        let day = at.to_zoned(TimeZone::UTC).weekday();
        hours += i64::from(matches!(day, Weekday::Saturday | Weekday::Sunday));
        let Ok(next) = at.checked_add(jiff::SignedDuration::from_hours(1)) else { break };
        at = next;
    }
    hours
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    feed: Vec<ExpectedFeed>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = "[[feed]]\nname = 'Letters'\nsystem = 'lab'\ntransaction = 'ITI-41'\n\
                       to = 'Royal Example Hospital'\n";

    fn load(text: &str) -> Result<FeedRules, FeedRulesError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("feeds.toml"), text).unwrap();
        FeedRules::load(folder.path())
    }

    #[test]
    fn a_feed_is_late_when_its_time_has_passed() {
        let daily = load(&format!("{LAB}every_hours = 24\nweekdays_only = true")).unwrap();
        let feed = &daily.feeds[0];
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // A Friday.
        let last = Some(at("2026-11-27T16:00:00Z"));
        for (now, late) in [
            ("2026-11-28T15:00:00Z", false),
            ("2026-11-30T08:00:00Z", false),
            ("2026-11-30T15:30:00Z", false),
            ("2026-11-30T16:30:00Z", true),
            ("2027-11-30T16:30:00Z", true),
        ] {
            assert_eq!(feed.is_late(last, at(now)), late, "{now}");
        }
        assert!(feed.is_late(None, at("2026-11-27T16:00:00Z")), "it never came");
        let always = load(&format!("{LAB}every_hours = 24")).unwrap();
        assert!(always.feeds[0].is_late(last, at("2026-11-28T16:00:00Z")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, why) in [
            (format!("{LAB}every_hours = 0"), "from 1"),
            (format!("{LAB}every_hours = 9000"), "from 1"),
            (format!("{LAB}every_hours = 1\n{LAB}every_hours = 2"), "twice"),
            (LAB.to_owned(), "every_hours"),
            ("colour = 'red'".to_owned(), "colour"),
        ] {
            let error = load(&text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(FeedRules::load(tempfile::tempdir().unwrap().path()).unwrap().is_empty());
    }
}
