//! The rules, held against what was done.

use std::collections::{BTreeMap, HashMap, HashSet};

use carerecord_access::{Relationship, RelationshipStatus};
use carerecord_model::{NhsNumber, Patient, name_key};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::finding::{Actor, Found};
use super::rules::{DetectionRule, DetectionRules, Kind};
use super::tally::{Day, Tallies};
use crate::overrides::Grant;

/// What is known of patients besides what the logs say.
#[derive(Default)]
pub(super) struct Known {
    /// Those of whom the patient index knows.
    pub people: HashMap<NhsNumber, Patient>,
    /// Who cares, or cared, for whom.
    pub relationships: HashMap<NhsNumber, Vec<Relationship>>,
    /// Overrides, of as many days as any rule asks for.
    pub grants: Vec<Grant>,
}

/// What the rules find, in the order of the rules.
pub(super) fn judge(
    rules: &DetectionRules,
    tallies: &Tallies,
    known: &Known,
    (since, until): (Timestamp, Timestamp),
    now: Timestamp,
) -> Vec<Found> {
    let mut all = Vec::new();
    for rule in &rules.rules {
        let watched = |actor: &Actor| {
            !rule.except_organisations.iter().any(|code| code.as_str() == actor.organisation)
        };
        let found = match rule.kind {
            Kind::RepeatedBreakGlass => repeated_overrides(rule, rules, known, until),
            Kind::OwnRecord
            | Kind::SameSurname
            | Kind::SamePostcode
            | Kind::Colleague
            | Kind::FlaggedPerson
            | Kind::NoRelationship => {
                one_by_one(rule, tallies, &|actor, patient, first| match rule.kind {
                    Kind::OwnRecord => is_own(rules, actor, patient),
                    Kind::SameSurname => has_surname(rule, known, actor, patient),
                    Kind::SamePostcode => lives_there(rules, known, actor, patient),
                    Kind::Colleague => works_there(rules, actor, patient),
                    Kind::FlaggedPerson => rules.flagged.contains(&patient),
                    Kind::NoRelationship => {
                        let waited = first.checked_add(rule.wait()).is_ok_and(|t| t <= now);
                        waited && !cared_for(rule, known, actor, patient, first)
                    }
                    Kind::ManyPatients
                    | Kind::OutOfHours
                    | Kind::SearchesByName
                    | Kind::RepeatedBreakGlass => false,
                })
            }
            Kind::ManyPatients | Kind::OutOfHours | Kind::SearchesByName => {
                days(rule, rules, tallies)
            }
        };
        all.extend(found.into_iter().filter(|f| watched(&f.actor) && f.last_at >= since));
    }
    all
}

/// Findings of rules that are about a user and one patient.
fn one_by_one(
    rule: &DetectionRule,
    tallies: &Tallies,
    is: &dyn Fn(&Actor, NhsNumber, Timestamp) -> bool,
) -> Vec<Found> {
    let mut all = Vec::new();
    for ((actor, date), day) in &tallies.days {
        for (patient, looks) in &day.patients {
            let looks = looks.all();
            let Some((first, _)) = looks.first() else { continue };
            if is(actor, *patient, *first) {
                all.extend(found(rule, actor, Some(*patient), *date, &looks, looks.len() as u64));
            }
        }
    }
    all
}

/// Findings of rules that count what a user does in a day.
fn days(rule: &DetectionRule, rules: &DetectionRules, tallies: &Tallies) -> Vec<Found> {
    let usual = rule.more_than.unwrap_or(u64::MAX);
    let mut all = Vec::new();
    for ((actor, date), day) in &tallies.days {
        let (looks, count) = match rule.kind {
            Kind::ManyPatients => (every_look(day), day.patients.len() as u64),
            Kind::SearchesByName => (day.searches.all(), day.searches.count()),
            Kind::OutOfHours => {
                let mut looks = every_look(day);
                looks.retain(|(at, _)| rule.is_out_of_hours(*at, &rules.zone));
                let count = looks.len() as u64;
                (looks, count)
            }
            Kind::OwnRecord
            | Kind::SameSurname
            | Kind::SamePostcode
            | Kind::Colleague
            | Kind::FlaggedPerson
            | Kind::RepeatedBreakGlass
            | Kind::NoRelationship => continue,
        };
        if count > usual {
            all.extend(found(rule, actor, None, *date, &looks, count));
        }
    }
    all
}

