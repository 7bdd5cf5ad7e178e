//! Times as documents state them, in the form of clinical lists and no more exact than they are.

use crate::header::clean;

/// A CDA `TS`, e.g. `20261102140500+0000`, as `02-Nov-2026 14:05 UTC`. What is no time stays as it
/// came.
pub(crate) fn hl7_time(raw: &str) -> Option<String> {
    let raw = clean(raw)?;
    let count = raw.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = raw.split_at(count);
    let rest = rest.strip_prefix('.').map_or(rest, |r| r.trim_start_matches(char::is_numeric));
    let part = |from: usize, to: usize| digits.get(from..to);
    let shown = shown(
        [part(0, 4), part(4, 6), part(6, 8)],
        part(8, 12).map(|t| (t[..2].to_owned(), t[2..].to_owned())),
        rest,
    );
    Some(shown.unwrap_or(raw))
}

/// A FHIR `date`, `dateTime` or `instant` in the same form.
pub(crate) fn fhir_time(raw: &str) -> Option<String> {
    let raw = clean(raw)?;
    let (date, time) = raw.split_once('T').unwrap_or((&raw, ""));
    let mut parts = date.split('-');
    let date = [parts.next(), parts.next(), parts.next()];
    let end = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, offset) = time.split_at(end);
    let mut parts = time.split(':');
    let time = parts.next().zip(parts.next()).map(|(h, m)| (h.to_owned(), m.to_owned()));
    let offset = offset.replace(':', "");
    Some(shown(date, time, &offset).unwrap_or_else(|| raw.clone()))
}

/// From one time to another; one of them may be open.
pub(crate) fn span(low: Option<String>, high: Option<String>) -> Option<String> {
    match (low, high) {
        (Some(low), Some(high)) if low == high => Some(low),
        (Some(low), Some(high)) => Some(format!("{low} to {high}")),
        (Some(low), None) => Some(format!("from {low}")),
        (None, Some(high)) => Some(format!("until {high}")),
        (None, None) => None,
    }
}

fn shown(
    [year, month, day]: [Option<&str>; 3],
    time: Option<(String, String)>,
    offset: &str,
) -> Option<String> {
    let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    let year = year.filter(|y| digits(y, 4))?;
    let Some(month) = month else { return Some(year.to_owned()) };
    let number: usize = month.parse().ok().filter(|_| digits(month, 2))?;
    let month = MONTHS.get(number.checked_sub(1)?)?;
    let Some(day) = day else { return Some(format!("{month}-{year}")) };
    if !digits(day, 2) {
        return None;
    }
    let date = format!("{day}-{month}-{year}");
    let Some((hour, minute)) = time.filter(|(h, m)| digits(h, 2) && digits(m, 2)) else {
        return Some(date);
    };
    let offset = match offset {
        "" => "",
        "Z" | "+00" | "-00" | "+0000" | "-0000" => " UTC",
        other => return Some(format!("{date} {hour}:{minute} {other}")),
    };
    Some(format!("{date} {hour}:{minute}{offset}"))
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_the_document() {
        for (raw, shown) in [
            ("2026", "2026"),
            ("202611", "Nov-2026"),
            ("20261102", "02-Nov-2026"),
            ("20261102140559+0000", "02-Nov-2026 14:05 UTC"),
            ("20261102140559.123-0500", "02-Nov-2026 14:05 -0500"),
            ("20261102140559", "02-Nov-2026 14:05"),
            ("20261302", "20261302"),
            ("soon", "soon"),
            ("naïve", "naïve"),
        ] {
            assert_eq!(hl7_time(raw).as_deref(), Some(shown), "{raw}");
        }
        for (raw, shown) in [
            ("2026-11", "Nov-2026"),
            ("2026-11-02", "02-Nov-2026"),
            ("2026-11-02T14:05:59Z", "02-Nov-2026 14:05 UTC"),
            ("2026-11-02T14:05:59.1+01:00", "02-Nov-2026 14:05 +0100"),
            ("2026-1-2", "2026-1-2"),
            ("T", "T"),
        ] {
            assert_eq!(fhir_time(raw).as_deref(), Some(shown), "{raw}");
        }
        assert_eq!(hl7_time(" "), None);
    }
}
