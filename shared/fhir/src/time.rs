use carerecord_model::Dtm;

/// A DTM as FHIR dateTime, with the same precision; UTC where there is a time.
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

/// A FHIR date or dateTime of a search as DTM; `None` when it is not one. Offsets are turned into
/// UTC.
pub fn dtm_bound(text: &str) -> Option<Dtm> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Dtm::from_timestamp(instant));
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let shape = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z'));
    shape.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_kept() {
        for (dtm, fhir) in [
            ("2024", "2024"),
            ("202403", "2024-03"),
            ("20240311", "2024-03-11"),
            ("202403110930", "2024-03-11T09:30:00Z"),
        ] {
            assert_eq!(date_time(&dtm.parse().unwrap()), fhir);
        }
        assert_eq!(dtm_bound("2024-03-11").unwrap().as_str(), "20240311");
        assert_eq!(dtm_bound("2024-03-11T10:30:00+01:00").unwrap().as_str(), "20240311093000");
        assert_eq!(dtm_bound("yesterday"), None);
    }
}
