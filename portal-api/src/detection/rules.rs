//! Which accesses are looked at twice: rules as data, `detection.toml` of the policy folder. nhs.md
//! 5.7.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use carerecord_model::{NhsNumber, OrganisationCode};
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// The rules, with what they know of people.
#[derive(Clone, Debug)]
pub struct DetectionRules {
    /// Days and hours are those of this zone.
    pub(super) zone: TimeZone,
    /// Within how many working days a finding is to be reviewed.
    pub(super) review_days: u16,
    /// How often the logs are gone through; zero is only when somebody asks.
    pub(super) every: SignedDuration,
    pub(super) rules: Vec<DetectionRule>,
    /// By the id of the user.
    pub(super) staff: HashMap<String, Employee>,
    /// People whose records draw the curious.
    pub(super) flagged: HashSet<NhsNumber>,
}

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DetectionRule {
    /// Named in findings, e.g. `own-record`.
    pub id: String,
    /// What people call it.
    pub name: String,
    pub kind: Kind,
    /// How many are still usual, of the kinds that count.
    pub more_than: Option<u64>,
    /// Over how many days overrides are counted.
    pub days: Option<u16>,
    /// So many days there are for an admission or referral to come after an access.
    pub wait_days: Option<u16>,
    /// The hours of work.
    pub from: Option<Time>,
    /// The hours of work end.
    pub to: Option<Time>,
    /// Whether all of Saturday and Sunday is out of hours.
    #[serde(default)]
    pub weekends: bool,
    /// Surnames that say nothing, since too many have them.
    #[serde(default)]
    pub except: Vec<String>,
    /// Organisations that it is not about, e.g. an emergency service that works at night.
    #[serde(default)]
    pub except_organisations: Vec<OrganisationCode>,
}

/// What a rule looks for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// The patient is the user, by the staff file.
    OwnRecord,
    /// The patient has the surname of the user.
    SameSurname,
    /// The patient lives at the postcode of the user, by the staff file and the patient index.
    SamePostcode,
    /// The patient works for the user's organisation, by the staff file.
    Colleague,
    /// The patient is one of those in the file of flagged people.
    FlaggedPerson,
    /// More patients in a day than usual.
    ManyPatients,
    /// More accesses out of hours in a day than usual.
    OutOfHours,
    /// More searches by name in a day than usual.
    SearchesByName,
    /// More overrides in so many days than usual.
    RepeatedBreakGlass,
    /// Nothing says that the user's organisation cared for the patient then, or soon after.
    NoRelationship,
}

/// A member of staff who is a patient, too.
#[derive(Clone, Debug)]
pub(super) struct Employee {
    pub nhs_number: NhsNumber,
    pub organisation: OrganisationCode,
}

/// Why the rules cannot be used: names file and place, and no person.
#[derive(Debug, thiserror::Error)]
pub enum DetectionError {
    /// A file cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(String, std::io::Error),
    /// It does not have the right form.
    #[error("{0}: {1}")]
    Form(String, String),
}

