//! What is asked for a record, and what is kept of it when it was shown.

use carerecord_model::NhsNumber;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::{Face, RoleView, fresh};
use crate::api::{ApiError, Found, OverrideState, PatientRecord, Recording, Refusal};
use crate::display::Banner;
use crate::pages::summary::{self, Brief, Elements};
use crate::portal::Portal;
use crate::problem::{Problem, RefusedPage};
use crate::session::{Caller, CurrentPatient, Person, SeenBefore, SignedIn, SourcesAsked};

/// Why something is open, and until what time of the day.
pub(super) fn opened(state: OverrideState, zone: &TimeZone) -> Option<(String, String)> {
    let OverrideState::InForce { reason, until } = state else { return None };
    let until = until.parse::<Timestamp>().ok()?.to_zoned(zone.clone());
    Some((reason, until.strftime("%H:%M").to_string()))
}

/// That something is closed to the reader, where the policy lets it be known.
fn withheld_alert(withheld: &[Refusal]) -> Option<String> {
    let objected = withheld.iter().any(|refusal| refusal.rule.starts_with("objection"));
    let words = if objected { "Has objected to sharing" } else { "Part of the record is closed" };
    (!withheld.is_empty()).then(|| words.to_owned())
}

fn opened_until(state: &OverrideState) -> Option<Timestamp> {
    let OverrideState::InForce { until, .. } = state else { return None };
    until.parse().ok()
}

/// That the reader has opened what is closed, while that is so.
pub(in crate::pages) fn opened_alert(until: Option<Timestamp>, portal: &Portal) -> Option<String> {
    let until = until.filter(|until| *until > portal.clock.now())?;
    let until = until.to_zoned(portal.zone.clone()).strftime("%H:%M");
    Some(format!("Opened by emergency access, ends {until}"))
}

/// What is known of a record, before it is arranged for a page.
pub(super) struct Gathered {
    pub(super) banner: Banner,
    /// The number that the record is kept under.
    pub(super) kept_under: NhsNumber,
    /// Whether a death is to be told first.
    pub(super) interrupts: bool,
    pub(super) found: Found,
    /// Of allergies.
    elements: Elements,
    /// When the sources were asked, in seconds.
    pub(super) asked_at: i64,
}

/// Asks for the person, the documents and their allergies at the same time. The sources are asked with
/// the first list, and then only when that was a while ago: pages of one list need not wait for them.
pub(super) async fn gather(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    number: &NhsNumber,
) -> Result<Gathered, Problem> {
    let asker = caller.asker();
    let asked = caller.0.patient(handle)?.asked.as_ref();
    let asked = asked.filter(|asked| portal.still_holds(asked));
    let (record, found, elements) = tokio::join!(
        portal.api.patient(asker, number),
        portal.api.documents(asker, number, asked.is_none()),
        portal.elements(asker, number, 0..1)
    );
    // A list without the person's name is worth more than none; the banner says what is missing.
    let record = record.unwrap_or_else(|error| {
        tracing::warn!(%error, "the list is shown without the person's data");
        None
    });
    let banner = portal.banner(number, record.as_ref());
    let interrupts = portal.interrupts(&caller.0, record.as_ref());
    let kept_under = record.and_then(|record| record.nhs_number).unwrap_or(*number);
    match found {
        Ok(found) if found.documents.is_empty() && !found.withheld.is_empty() => {
            let may_open = (found.overriding == OverrideState::Offered).then_some(handle);
            let may_claim = found.may_claim.then_some(handle);
            let may_record = (found.recording != Recording::Nothing).then_some(handle);
            Err(Problem::Refused(Box::new(RefusedPage {
                refusals: found.withheld,
                back_to: None,
                banner: Some(banner),
                may_open,
                may_claim,
                may_record,
            })))
        }
        Ok(mut found) => {
            if let Some(asked) = asked {
                found.sources.clone_from(&asked.sources);
            }
            let asked_at = asked.map_or_else(|| portal.now(), |asked| asked.at);
            let banner = banner
                .with_alert(withheld_alert(&found.withheld))
                .with_alert(opened_alert(opened_until(&found.overriding), portal))
                .with_allergies(summary::allergies(&elements, handle));
            Ok(Gathered { banner, kept_under, interrupts, found, elements, asked_at })
        }
        Err(ApiError::Refused(refusal)) => Err(refused(vec![refusal], banner)),
        Err(
            error @ (ApiError::Unauthorized
            | ApiError::NotFound
            | ApiError::CouldNotAsk
            | ApiError::Answer
            | ApiError::NotGiven),
        ) => Err(error.into()),
    }
}

