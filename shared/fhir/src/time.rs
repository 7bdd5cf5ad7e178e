use carerecord_model::Dtm;
use serde_json::Value;

use crate::Times;

/// Adds to a resource when the registry last changed it.
pub fn add_times(resource: &mut Value, times: &Times) {
    if let Some(updated) = times.last_updated {
        resource["meta"]["lastUpdated"] = format!("{updated:.3}").into();
    }
}

/// When a document was submitted; where that is known to the second, as FHIR wants instants.
pub(crate) fn submitted_at(times: &Times) -> Option<String> {
    times.submitted.as_ref().filter(|dtm| dtm.as_str().len() == SECONDS).map(date_time)
}

/// A DTM as FHIR dateTime, with the same precision; UTC where there is a time. MHD 7.5.
pub fn date_time(dtm: &Dtm) -> String {
    let d = dtm.as_str();
    match d.len() {
        4 => d.to_owned(),
        6 => format!("{}-{}", &d[..4], &d[4..6]),
        8 => format!("{}-{}-{}", &d[..4], &d[4..6], &d[6..8]),
        // FHIR wants seconds as soon as there is a time.
        _ => {
            let e = dtm.earliest();
            format!(
                "{}-{}-{}T{}:{}:{}Z",
                &e[..4],
                &e[4..6],
                &e[6..8],
                &e[8..10],
                &e[10..12],
                &e[12..14]
            )
        }
    }
}

/// A FHIR date or dateTime of a search as DTM of the same precision; `None` when it is not one.
/// Offsets are turned into UTC, fractions of a second dropped; a time without offset is UTC.
pub fn dtm_bound(text: &str) -> Option<Dtm> {
    // A plus that a form did not escape arrives as a space.
    let text = text.replace(' ', "+");
    if text.len() > MAX_TIME {
        return None;
    }
    let bytes = text.as_bytes();
    let shaped = SHAPES.iter().any(|shape| {
        shape.len() == bytes.len()
            && shape.bytes().zip(bytes).all(|(want, got)| match want {
                b'0' => got.is_ascii_digit(),
                _ => want == *got,
            })
    });
    if shaped {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        return digits.parse().ok();
    }
    if text.len() < "2024-01-01T00:00Z".len() {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().and_then(|t| {
        let year = t.to_zoned(jiff::tz::TimeZone::UTC).year();
        (0..=9999).contains(&year).then(|| Dtm::from_timestamp(t))
    })
}

const MAX_TIME: usize = 40;
/// Digits of a time that is known to the second.
const SECONDS: usize = 14;
/// Zeroes stand for digits.
const SHAPES: [&str; 7] = [
    "0000",
    "0000-00",
    "0000-00-00",
    "0000-00-00T00:00",
    "0000-00-00T00:00Z",
    "0000-00-00T00:00:00",
    "0000-00-00T00:00:00Z",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn precision_is_kept() {
        for (dtm, fhir) in [
            ("2024", "2024"),
            ("202403", "2024-03"),
            ("20240311", "2024-03-11"),
            ("2024031109", "2024-03-11T09:00:00Z"),
            ("202403110930", "2024-03-11T09:30:00Z"),
        ] {
            assert_eq!(date_time(&dtm.parse().unwrap()), fhir);
        }
    }

    #[test]
    fn bounds_are_read_with_their_precision() {
        for (fhir, dtm) in [
            ("2024", "2024"),
            ("2024-03", "202403"),
            ("2024-03-11", "20240311"),
            ("2024-03-11T10:30", "202403111030"),
            ("2024-03-11T10:30:00+01:00", "20240311093000"),
            ("2024-03-11T10:30:00 01:00", "20240311093000"),
            ("2024-03-11T10:30:00.123Z", "20240311103000"),
        ] {
            assert_eq!(dtm_bound(fhir).map(|d| d.to_string()).as_deref(), Some(dtm), "{fhir}");
        }
        for bad in ["", "yesterday", "2-0-2-4", "20240311", "2024-13", "2024-02-30", "24-03-11"] {
            assert_eq!(dtm_bound(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,50}", year in -10000i32..12000) {
            let _ = dtm_bound(&text);
            let _ = dtm_bound(&format!("{year}-01-01T00:00:00+05:00"));
        }
    }
}