fn every_look(day: &Day) -> Vec<(Timestamp, Uuid)> {
    let mut all: Vec<_> = day.patients.values().flat_map(super::tally::Looks::all).collect();
    all.sort_unstable();
    all
}

fn repeated_overrides(
    rule: &DetectionRule,
    rules: &DetectionRules,
    known: &Known,
    until: Timestamp,
) -> Vec<Found> {
    let days = i64::from(rule.days.unwrap_or(1));
    let since = until.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(until);
    let mut by_user: BTreeMap<Actor, Vec<Timestamp>> = BTreeMap::new();
    for grant in &known.grants {
        if (since..until).contains(&grant.opened.since) {
            let actor = Actor {
                id: grant.opened.user_id.clone(),
                name: grant.user_name.clone(),
                organisation: grant.organisation.clone(),
                role: grant.role.clone(),
            };
            by_user.entry(actor).or_default().push(grant.opened.since);
        }
    }
    let mut all = Vec::new();
    for (actor, mut times) in by_user {
        times.sort_unstable();
        let count = times.len() as u64;
        if count <= rule.more_than.unwrap_or(u64::MAX) {
            continue;
        }
        let (Some(first), Some(last)) = (times.first(), times.last()) else { continue };
        all.push(Found {
            rule: rule.id.clone(),
            day: last.to_zoned(rules.zone.clone()).date(),
            first_at: *first,
            last_at: *last,
            count,
            evidence: Vec::new(),
            patient: None,
            actor,
        });
    }
    all
}

fn found(
    rule: &DetectionRule,
    actor: &Actor,
    patient: Option<NhsNumber>,
    day: Date,
    looks: &[(Timestamp, Uuid)],
    count: u64,
) -> Option<Found> {
    let (first, last) = looks.first().zip(looks.last())?;
    Some(Found {
        rule: rule.id.clone(),
        actor: actor.clone(),
        patient,
        day,
        first_at: first.0,
        last_at: last.0,
        count,
        evidence: looks.iter().map(|(_, id)| *id).take(EVIDENCE).collect(),
    })
}

fn is_own(rules: &DetectionRules, actor: &Actor, patient: NhsNumber) -> bool {
    rules.staff.get(&actor.id).is_some_and(|employee| employee.nhs_number == patient)
}

fn works_there(rules: &DetectionRules, actor: &Actor, patient: NhsNumber) -> bool {
    rules.staff.iter().any(|(id, employee)| {
        *id != actor.id
            && employee.nhs_number == patient
            && employee.organisation.as_str() == actor.organisation
    })
}

/// Names come as people say them or as lists have them: any word of one can be the surname.
fn has_surname(rule: &DetectionRule, known: &Known, actor: &Actor, patient: NhsNumber) -> bool {
    let family = known.people.get(&patient).and_then(|p| p.family_name.as_deref()).map(name_key);
    let Some(family) = family.filter(|family| family.chars().count() > 1) else { return false };
    let words: HashSet<String> = actor.name.split_whitespace().map(name_key).collect();
    words.contains(&family) && !rule.except.iter().any(|name| name_key(name) == family)
}

fn lives_there(rules: &DetectionRules, known: &Known, actor: &Actor, patient: NhsNumber) -> bool {
    let Some(own) = rules.staff.get(&actor.id).map(|employee| employee.nhs_number) else {
        return false;
    };
    let at = |number| known.people.get(&number).and_then(|p| p.postcode.as_deref());
    own != patient && at(own).is_some() && at(own) == at(patient)
}

/// Whether anything says that the organisation cares for the patient: then, or within the days that
/// the rule waits.
fn cared_for(
    rule: &DetectionRule,
    known: &Known,
    actor: &Actor,
    patient: NhsNumber,
    at: Timestamp,
) -> bool {
    let soon = at.checked_add(rule.wait()).unwrap_or(Timestamp::MAX);
    let all = known.relationships.get(&patient).map(Vec::as_slice).unwrap_or_default();
    all.iter().any(|r| {
        r.status == RelationshipStatus::Active
            && r.with.organisation().as_str() == actor.organisation
            && r.since <= soon
            && r.last(GRACE_DAYS).is_none_or(|last| at <= last)
    })
}

