use std::time::Duration;

use jiff::Timestamp;

/// How long a server asks to wait: seconds, or the time until a date. RFC 9110: 10.2.3.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Duration::try_from(now.duration_until(until)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood() {
        let now = "2026-11-25T10:00:00Z".parse().unwrap();
        let wait = |text| retry_after(text, now);

        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(wait("Wed, 25 Nov 2026 10:01:30 GMT"), Some(Duration::from_secs(90)));
        for none in ["Wed, 25 Nov 2026 09:00:00 GMT", "-3", "soon", ""] {
            assert_eq!(wait(none), None, "{none}");
        }
    }
}
