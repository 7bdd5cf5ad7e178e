use carerecord_model::NhsNumber;
use jiff::Unit;
use jiff::civil::Date;

use super::{Allergies, clinical_date};
use crate::api::PatientRecord;

/// The patient banner, in the words of ISB 1505.
#[derive(Clone, Default)]
pub(crate) struct Banner {
    /// `OKAFOR, Ada (Dr)`.
    pub(crate) name: String,
    pub(crate) preferred: Option<String>,
    /// `14-Jul-1945 (81y)`.
    pub(crate) born: String,
    pub(crate) died: Option<String>,
    pub(crate) gender: String,
    /// `999 000 1006`.
    pub(crate) nhs_number: String,
    /// Whether the number is known not to be traced.
    pub(crate) unverified: bool,
    pub(crate) restricted: bool,
    /// What somebody must know before all else, the most serious first.
    pub(crate) alerts: Vec<String>,
    /// On pages of what documents say; elsewhere they are not asked for.
    pub(crate) allergies: Option<Allergies>,
    /// Whether the index knows the person.
    pub(crate) known: bool,
    /// What is shown on demand: label and value. Empty for restricted people.
    pub(crate) details: Vec<(&'static str, String)>,
}

impl Banner {
    /// The banner of a number, with what the index knows of the person.
    pub(crate) fn new(number: &NhsNumber, person: Option<&PatientRecord>, today: Date) -> Self {
        let kept_under = person.and_then(|person| person.nhs_number);
        let nhs_number = kept_under.as_ref().unwrap_or(number).grouped();
        let unknown = || NOT_KNOWN.to_owned();
        let Some(person) = person else {
            return Self {
                name: "Name not known".to_owned(),
                born: unknown(),
                gender: unknown(),
                nhs_number,
                ..Self::default()
            };
        };
        let until = person.died.unwrap_or(today);
        let born = person.born.map(|born| {
            // Once the person has died, the age stands with the date of death.
            if person.is_dead {
                clinical_date(born)
            } else {
                format!("{} ({})", clinical_date(born), age(born, until))
            }
        });
        Self {
            name: name(person),
            preferred: person.preferred.clone().filter(|p| person.given.first() != Some(p)),
            born: born.unwrap_or_else(unknown),
            died: person.is_dead.then(|| died(person)),
            gender: gender(person.gender.as_deref()),
            nhs_number,
            unverified: !person.verified,
            restricted: person.restricted,
            alerts: alerts(person),
            allergies: None,
            known: true,
            details: details(person),
        }
    }

    /// The same with what is more serious than what the index knows.
    #[must_use]
    pub(crate) fn with_alert(mut self, alert: Option<String>) -> Self {
        self.alerts.splice(..0, alert);
        self
    }

    /// The same with what documents say of allergies.
    #[must_use]
    pub(crate) fn with_allergies(self, allergies: Allergies) -> Self {
        Self { allergies: Some(allergies), ..self }
    }

    /// Whether the banner changes its tone.
    pub(crate) fn has_died(&self) -> bool {
        self.died.is_some()
    }
}

fn name(person: &PatientRecord) -> String {
    let mut name = person.family.as_deref().unwrap_or_default().to_uppercase();
    if !person.given.is_empty() {
        if !name.is_empty() {
            name.push_str(", ");
        }
        name.push_str(&person.given.join(" "));
    }
    if let Some(prefix) = &person.prefix {
        name.push_str(&format!(" ({prefix})"));
    }
    if name.is_empty() { "Name not known".to_owned() } else { name }
}

/// Died and unverified stand beside the date and the number, too.
fn alerts(person: &PatientRecord) -> Vec<String> {
    let all = [
        (person.restricted, "Restricted record"),
        (person.is_dead, "This person has died"),
        (!person.verified, "NHS number not verified"),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| words.to_owned()).collect()
}

fn died(person: &PatientRecord) -> String {
    match (person.died, person.born) {
        (Some(died), Some(born)) => format!("{} ({})", clinical_date(died), age(born, died)),
        (Some(died), None) => clinical_date(died),
        (None, _) => "date not known".to_owned(),
    }
}

fn gender(code: Option<&str>) -> String {
    match code {
        Some("female") => "Female",
        Some("male") => "Male",
        Some("other") => "Other",
        _ => NOT_KNOWN,
    }
    .to_owned()
}

fn details(person: &PatientRecord) -> Vec<(&'static str, String)> {
    let all = [
        ("Address", &person.address),
        ("Phone", &person.telephone),
        ("GP practice", &person.practice),
    ];
    all.into_iter().filter_map(|(label, value)| Some((label, value.clone()?))).collect()
}

/// The age in the units that suit it: days under 4 weeks, weeks under a year, months under two
/// years, years and months under 18.
fn age(born: Date, until: Date) -> String {
    let Ok(span) = born.until((Unit::Year, until)) else { return NOT_KNOWN.to_owned() };
    let (years, months) = (span.get_years(), span.get_months());
    let days = born.until((Unit::Day, until)).map(|s| s.get_days()).unwrap_or_default();
    match (years, days) {
        (_, ..0) => NOT_KNOWN.to_owned(),
        (0, 0..28) => format!("{days}d"),
        (0, _) if days % 7 == 0 => format!("{}w", days / 7),
        (0, _) => format!("{}w {}d", days / 7, days % 7),
        (1, _) => format!("{}m", 12 + months),
        (2..18, _) if months == 0 => format!("{years}y"),
        (2..18, _) => format!("{years}y {months}m"),
        _ => format!("{years}y"),
    }
}

const NOT_KNOWN: &str = "Not known";

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn ages_in_their_units() {
        let on = |born| age(day(born), day("2026-11-25"));

        assert_eq!(on("2026-11-20"), "5d");
        assert_eq!(on("2026-10-25"), "4w 3d");
        assert_eq!(on("2025-09-25"), "14m");
        assert_eq!(on("2019-08-25"), "7y 3m");
        assert_eq!(on("1945-07-14"), "81y");
        assert_eq!(on("2027-01-01"), "Not known");
    }

    #[test]
    fn the_banner_of_a_person() {
        let number: NhsNumber = "9990001006".parse().unwrap();
        let person = PatientRecord {
            family: Some("Okafor".into()),
            given: vec!["Ada".into()],
            prefix: Some("Dr".into()),
            born: Some(day("1945-07-14")),
            gender: Some("female".into()),
            verified: true,
            ..PatientRecord::default()
        };

        let banner = Banner::new(&number, Some(&person), day("2026-11-25"));

        assert_eq!(banner.name, "OKAFOR, Ada (Dr)");
        assert_eq!(banner.born, "14-Jul-1945 (81y)");
        assert_eq!(banner.nhs_number, "999 000 1006");
        assert!(!banner.has_died() && banner.alerts.is_empty());
    }

    #[test]
    fn the_most_serious_alert_comes_first() {
        let number: NhsNumber = "9990001073".parse().unwrap();
        let person = PatientRecord { is_dead: true, restricted: true, ..PatientRecord::default() };
        let banner = Banner::new(&number, Some(&person), day("2026-11-25"));

        let banner = banner.with_alert(Some("Opened".into())).with_alert(None);

        let others = ["Restricted record", "This person has died", "NHS number not verified"];
        assert_eq!(banner.alerts[0], "Opened");
        assert_eq!(banner.alerts[1..], others);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let number: NhsNumber = "9990001006".parse().unwrap();

        let banner = Banner::new(&number, None, day("2026-11-25"));

        assert_eq!(banner.name, "Name not known");
        assert_eq!(banner.gender, "Not known");
        assert!(!banner.known);
    }
}
