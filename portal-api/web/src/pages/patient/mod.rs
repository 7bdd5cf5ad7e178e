mod face;
mod fresh;
mod groups;
mod list;
mod overview;
mod role_view;
mod sources;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use uuid::Uuid;

use super::filter::{Filter, FilterForm, FilterMistake};
use super::summary::{self, Brief, Elements};
use super::{Layout, page};
use crate::api::{ApiError, Found, OverrideState, PatientRecord, Recording, Refusal};
use crate::display::Banner;
use crate::portal::{Portal, SharedPortal};
use crate::problem::{Problem, RefusedPage};
use crate::session::{Caller, CurrentPatient, Person, SeenBefore, SignedIn, SourcesAsked};

pub(crate) use face::Face;
use fresh::Fresh;
use groups::group_of_slug;
pub(crate) use groups::{CLASSES, class_words, slug};
use list::{Asked, ListView, SelectView, selects};
use overview::OverviewView;
use role_view::RoleView;
pub use role_view::ViewConfig;
use sources::SourcesView;

#[derive(Template)]
#[template(path = "patient.html")]
struct PatientPage {
    layout: Layout,
    banner: Banner,
    /// The number that was asked for, when the record is kept under another one.
    merged: Option<String>,
    handle: Uuid,
    face: Face,
    /// The address of each face, and whether it is shown.
    faces: Vec<FaceView>,
    /// Of the search inside: empty, for its form.
    words: &'static str,
    sources: SourcesView,
    withheld: Vec<Refusal>,
    filter: Filter,
    /// Whether the filter was not set here, but used last.
    used_before: bool,
    mistake: Option<FilterMistake>,
    selects: Vec<SelectView>,
    group: Option<&'static str>,
    fresh: Fresh,
    list: ListView,
    /// Set when that is what is shown.
    overview: Option<OverviewView>,
    /// With the overview: what documents state, where it could be had.
    brief: Option<Brief>,
    /// Whether the record is too long for that to be read for every overview.
    is_long: bool,
    /// Whether the reader may record what the patient says.
    may_record: bool,
    /// Whether the reader may open what is closed.
    may_open: bool,
    /// Why and until when the reader has.
    opened: Option<(String, String)>,
}

impl PatientPage {
    fn is_timeline(&self) -> bool {
        self.face == Face::Timeline
    }

    fn all_groups(&self) -> String {
        self.face.address(self.handle, None, 1)
    }

    /// The address of another page of what is shown.
    fn page_at(&self, page: usize) -> String {
        self.face.address(self.handle, self.group.map(slug).as_deref(), page)
    }
}

struct FaceView {
    name: &'static str,
    href: String,
    current: bool,
}

/// What of a record to show: a face, a group and a page. Only names of ours.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    show: String,
    group: String,
    page: Option<usize>,
}

/// A patient's documents, and what became of asking each source.
pub(crate) async fn list(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Query(shown): Query<Shown>,
) -> Result<Response, Problem> {
    if person.data.citizen {
        return Ok(Redirect::to(&format!("/mine/{handle}")).into_response());
    }
    show(&portal, person, handle, &shown, None).await.map(IntoResponse::into_response)
}

/// Sets the filter and shows the list again.
pub(crate) async fn filter(
    State(portal): SharedPortal,
    Caller(mut person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<FilterForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    // The overview is not filtered.
    let face = Face::of(&form.show).filter(|face| *face != Face::Overview).unwrap_or(Face::List);
    let group = group_of_slug(&form.group).filter(|_| form.clear.is_none());
    match form.read() {
        Ok(filter) => {
            let kept = portal.looks.keep_filter(&person, &filter, portal.clock.now()).await;
            if let Err(error) = kept {
                tracing::warn!(%error, "a filter is kept for this session only");
            }
            let set = |data: &mut SignedIn| {
                let patient = data.patient_mut(handle)?;
                (patient.filter, patient.filter_set) = (filter, true);
                Ok(())
            };
            portal.change(&mut person, set).await?;
            let address = face.address(handle, group.map(slug).as_deref(), 1);
            Ok(Redirect::to(&format!("{address}#documents")).into_response())
        }
        Err(mistake) => {
            let show_again =
                Shown { show: face.slug().into(), group: form.group.clone(), page: None };
            let body = show(&portal, person, handle, &show_again, Some(mistake)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, body).into_response())
        }
    }
}