impl DetectionRules {
    /// The rules of a policy folder; `None` where it has no `detection.toml`.
    ///
    /// # Errors
    /// `DetectionError` names the file and what is wrong; nothing is half-loaded.
    pub fn load(folder: &Path) -> Result<Option<Self>, DetectionError> {
        let path = folder.join("detection.toml");
        if !path.exists() {
            return Ok(None);
        }
        let file: File = toml::from_str(&read(&path)?).map_err(|e| form(&path, &e.to_string()))?;
        let zone = TimeZone::get(&file.time_zone).map_err(|e| form(&path, &e.to_string()))?;
        let mut ids = HashSet::new();
        for rule in &file.rule {
            let wrong = |what: &str| form(&path, &format!("rule {}: {what}", rule.id));
            if !ids.insert(&rule.id) {
                return Err(wrong("is there twice"));
            }
            rule.check().map_err(wrong)?;
        }
        let staff = file.staff_file.as_ref().map(|name| staff(&folder.join(name))).transpose()?;
        let flagged = file.flagged_file.as_ref().map(|name| flagged(&folder.join(name)));
        let rules = Self {
            zone,
            review_days: file.review_days,
            every: SignedDuration::from_mins(i64::from(file.every_minutes)),
            staff: staff.unwrap_or_default(),
            flagged: flagged.transpose()?.unwrap_or_default(),
            rules: file.rule,
        };
        for rule in &rules.rules {
            let needs = match rule.kind {
                Kind::OwnRecord | Kind::SamePostcode | Kind::Colleague => {
                    file.staff_file.is_none().then_some("staff_file")
                }
                Kind::FlaggedPerson => file.flagged_file.is_none().then_some("flagged_file"),
                Kind::SameSurname
                | Kind::ManyPatients
                | Kind::OutOfHours
                | Kind::SearchesByName
                | Kind::RepeatedBreakGlass
                | Kind::NoRelationship => None,
            };
            if let Some(needs) = needs {
                return Err(form(&path, &format!("rule {}: needs {needs}", rule.id)));
            }
        }
        Ok(Some(rules))
    }

    /// How often the logs are gone through; zero is only when somebody asks.
    pub fn every(&self) -> SignedDuration {
        self.every
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(super) fn rule(&self, id: &str) -> Option<&DetectionRule> {
        self.rules.iter().find(|rule| rule.id == id)
    }
}

impl DetectionRule {
    fn check(&self) -> Result<(), &'static str> {
        let id = &self.id;
        let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || id.len() > 64 || !id.chars().all(is_id) {
            return Err("an id has small letters, digits and hyphens, 64 at most");
        }
        let counts = match self.kind {
            Kind::ManyPatients
            | Kind::OutOfHours
            | Kind::SearchesByName
            | Kind::RepeatedBreakGlass => true,
            Kind::OwnRecord
            | Kind::SameSurname
            | Kind::SamePostcode
            | Kind::Colleague
            | Kind::FlaggedPerson
            | Kind::NoRelationship => false,
        };
        if counts != self.more_than.is_some() {
            return Err("more_than goes with the kinds that count, and with no other");
        }
        if (self.kind == Kind::RepeatedBreakGlass) != self.days.is_some()
            || self.days.is_some_and(|days| !(1..=92).contains(&days))
        {
            return Err("days, from 1 to 92, goes with repeated-break-glass alone");
        }
        if (self.kind == Kind::NoRelationship) != self.wait_days.is_some()
            || self.wait_days.is_some_and(|days| days > 92)
        {
            return Err("wait_days, up to 92, goes with no-relationship alone");
        }
        let hours = self.kind == Kind::OutOfHours;
        if hours != (self.from.is_some() && self.to.is_some())
            || self.from.is_some_and(|from| self.to.is_none_or(|to| to <= from))
        {
            return Err("from and to, in this order, go with out-of-hours alone");
        }
        Ok(())
    }

    /// Whether an instant is outside of the hours of work.
    pub(super) fn is_out_of_hours(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let at = at.to_zoned(zone.clone());
        let weekend = matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday);
        let (Some(from), Some(to)) = (self.from, self.to) else { return false };
        (self.weekends && weekend) || !(from..to).contains(&at.time())
    }

    pub(super) fn wait(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.wait_days.unwrap_or_default()))
    }
}

/// `user_id,nhs_number,organisation`, a line each; lines that begin with `#` say nothing.
fn staff(path: &Path) -> Result<HashMap<String, Employee>, DetectionError> {
    let mut staff = HashMap::new();
    for (n, line) in lines(&read(path)?) {
        let wrong = || form(path, &format!("line {n}: user_id,nhs_number,organisation"));
        let [user, number, organisation] =
            line.split(',').map(str::trim).collect::<Vec<_>>().try_into().map_err(|_| wrong())?;
        let nhs_number = number.parse().map_err(|_| wrong())?;
        let organisation = organisation.parse().map_err(|_| wrong())?;
        staff.insert(user.to_owned(), Employee { nhs_number, organisation });
    }
    Ok(staff)
}

