use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize};

/// A time with its precision, `YYYY[MM[DD[hh[mm[ss]]]]]` in UTC. ITI TF-3: 4.2.3.1.7.
///
/// `2004` and `20040101000000` are different values that begin at the same instant; they are
/// ordered by that instant, then by the text.
#[derive(Clone, Eq, Hash, PartialEq, Serialize)]
#[serde(into = "String")]
pub struct Dtm(String);

/// Why a text is not a DTM.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DtmError {
    /// Other characters than digits, or an odd or wrong number of them.
    #[error("a time is 4, 6, 8, 10, 12 or 14 digits, YYYYMMDDhhmmss in UTC")]
    Digits,
    /// Month 13, 30 February, hour 24.
    #[error("the time does not exist in the calendar")]
    Calendar,
}

impl Dtm {
    /// The digits as they were given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant to the second.
    pub fn from_timestamp(instant: Timestamp) -> Self {
        Self(instant.strftime("%Y%m%d%H%M%S").to_string())
    }

    /// The digits padded to the earliest second they can mean; 14 digits, fit for comparison.
    pub fn earliest(&self) -> String {
        let mut digits = self.0.clone();
        digits.push_str(&PAD[digits.len()..]);
        digits
    }

    /// The earliest instant the value can mean.
    pub fn instant(&self) -> Timestamp {
        let e = self.earliest();
        let n = |from: usize, to: usize| e[from..to].parse::<i16>().unwrap_or_default();
        civil(n(0, 4), n(4, 6), n(6, 8), n(8, 10), n(10, 12), n(12, 14))
            .and_then(|t| t.to_zoned(TimeZone::UTC).ok())
            .map_or(Timestamp::UNIX_EPOCH, |z| z.timestamp())
    }

    /// The last second that the value can mean.
    pub fn last_instant(&self) -> Timestamp {
        let first = self.instant();
        let first = first.to_zoned(TimeZone::UTC).datetime();
        let date = match self.0.len() {
            4 => first.date().last_of_year(),
            6 => first.date().last_of_month(),
            _ => first.date(),
        };
        let (hour, minute, second) = match self.0.len() {
            4 | 6 | 8 => (23, 59, 59),
            10 => (first.hour(), 59, 59),
            12 => (first.hour(), first.minute(), 59),
            _ => (first.hour(), first.minute(), first.second()),
        };
        date.at(hour, minute, second, 0)
            .to_zoned(TimeZone::UTC)
            .map_or(Timestamp::MAX, |z| z.timestamp())
    }
}

impl FromStr for Dtm {
    type Err = DtmError;

    fn from_str(s: &str) -> Result<Self, DtmError> {
        let shape = matches!(s.len(), 4 | 6 | 8 | 10 | 12 | 14);
        if !shape || !s.bytes().all(|b| b.is_ascii_digit()) {
            return Err(DtmError::Digits);
        }
        let dtm = Self(s.to_owned());
        let e = dtm.earliest();
        let n = |from: usize, to: usize| e[from..to].parse::<i16>().unwrap_or(-1);
        civil(n(0, 4), n(4, 6), n(6, 8), n(8, 10), n(10, 12), n(12, 14))
            .map(|_| dtm)
            .ok_or(DtmError::Calendar)
    }
}

impl PartialOrd for Dtm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dtm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.earliest().cmp(&other.earliest()).then_with(|| self.0.cmp(&other.0))
    }
}

impl<'de> Deserialize<'de> for Dtm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_text(deserializer)
    }
}

impl From<Dtm> for String {
    fn from(dtm: Dtm) -> String {
        dtm.0
    }
}

impl fmt::Display for Dtm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Dtm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dtm({})", self.0)
    }
}

fn civil(year: i16, month: i16, day: i16, hour: i16, minute: i16, second: i16) -> Option<DateTime> {
    let byte = |n: i16| i8::try_from(n).ok();
    let date = Date::new(year, byte(month)?, byte(day)?).ok()?;
    let time = jiff::civil::Time::new(byte(hour)?, byte(minute)?, byte(second)?, 0).ok()?;
    Some(date.to_datetime(time))
}

const PAD: &str = "00000101000000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_is_checked() {
        for good in ["2004", "200412", "20041224", "2004122423", "200402292359", "20041224235959"] {
            assert!(good.parse::<Dtm>().is_ok(), "{good}");
        }
        for bad in ["20", "2004122", "2004-12-24", "20041301", "20050229", "2004122424", "١٢٣٤"]
        {
            assert!(bad.parse::<Dtm>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_lasts_as_long_as_its_precision() {
        for (dtm, last) in [
            ("2004", "2004-12-31T23:59:59Z"),
            ("200402", "2004-02-29T23:59:59Z"),
            ("20040224", "2004-02-24T23:59:59Z"),
            ("2004022407", "2004-02-24T07:59:59Z"),
            ("200402240708", "2004-02-24T07:08:59Z"),
            ("20040224070809", "2004-02-24T07:08:09Z"),
        ] {
            assert_eq!(dtm.parse::<Dtm>().unwrap().last_instant().to_string(), last, "{dtm}");
        }
    }

    #[test]
    fn ordered_by_the_earliest_instant() {
        let year: Dtm = "2004".parse().unwrap();
        let second: Dtm = "20040101000001".parse().unwrap();

        assert!(year < second);
        assert_ne!(year, "20040101".parse().unwrap());
        assert_eq!(year.earliest(), "20040101000000");
        assert_eq!(Dtm::from_timestamp(second.instant()), second);
    }
}
