use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// A date as clinical lists show it, e.g. `02-Nov-2026`.
pub(crate) fn clinical_date(date: Date) -> String {
    strtime::format("%d-%b-%Y", date).unwrap_or_default()
}

/// An instant as clinical lists show it, e.g. `02-Nov-2026 14:05`.
fn clinical_instant(instant: Timestamp, zone: &TimeZone) -> String {
    let local = instant.to_zoned(zone.clone());
    strtime::format("%d-%b-%Y %H:%M", &local).unwrap_or_default()
}

/// A FHIR dateTime as clinical lists show it: only as exact as it is. What is not a time is shown
/// as it came.
pub(crate) fn clinical(time: &str, zone: &TimeZone) -> String {
    if let Ok(instant) = time.parse::<Timestamp>() {
        return clinical_instant(instant, zone);
    }
    if time.len() <= 10
        && let Some(date) = day_of(time, zone)
    {
        return match time.len() {
            4 => time.to_owned(),
            7 => strtime::format("%b-%Y", date).unwrap_or_default(),
            _ => clinical_date(date),
        };
    }
    time.to_owned()
}

/// The day of a FHIR dateTime: the first, if it is a year or a month.
pub(crate) fn day_of(time: &str, zone: &TimeZone) -> Option<Date> {
    if let Ok(instant) = time.parse::<Timestamp>() {
        return Some(instant.to_zoned(zone.clone()).date());
    }
    let full = match time.len() {
        4 => format!("{time}-01-01"),
        7 => format!("{time}-01"),
        _ => time.get(..10)?.to_owned(),
    };
    full.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_they_came() {
        let utc = TimeZone::UTC;

        assert_eq!(clinical("2026", &utc), "2026");
        assert_eq!(clinical("2026-11", &utc), "Nov-2026");
        assert_eq!(clinical("2026-11-02", &utc), "02-Nov-2026");
        assert_eq!(clinical("2026-11-02T14:05:59+01:00", &utc), "02-Nov-2026 13:05");
        assert_eq!(clinical("soon", &utc), "soon");
        assert_eq!(clinical("naïve time", &utc), "naïve time");
    }
}