/// Which source to ask again.
#[derive(Deserialize)]
pub(crate) struct SourceForm {
    csrf: String,
    /// None for all of them.
    source: Option<String>,
}

/// Asks one source again, and no other; or all of them.
pub(crate) async fn ask_source(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<SourceForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let mut caller = Caller(person);
    let patient = caller.0.patient(handle)?;
    let number = patient.nhs_number;
    let known = |asked: &SourcesAsked, id: &String| {
        asked.sources.iter().any(|source| source.id.as_ref() == Some(id))
    };
    let asked = patient.asked.as_ref().filter(|asked| portal.still_holds(asked));
    let one = form.source.filter(|id| asked.is_some_and(|asked| known(asked, id)));
    let answers = match &one {
        Some(id) => portal.api.source_state(caller.asker(), &number, id).await?,
        None => Vec::new(),
    };
    let set = |data: &mut SignedIn| {
        match &mut data.patient_mut(handle)?.asked {
            Some(asked) if one.is_some() => answers.into_iter().for_each(|a| asked.take(a)),
            asked => *asked = None,
        }
        Ok(())
    };
    portal.change(&mut caller.0, set).await?;
    Ok(Redirect::to(&format!("/patient/{handle}#sources")).into_response())
}

async fn show(
    portal: &Arc<Portal>,
    person: Person,
    handle: Uuid,
    shown: &Shown,
    mistake: Option<FilterMistake>,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&person));
    let mut caller = Caller(person);
    let patient = caller.0.patient(handle)?;
    let number = patient.nhs_number;
    let set = patient.filter_set.then(|| patient.filter.clone());
    let chosen = Face::of(&shown.show).or(patient.face);
    let view = RoleView::of(caller.0.role(), &portal.config);
    let Gathered { banner, kept_under, interrupts, found, elements, asked_at } =
        gather(portal, &caller, handle, &number).await?;
    if interrupts {
        portal.tell_of_death(&mut caller.0, handle).await?;
    }
    let used_before = set.is_none();
    let filter = match set {
        Some(filter) => filter,
        None => last_filter(portal, &caller.0).await.of_documents(&found.documents),
    };
    let face = chosen.unwrap_or_else(|| Face::for_record(found.documents.len()));
    let is_long = found.documents.len() > LONG;
    let brief = match face {
        Face::Overview if !is_long => {
            let elements = all_elements(portal, &caller, &number, elements).await;
            Brief::new(elements, &found.documents, handle, &portal.zone)
                .map(|brief| brief.arranged(view.kinds, view.elsewhere))
        }
        Face::Overview | Face::List | Face::Timeline => None,
    };
    let group = group_of_slug(&shown.group).filter(|_| face != Face::Overview);
    let before = caller.0.patient(handle)?.before.as_ref();
    let seen = fresh::look(portal, &caller.0, before, &kept_under, &found.documents).await;
    let seen = seen.inspect_err(|error| tracing::warn!(%error, "what is new is not told")).ok();
    let fresh = Fresh::new(seen.as_ref(), &portal.zone);
    let asked = Asked {
        handle,
        face,
        filter: &filter,
        group,
        page: shown.page.unwrap_or(1),
        view,
        fresh: &fresh.ids,
        zone: &portal.zone,
    };
    let list = ListView::new(&found.documents, &asked);
    let overview = (face == Face::Overview).then(|| OverviewView::new(&found.documents, &asked));
    let kept = Kept {
        nhs_number: kept_under,
        order: list.order(),
        face: chosen,
        asked: SourcesAsked { at: asked_at, sources: found.sources.clone() },
        before: seen,
        opened_until: opened_until(&found.overriding),
    };
    kept.keep(portal, &mut caller.0, handle).await?;
    page(&PatientPage {
        layout,
        banner,
        merged: (kept_under != number).then(|| number.grouped()),
        handle,
        face,
        faces: faces(handle, face, group),
        words: "",
        sources: SourcesView::new(&found, asked_at, &portal.zone, portal.clock.now()),
        withheld: found.withheld,
        may_record: found.recording != Recording::Nothing,
        may_open: found.overriding == OverrideState::Offered,
        opened: opened(found.overriding, &portal.zone),
        selects: selects(&found.documents, &filter),
        used_before: used_before && filter.is_set(),
        filter,
        mistake,
        group,
        fresh,
        list,
        overview,
        brief,
        is_long,
    })
}