/// Records that a finding names: enough to begin with.
const EVIDENCE: usize = 20;
/// After an admission or a referral there are still letters to read.
const GRACE_DAYS: u16 = 90;

#[cfg(test)]
mod tests {
    use carerecord_access::{Carer, RelationshipKind};
    use carerecord_audit::{AuditActor, AuditEvent, AuditOutcome};

    use super::*;

    const RULES: &str = "
        staff_file = 'staff.csv'
        flagged_file = 'flagged.txt'
        [[rule]]
        id = 'own'
        name = 'Own record'
        kind = 'own-record'
        [[rule]]
        id = 'surname'
        name = 'Same surname'
        kind = 'same-surname'
        except = ['Smith']
        [[rule]]
        id = 'postcode'
        name = 'Same postcode'
        kind = 'same-postcode'
        [[rule]]
        id = 'colleague'
        name = 'Colleague'
        kind = 'colleague'
        [[rule]]
        id = 'flagged'
        name = 'Flagged'
        kind = 'flagged-person'
        [[rule]]
        id = 'many'
        name = 'Many patients'
        kind = 'many-patients'
        more_than = 3
        [[rule]]
        id = 'night'
        name = 'At night'
        kind = 'out-of-hours'
        more_than = 1
        from = '07:00:00'
        to = '20:00:00'
        except_organisations = ['ZEX05']
        [[rule]]
        id = 'names'
        name = 'Searches by name'
        kind = 'searches-by-name'
        more_than = 2
        [[rule]]
        id = 'unrelated'
        name = 'No relationship'
        kind = 'no-relationship'
        wait_days = 14";

    fn rules() -> DetectionRules {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        write("detection.toml", RULES).unwrap();
        write("staff.csv", "u1,9990001006,ZEX01\nu2,9990001014,ZEX01\nu3,9990001022,ZEX02\n")
            .unwrap();
        write("flagged.txt", "9990001049\n").unwrap();
        DetectionRules::load(folder.path()).unwrap().unwrap()
    }

