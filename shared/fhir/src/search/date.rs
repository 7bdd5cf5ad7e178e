use carerecord_model::{DateSpan, Dtm, DtmRange};

use super::{SearchError, alternatives};
use crate::dtm_bound;

/// One repetition of a date parameter: any of its alternatives.
#[derive(Clone, Debug)]
pub(crate) struct DateFilter(Vec<Bound>);

#[derive(Clone, Debug)]
struct Bound {
    prefix: Prefix,
    value: Dtm,
}

#[derive(Clone, Copy, Debug)]
enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

impl DateFilter {
    pub(crate) fn parse(name: &str, value: &str) -> Result<Self, SearchError> {
        let bounds = alternatives(name, value)?;
        let bounds: Option<Vec<Bound>> = bounds.iter().map(|b| Bound::parse(b.trim())).collect();
        bounds.map(Self).ok_or_else(|| SearchError::malformed(name))
    }

    /// Whether a time, as long as it is precise, is asked for.
    pub(super) fn matches(&self, value: &Dtm) -> bool {
        self.overlaps(Some(value), Some(value))
    }

    /// Whether a period is asked for; it is open where it has no bound.
    pub(super) fn overlaps(&self, start: Option<&Dtm>, stop: Option<&Dtm>) -> bool {
        let from = start.map_or_else(|| "0".to_owned(), Dtm::earliest);
        let to = stop.map_or_else(|| "9".repeat(14), latest);
        self.0.iter().any(|bound| bound.matches(&from, &to))
    }

    /// The days asked for: of a date that is known to the day.
    pub(crate) fn spans(&self) -> Vec<DateSpan> {
        self.0.iter().flat_map(Bound::spans).collect()
    }

    /// The range of a stored query that loses nothing of what is asked for.
    pub(super) fn narrow(&self, range: &mut DtmRange) {
        let [bound] = self.0.as_slice() else { return };
        match bound.prefix {
            // A value as vague as a year matches whenever that year has not ended before.
            Prefix::Ge => range.from = bound.value.as_str()[..4].parse().ok(),
            Prefix::Lt => range.to = Some(bound.value.clone()),
            Prefix::Eq
            | Prefix::Ne
            | Prefix::Gt
            | Prefix::Le
            | Prefix::Sa
            | Prefix::Eb
            | Prefix::Ap => {}
        }
    }
}

impl Bound {
    fn parse(text: &str) -> Option<Self> {
        let prefixed = text.get(..2).filter(|p| p.bytes().all(|b| b.is_ascii_alphabetic()));
        let (prefix, rest) = match prefixed {
            Some(prefix) => (Prefix::parse(prefix)?, &text[2..]),
            None => (Prefix::Eq, text),
        };
        Some(Self { prefix, value: dtm_bound(rest)? })
    }

    fn spans(&self) -> Vec<DateSpan> {
        let digits = self.value.as_str();
        let digits = &digits[..digits.len().min(8)];
        let day = |filler: &str| format!("{digits}{}", &filler[digits.len()..]).parse::<i64>();
        let (Ok(low), Ok(high)) = (day("00000000"), day("99999999")) else { return Vec::new() };
        let span = |from, to| DateSpan { from, to };
        match self.prefix {
            Prefix::Eq | Prefix::Ap => vec![span(low, high)],
            Prefix::Ne => vec![span(0, low - 1), span(high + 1, LAST_DAY)],
            Prefix::Gt | Prefix::Sa => vec![span(high + 1, LAST_DAY)],
            Prefix::Lt | Prefix::Eb => vec![span(0, low - 1)],
            Prefix::Ge => vec![span(low, LAST_DAY)],
            Prefix::Le => vec![span(0, high)],
        }
    }

    /// All bounds are 14 digits, and inside: text is compared as time. FHIR R4, search, 3.1.1.4.7.
    fn matches(&self, from: &str, to: &str) -> bool {
        let (low, high) = (self.value.earliest(), latest(&self.value));
        let (low, high) = (low.as_str(), high.as_str());
        let within = low <= from && to <= high;
        match self.prefix {
            Prefix::Eq => within,
            Prefix::Ne => !within,
            Prefix::Gt => to > high,
            Prefix::Lt => from < low,
            // What began before the bound and goes on beyond its start counts: a stay that ended on
            // the day asked for is a stay on that day.
            Prefix::Ge => to >= low,
            Prefix::Le => from <= high,
            Prefix::Sa => from > high,
            Prefix::Eb => to < low,
            Prefix::Ap => from <= high && low <= to,
        }
    }
}

impl Prefix {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "eq" => Some(Self::Eq),
            "ne" => Some(Self::Ne),
            "gt" => Some(Self::Gt),
            "lt" => Some(Self::Lt),
            "ge" => Some(Self::Ge),
            "le" => Some(Self::Le),
            "sa" => Some(Self::Sa),
            "eb" => Some(Self::Eb),
            "ap" => Some(Self::Ap),
            _ => None,
        }
    }
}

const LAST_DAY: i64 = 99_999_999;

/// The digits padded to the last second they can mean. A 31st that the month has not got compares
/// as it should.
fn latest(dtm: &Dtm) -> String {
    let digits = dtm.as_str();
    format!("{digits}{}", &"99991231235959"[digits.len()..])
}