impl Gathered {
    /// What the documents state, in brief; that of very many is left to the summary.
    pub(super) async fn brief(
        &mut self,
        portal: &Portal,
        caller: &Caller,
        handle: Uuid,
        view: &RoleView,
    ) -> Option<Brief> {
        if self.found.is_long() {
            return None;
        }
        let more = self.elements.len()..summary::TYPES;
        let more = portal.elements(caller.asker(), &self.kept_under, more).await;
        let elements = std::mem::take(&mut self.elements).into_iter().chain(more).collect();
        let brief = Brief::new(elements, &self.found.documents, handle, &portal.zone);
        brief.map(|brief| brief.arranged(view.kinds, view.elsewhere))
    }

    /// What is new to the person; nothing where that cannot be told.
    pub(super) async fn seen(
        &self,
        portal: &Portal,
        person: &Person,
        handle: Uuid,
    ) -> Result<Option<SeenBefore>, Problem> {
        let before = person.patient(handle)?.before.as_ref();
        let (number, documents) = (&self.kept_under, &self.found.documents);
        let seen = fresh::look(portal, person, before, number, documents).await;
        Ok(seen.inspect_err(|error| tracing::warn!(%error, "what is new is not told")).ok())
    }

    /// What is kept of it in the session, shown in that order.
    pub(super) fn kept(
        &self,
        order: Vec<Uuid>,
        face: Option<Face>,
        before: Option<SeenBefore>,
    ) -> Kept {
        Kept {
            nhs_number: self.kept_under,
            order,
            face,
            asked: SourcesAsked { at: self.asked_at, sources: self.found.sources.clone() },
            before,
            opened_until: opened_until(&self.found.overriding),
        }
    }
}

impl Found {
    /// Whether there are more documents than that the overview waits for what they state.
    pub(super) fn is_long(&self) -> bool {
        self.documents.len() > LONG
    }
}

/// A record of which nothing may be seen. It must not look like one without documents.
pub(in crate::pages) fn refused(refusals: Vec<Refusal>, banner: Banner) -> Problem {
    Problem::Refused(Box::new(RefusedPage {
        refusals,
        back_to: None,
        banner: Some(banner),
        may_open: None,
        may_claim: None,
        may_record: None,
    }))
}

/// What is kept of a record that was shown: its documents are opened under this number, in this
/// order.
pub(super) struct Kept {
    nhs_number: NhsNumber,
    order: Vec<Uuid>,
    face: Option<Face>,
    asked: SourcesAsked,
    before: Option<SeenBefore>,
    opened_until: Option<Timestamp>,
}

impl Kept {
    pub(super) async fn keep(
        self,
        portal: &Portal,
        person: &mut Person,
        handle: Uuid,
    ) -> Result<(), Problem> {
        if self.is_in(person.patient(handle)?) {
            return Ok(());
        }
        let keep = |data: &mut SignedIn| {
            let patient = data.patient_mut(handle)?;
            patient.nhs_number = self.nhs_number;
            patient.order = self.order;
            patient.face = self.face;
            patient.opened_until = self.opened_until;
            // Another tab may have asked a source meanwhile.
            if patient.asked.as_ref().is_none_or(|held| held.at < self.asked.at) {
                patient.asked = Some(self.asked);
            }
            patient.before = self.before.or_else(|| patient.before.take());
            Ok(())
        };
        portal.change(person, keep).await
    }

    fn is_in(&self, patient: &CurrentPatient) -> bool {
        patient.nhs_number == self.nhs_number
            && patient.order == self.order
            && patient.face == self.face
            && patient.opened_until == self.opened_until
            && patient.asked.as_ref() == Some(&self.asked)
            && (self.before.is_none() || patient.before == self.before)
    }
}

impl Portal {
    /// Whether the sources were asked so lately that they need not be asked for another page.
    pub(super) fn still_holds(&self, asked: &SourcesAsked) -> bool {
        !asked.sources.is_empty() && (0..ASKED_SECONDS).contains(&(self.now() - asked.at))
    }

    /// The person of a number: as the index has them, or, for a citizen, as they were told.
    pub(crate) async fn record_of(
        &self,
        caller: &Caller,
        number: &NhsNumber,
    ) -> Result<Option<PatientRecord>, ApiError> {
        if !caller.0.data.citizen {
            return self.api.patient(caller.asker(), number).await;
        }
        let patients = &caller.0.data.patients;
        let known = patients.iter().find(|p| p.nhs_number == *number);
        Ok(known.and_then(|patient| patient.person.as_ref()).map(|person| PatientRecord {
            nhs_number: Some(*number),
            family: person.family.clone(),
            given: person.given.clone(),
            born: person.born,
            gender: person.gender.clone(),
            verified: true,
            ..PatientRecord::default()
        }))
    }

    /// The banner of a number, as of today.
    pub(crate) fn banner(&self, number: &NhsNumber, record: Option<&PatientRecord>) -> Banner {
        Banner::new(number, record, self.clock.now().to_zoned(self.zone.clone()).date())
    }
}

/// What a source said is told for so long without asking again; the page says when it was asked.
const ASKED_SECONDS: i64 = 120;
const LONG: usize = 1000;