/// An NHS Number a line.
fn flagged(path: &Path) -> Result<HashSet<NhsNumber>, DetectionError> {
    let number = |(n, line): (usize, String)| {
        line.parse().map_err(|_| form(path, &format!("line {n}: is no NHS Number")))
    };
    lines(&read(path)?).map(number).collect()
}

fn lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim().to_owned()));
    let lines: Vec<_> = lines.collect();
    lines.into_iter().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn read(path: &Path) -> Result<String, DetectionError> {
    std::fs::read_to_string(path).map_err(|e| DetectionError::Read(path.display().to_string(), e))
}

fn form(path: &Path, what: &str) -> DetectionError {
    DetectionError::Form(path.display().to_string(), what.to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "london")]
    time_zone: String,
    #[serde(default = "ten")]
    review_days: u16,
    #[serde(default)]
    every_minutes: u32,
    staff_file: Option<String>,
    flagged_file: Option<String>,
    #[serde(default)]
    rule: Vec<DetectionRule>,
}

fn london() -> String {
    "Europe/London".to_owned()
}

fn ten() -> u16 {
    10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Option<DetectionRules>, DetectionError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("detection.toml"), text).unwrap();
        std::fs::write(folder.path().join("staff.csv"), "# who\nu1, 9990001006,ZEX01\n").unwrap();
        std::fs::write(folder.path().join("flagged.txt"), "9990001014\n\n").unwrap();
        DetectionRules::load(folder.path())
    }

    #[test]
    fn rules_are_read_with_the_people_they_know() {
        let rules = load(
            "staff_file = 'staff.csv'\nflagged_file = 'flagged.txt'\nevery_minutes = 60\n\
             [[rule]]\nid = 'own'\nname = 'Own record'\nkind = 'own-record'\n\
             [[rule]]\nid = 'night'\nname = 'At night'\nkind = 'out-of-hours'\nmore_than = 5\n\
             from = '07:00:00'\nto = '20:00:00'\nweekends = true\n",
        );

        let rules = rules.unwrap().unwrap();
        assert_eq!((rules.rules.len(), rules.staff.len(), rules.flagged.len()), (2, 1, 1));
        let night = |text: &str| rules.rules[1].is_out_of_hours(text.parse().unwrap(), &rules.zone);
        assert!(night("2026-06-02T05:59:00Z") && !night("2026-06-02T06:00:00Z"), "in summer time");
        assert!(night("2026-06-02T19:00:00Z") && night("2026-06-06T12:00:00Z"), "on a Saturday");
    }

    #[test]
    fn rules_that_do_not_make_sense_are_refused() {
        for (text, why) in [
            ("[[rule]]\nid='a'\nname='A'\nkind='own-record'", "needs staff_file"),
            ("[[rule]]\nid='a'\nname='A'\nkind='flagged-person'", "needs flagged_file"),
            ("[[rule]]\nid='a'\nname='A'\nkind='many-patients'", "more_than"),
            ("[[rule]]\nid='a'\nname='A'\nkind='same-surname'\nmore_than=3", "more_than"),
            ("[[rule]]\nid='a'\nname='A'\nkind='repeated-break-glass'\nmore_than=3", "days"),
            ("[[rule]]\nid='a'\nname='A'\nkind='no-relationship'", "wait_days"),
            ("[[rule]]\nid='a'\nname='A'\nkind='out-of-hours'\nmore_than=3", "from and to"),
            ("[[rule]]\nid='A b'\nname='A'\nkind='same-surname'", "small letters"),
            ("[[rule]]\nid='a'\nname='A'\nkind='gossip'", "gossip"),
            ("colour = 'red'", "colour"),
            ("time_zone = 'Mars/Olympus'", "Mars"),
            (
                "[[rule]]\nid='a'\nname='A'\nkind='same-surname'\n\
                 [[rule]]\nid='a'\nname='A'\nkind='same-surname'",
                "twice",
            ),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(DetectionRules::load(tempfile::tempdir().unwrap().path()).unwrap().is_none());
    }
}