/// What has been asked for already, and the types besides.
async fn all_elements(
    portal: &Portal,
    caller: &Caller,
    number: &NhsNumber,
    mut elements: Elements,
) -> Elements {
    let more = elements.len()..summary::TYPES;
    elements.extend(portal.elements(caller.asker(), number, more).await);
    elements
}

/// The faces of a record, with the group that is shown where they have groups.
fn faces(handle: Uuid, current: Face, group: Option<&str>) -> Vec<FaceView> {
    let group = group.map(slug);
    let view = |each: Face| FaceView {
        name: each.name(),
        href: each.address(handle, group.as_deref().filter(|_| each != Face::Overview), 1),
        current: each == current,
    };
    Face::ALL.map(view).into()
}

/// The filter that the person last used, with whatever patient; none where that cannot be told.
async fn last_filter(portal: &Portal, person: &Person) -> Filter {
    let filter = portal.looks.filter(person, portal.clock.now()).await;
    let filter = filter.inspect_err(|error| tracing::warn!(%error, "the last filter is not used"));
    filter.ok().flatten().unwrap_or_default()
}

/// Why something is open, and until what time of the day.
fn opened(state: OverrideState, zone: &TimeZone) -> Option<(String, String)> {
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
pub(super) fn opened_alert(until: Option<Timestamp>, portal: &Portal) -> Option<String> {
    let until = until.filter(|until| *until > portal.clock.now())?;
    let until = until.to_zoned(portal.zone.clone()).strftime("%H:%M");
    Some(format!("Opened by emergency access, ends {until}"))
}

struct Gathered {
    banner: Banner,
    /// The number that the record is kept under.
    kept_under: NhsNumber,
    /// Whether a death is to be told first.
    interrupts: bool,
    found: Found,
    /// Of allergies.
    elements: Elements,
    /// When the sources were asked, in seconds.
    asked_at: i64,
}

/// Asks for the person, the documents and what they state at the same time. The sources are asked with the first
/// list, and then only when that was a while ago: pages of one list need not wait for them.
async fn gather(
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

/// A record of which nothing may be seen. It must not look like one without documents.
pub(super) fn refused(refusals: Vec<Refusal>, banner: Banner) -> Problem {
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
struct Kept {
    nhs_number: NhsNumber,
    order: Vec<Uuid>,
    face: Option<Face>,
    asked: SourcesAsked,
    before: Option<SeenBefore>,
    opened_until: Option<Timestamp>,
}

impl Kept {
    async fn keep(self, portal: &Portal, person: &mut Person, handle: Uuid) -> Result<(), Problem> {
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
    fn still_holds(&self, asked: &SourcesAsked) -> bool {
        !asked.sources.is_empty() && (0..ASKED_SECONDS).contains(&(self.now() - asked.at))
    }
}

impl Portal {
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
/// Of a record with more documents the overview does not wait for what they state: the summary has it.
const LONG: usize = 1000;
