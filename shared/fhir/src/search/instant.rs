//! Instants of a search, to the millisecond. FHIR R4, search, 3.1.1.4.7.

use carerecord_model::Dtm;
use jiff::{SignedDuration, Timestamp};

use super::{SearchError, alternatives};
use crate::dtm_bound;

/// One repetition of a parameter that is compared with an instant: any of its alternatives.
#[derive(Clone, Debug)]
pub(super) struct InstantFilter(Vec<(Prefix, Timestamp, Timestamp)>);

#[derive(Clone, Copy, Debug)]
enum Prefix {
    Eq,
    Ne,
    After,
    Before,
    From,
    UpTo,
}

impl InstantFilter {
    pub(super) fn parse(name: &str, value: &str) -> Result<Self, SearchError> {
        let bounds = alternatives(name, value)?;
        let bounds: Option<Vec<_>> = bounds.iter().map(|b| bound(b.trim())).collect();
        bounds.map(Self).ok_or_else(|| SearchError::malformed(name))
    }

    /// From an instant on, to the second at least and with its time zone.
    pub(super) fn since(name: &str, value: &str) -> Result<Self, SearchError> {
        // A plus that a form did not escape arrives as a space.
        let text = value.trim().replace(' ', "+");
        let span = span(&text).filter(|_| is_instant(&text));
        let (start, end) = span.ok_or_else(|| SearchError::malformed(name))?;
        Ok(Self(vec![(Prefix::From, start, end)]))
    }

    /// Whether an instant is asked for.
    pub(super) fn matches(&self, at: Timestamp) -> bool {
        self.0.iter().any(|(prefix, start, end)| match prefix {
            Prefix::Eq => *start <= at && at < *end,
            Prefix::Ne => at < *start || *end <= at,
            Prefix::After => *end <= at,
            Prefix::Before => at < *start,
            Prefix::From => *start <= at,
            Prefix::UpTo => at < *end,
        })
    }
}

/// Whether a text has the form of an `instant`: `2026-11-02T10:00:00Z`.
fn is_instant(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let like = |(form, own): (&u8, u8)| match form {
        b'0' => own.is_ascii_digit(),
        sign => own == *sign,
    };
    let has_zone = text.get(FORM.len()..).is_some_and(|zone| !zone.contains('['));
    has_zone && FORM.iter().zip(text.bytes()).all(like) && text.parse::<Timestamp>().is_ok()
}

fn bound(text: &str) -> Option<(Prefix, Timestamp, Timestamp)> {
    let prefixed = text.get(..2).filter(|p| p.bytes().all(|b| b.is_ascii_alphabetic()));
    let (prefix, rest) = prefixed.map_or(("eq", text), |prefix| (prefix, &text[2..]));
    let prefix = match prefix {
        "eq" => Prefix::Eq,
        "ne" => Prefix::Ne,
        "gt" | "sa" => Prefix::After,
        "lt" | "eb" => Prefix::Before,
        "ge" => Prefix::From,
        "le" => Prefix::UpTo,
        // About when somebody asks: nothing that a client could rely on.
        _ => return None,
    };
    let (start, end) = span(rest)?;
    Some((prefix, start, end))
}

/// From the first instant that a date or time means to the first behind it.
pub(super) fn span(text: &str) -> Option<(Timestamp, Timestamp)> {
    // A plus that a form did not escape arrives as a space.
    let text = text.replace(' ', "+");
    if text.contains('.')
        && text.len() <= MAX_TIME
        && let Ok(at) = text.parse::<Timestamp>()
    {
        let at = Timestamp::from_millisecond(at.as_millisecond()).ok()?;
        return Some((at, at.checked_add(SignedDuration::from_millis(1)).ok()?));
    }
    let dtm = dtm_bound(&text)?;
    Some((dtm.instant(), after(&dtm)?))
}

/// The first instant behind all that the value can mean.
fn after(dtm: &Dtm) -> Option<Timestamp> {
    let start = dtm.instant();
    let utc = start.to_zoned(jiff::tz::TimeZone::UTC);
    let end = match dtm.as_str().len() {
        4 => utc.checked_add(jiff::Span::new().years(1)),
        6 => utc.checked_add(jiff::Span::new().months(1)),
        8 => utc.checked_add(jiff::Span::new().days(1)),
        10 => utc.checked_add(jiff::Span::new().hours(1)),
        12 => utc.checked_add(jiff::Span::new().minutes(1)),
        _ => utc.checked_add(jiff::Span::new().seconds(1)),
    };
    end.ok().map(|end| end.timestamp())
}

const MAX_TIME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_from_an_instant_on() {
        let at: Timestamp = "2026-11-02T10:00:00.500Z".parse().unwrap();
        let since = |text: &str| InstantFilter::since("_since", text);

        for yes in [
            "2026-11-02T10:00:00.500Z",
            "2026-11-02T10:00:00Z",
            "2026-11-02T11:00:00+01:00",
            "2026-11-02T11:00:00.499 01:00",
            "2025-01-01T00:00:00-05:00",
        ] {
            assert!(since(yes).unwrap().matches(at), "{yes}");
        }
        for no in ["2026-11-02T10:00:00.501Z", "2026-11-02T10:00:01Z", "2026-11-02T10:00:00-01:00"]
        {
            assert!(!since(no).unwrap().matches(at), "{no}");
        }
        for bad in [
            "",
            "2026",
            "2026-11-02",
            "2026-11-02T10:00Z",
            "2026-11-02T10:00:00",
            "2026-11-02t10:00:00Z",
            "20261102T100000Z",
            "2026-11-02T10:00:00Z[Europe/London]",
            "2026-13-02T10:00:00Z",
            "2026-11-02T25:00:00Z",
            "ge2026-11-02T10:00:00Z",
            "2026-11-02T10:00:00Z,2026-11-03T10:00:00Z",
            "yesterday",
        ] {
            assert_eq!(since(bad).unwrap_err(), SearchError::Malformed("_since".into()), "{bad}");
        }
    }

    #[test]
    fn an_instant_is_compared_to_the_millisecond() {
        let at: Timestamp = "2026-11-02T10:00:00.500Z".parse().unwrap();
        let matches = |text: &str| InstantFilter::parse("_lastUpdated", text).unwrap().matches(at);

        for yes in [
            "2026-11-02",
            "ge2026-11-02T10:00:00.500Z",
            "gt2026-11-02T10:00:00.499Z",
            "lt2026-11-02T10:00:00.501Z",
            "le2026-11",
            "ne2026-11-03",
            "sa2026-11-01",
            "2025,2026",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in ["gt2026-11-02T10:00:00.500Z", "gt2026-11-02T10:00:00Z", "lt2026-11-02", "2025"] {
            assert!(!matches(no), "{no}");
        }
        for bad in ["", "ap2026", "yesterday", "xx2026", "ge"] {
            assert!(InstantFilter::parse("_lastUpdated", bad).is_err(), "{bad}");
        }
    }
}
