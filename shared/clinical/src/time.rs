use carerecord_model::Dtm;
use jiff::SignedDuration;

/// The time of a CDA `TS`, `YYYYMMDDhhmmss.f+hhmm`, in UTC and at the precision it has.
///
/// Offsets may have two digits. A time without offset is taken as UTC. An odd digit at the end and
/// fractions are dropped. `None` when it is no time of the calendar.
pub(crate) fn from_hl7(raw: &str) -> Option<Dtm> {
    let raw = raw.trim();
    let count = raw.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = raw.split_at_checked(count)?;
    let digits = digits.get(..count.min(14) & !1)?;
    let local: Dtm = digits.parse().ok()?;
    let rest = rest.strip_prefix('.').map_or(rest, |r| r.trim_start_matches(char::is_numeric));
    let minutes = offset_minutes(rest)?;
    if digits.len() < 10 || minutes == 0 {
        return Some(local);
    }
    let utc = local.instant().checked_sub(SignedDuration::from_mins(minutes)).ok()?;
    let all = Dtm::from_timestamp(utc);
    // An hour at half an hour's offset has minutes.
    let length = if minutes % 60 == 0 { digits.len() } else { digits.len().max(12) };
    all.as_str().get(..length)?.parse().ok()
}

/// The time of a FHIR `date`, `dateTime` or `instant`, in UTC and at the precision it has.
pub(crate) fn from_fhir(raw: &str) -> Option<Dtm> {
    let Some((date, time)) = raw.trim().split_once('T') else {
        return from_hl7(&raw.replace('-', ""));
    };
    from_hl7(&format!("{}{}", date.replace('-', ""), time.replace(':', "")))
}

/// `""`, `Z`, `+hh`, `-hhmm`, `+hh:mm`. Anything else is no offset.
fn offset_minutes(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || text == "Z" {
        return Some(0);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits = text.get(1..)?.replace(':', "");
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..).filter(|m| !m.is_empty()).unwrap_or("0").parse().ok()?;
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_utc() {
        let hl7 = [
            ("20210406123335+01", "20210406113335"),
            ("201701012000+00", "201701012000"),
            ("20120806000000.123-0500", "20120806050000"),
            ("2012123123-0130", "201301010030"),
            ("20120806", "20120806"),
            ("201208061", "20120806"),
            ("2012-0500", "2012"),
        ];
        for (raw, utc) in hl7 {
            assert_eq!(from_hl7(raw).map(String::from).as_deref(), Some(utc), "{raw}");
        }
        let fhir = [
            ("2024-10-28T11:57:10.868+11:00", "20241028005710"),
            ("2026-04-09T10:15:00Z", "20260409101500"),
            ("2025-02-03", "20250203"),
            ("2025", "2025"),
        ];
        for (raw, utc) in fhir {
            assert_eq!(from_fhir(raw).map(String::from).as_deref(), Some(utc), "{raw}");
        }
        for bad in ["", "x", "20121301", "20120101+99", "2012010112é"] {
            assert_eq!(from_hl7(bad), None, "{bad}");
        }
    }
}