    fn number(text: &str) -> NhsNumber {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn look(n: u128, user: &str, organisation: &str, patient: &str, time: &str) -> AuditEvent {
        let mut event = AuditEvent::incoming(Uuid::from_u128(n), at(time), "portal", "fhir");
        event.interaction = "search DocumentReference".to_owned();
        event.subject = Some(number(patient));
        event.request_id = Some(format!("request {n}"));
        event.actor = Some(AuditActor {
            id: user.to_owned(),
            name: Some("Wren Tomasz Dr".to_owned()),
            organisation: organisation.to_owned(),
            role: Some("R8000".to_owned()),
            role_profile: None,
            known_by: "AAL3".to_owned(),
            client: None,
            user_name: None,
            assertion: None,
        });
        event
    }

    fn known() -> Known {
        let person = |digits: &str, family: &str, postcode: &str| {
            let mut person = Patient::from_number(number(digits));
            person.family_name = Some(family.to_owned());
            person.postcode = Some(postcode.to_owned());
            (person.nhs_number, person)
        };
        Known {
            people: HashMap::from([
                person("9990001006", "Wren", "XX1 1XX"),
                person("9990001022", "Wrén", "XX9 9XX"),
                person("9990001030", "Okafor", "XX1 1XX"),
            ]),
            ..Known::default()
        }
    }

    fn judged(events: &[AuditEvent], known: &Known, until: &str) -> Vec<(String, u64)> {
        let rules = rules();
        let mut tallies = Tallies::default();
        events.iter().for_each(|event| tallies.add(event, &rules.zone));
        let window = (at("2026-01-01T00:00:00Z"), at(until));
        judge(&rules, &tallies, known, window, at(until))
            .into_iter()
            .map(|f| (f.rule, f.count))
            .collect()
    }

    fn only(rule: &str) -> Vec<(String, u64)> {
        vec![(rule.to_owned(), 1)]
    }

    const NOON: &str = "2026-11-02T12:00:00Z";
    const SOON: &str = "2026-11-03T12:00:00Z";

    #[test]
    fn each_rule_finds_its_own_and_nothing_else() {
        let known = known();
        let one = |patient: &str| judged(&[look(1, "u1", "ZEX01", patient, NOON)], &known, SOON);

        let own = [("own".to_owned(), 1), ("surname".to_owned(), 1)];
        assert_eq!(one("9990001006"), own);
        assert_eq!(one("9990001022"), only("surname"), "accents do not hide it");
        assert_eq!(one("9990001030"), only("postcode"));
        assert_eq!(one("9990001014"), only("colleague"));
        assert_eq!(one("9990001049"), only("flagged"));
        assert!(one("9990001073").is_empty());
        let at_another = [look(1, "u9", "ZEX02", "9990001014", NOON)];
        assert!(judged(&at_another, &known, SOON).is_empty(), "no colleague of theirs");
    }

    #[test]
    fn days_are_counted_by_request_and_patient() {
        let night = "2026-11-02T22:00:00Z";
        let mut events: Vec<_> = ["9990001057", "9990001065", "9990001073"]
            .iter()
            .enumerate()
            .map(|(n, patient)| look(n as u128, "u9", "ZEX05", patient, NOON))
            .collect();
        let known = Known::default();
        assert!(judged(&events, &known, SOON).is_empty(), "three are usual");
        events.push(look(7, "u9", "ZEX05", "9990001081", night));
        events.push(look(8, "u9", "ZEX05", "9990001081", night));
        assert_eq!(judged(&events, &known, SOON), [("many".to_owned(), 4)], "ZEX05 works at night");
        // The same requests, as the registry and a node recorded them.
        let mut both = events.clone();
        for mut event in events {
            event.interaction = "ITI-18".to_owned();
            event.recorder = "registry".to_owned();
            event.id = Uuid::from_u128(event.id.as_u128() + 100);
            both.push(event);
        }
        assert_eq!(judged(&both, &known, SOON), [("many".to_owned(), 4)]);

        let hospital = [
            look(1, "u9", "ZEX01", "9990001057", night),
            look(2, "u9", "ZEX01", "9990001057", night),
        ];
        assert_eq!(judged(&hospital, &known, SOON), [("night".to_owned(), 2)]);
    }

    #[test]
    fn searches_by_name_are_counted_and_audits_are_not() {
        let mut searches: Vec<_> =
            (0..3).map(|n| look(n, "u9", "ZEX01", "9990001057", NOON)).collect();
        for search in &mut searches {
            search.interaction = "search Patient by name".to_owned();
        }
        let known = Known::default();
        assert_eq!(judged(&searches, &known, SOON), [("names".to_owned(), 3)]);
        for search in &mut searches {
            search.purpose = Some("audit".to_owned());
        }
        assert!(judged(&searches, &known, SOON).is_empty());
        let mut failed = look(1, "u1", "ZEX01", "9990001006", NOON);
        failed.outcome = AuditOutcome::Failed;
        assert!(judged(&[failed], &known, SOON).is_empty());
        let mut refused = look(1, "u1", "ZEX01", "9990001006", NOON);
        refused.outcome = AuditOutcome::Refused;
        assert_eq!(judged(&[refused], &known, SOON), only("own"), "an attempt is one, too");
    }

    #[test]
    fn a_look_without_an_encounter_is_found_when_there_was_time_for_one() {
        let looked = [look(1, "u9", "ZEX01", "9990001057", NOON)];
        let mut known = Known::default();
        let late = "2026-11-17T12:00:00Z";

        assert!(judged(&looked, &known, SOON).is_empty(), "it may still come");
        assert_eq!(judged(&looked, &known, late), only("unrelated"));

        let mut relationship = Relationship {
            id: Uuid::from_u128(5),
            version: 1,
            patient: number("9990001057"),
            with: Carer::Organisation("ZEX01".parse().unwrap()),
            kind: RelationshipKind::Encounter,
            status: RelationshipStatus::Active,
            since: at("2026-11-10T00:00:00Z"),
            until: None,
            set_by: "feed".to_owned(),
            source: "ITI-8 A01".to_owned(),
            evidence: None,
            reason: None,
            recorded_at: at(late),
            recorded_by: "feed".to_owned(),
        };
        known.relationships.insert(relationship.patient, vec![relationship.clone()]);
        assert!(judged(&looked, &known, late).is_empty(), "an admission a week later");
        relationship.since = at("2026-11-20T00:00:00Z");
        known.relationships.insert(relationship.patient, vec![relationship]);
        assert_eq!(judged(&looked, &known, "2026-12-20T00:00:00Z"), only("unrelated"));
    }
}
