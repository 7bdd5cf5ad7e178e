mod face;
mod fresh;
mod gathered;
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
use serde::Deserialize;
use uuid::Uuid;

use super::filter::{Filter, FilterForm, FilterMistake};
use super::summary::Brief;
use super::{Layout, page};
use crate::api::{Found, OverrideState, Recording, Refusal};
use crate::display::Banner;
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person, SignedIn, SourcesAsked};

pub(crate) use face::Face;
use fresh::Fresh;
use gathered::{Gathered, gather, opened};
pub(super) use gathered::{opened_alert, refused};
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
    let chosen = Face::of(&shown.show).or(patient.face);
    let view = RoleView::of(caller.0.role(), &portal.config);
    let mut gathered = gather(portal, &caller, handle, &number).await?;
    if gathered.interrupts {
        portal.tell_of_death(&mut caller.0, handle).await?;
    }
    let (filter, used_before) = filter_of(portal, &caller.0, handle, &gathered.found).await?;
    let face = chosen.unwrap_or_else(|| Face::for_record(gathered.found.documents.len()));
    let brief = match face {
        Face::Overview => gathered.brief(portal, &caller, handle, view).await,
        Face::List | Face::Timeline => None,
    };
    let group = group_of_slug(&shown.group).filter(|_| face != Face::Overview);
    let seen = gathered.seen(portal, &caller.0, handle).await?;
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
    let documents = &gathered.found.documents;
    let list = ListView::new(documents, &asked);
    let overview = (face == Face::Overview).then(|| OverviewView::new(documents, &asked));
    let kept = gathered.kept(list.order(), chosen, seen);
    kept.keep(portal, &mut caller.0, handle).await?;
    let Gathered { banner, kept_under, found, asked_at, .. } = gathered;
    page(&PatientPage {
        layout,
        banner,
        merged: (kept_under != number).then(|| number.grouped()),
        handle,
        face,
        faces: faces(handle, face, group),
        words: "",
        sources: SourcesView::new(&found, asked_at, &portal.zone, portal.clock.now()),
        is_long: found.is_long(),
        withheld: found.withheld,
        may_record: found.recording != Recording::Nothing,
        may_open: found.overriding == OverrideState::Offered,
        opened: opened(found.overriding, &portal.zone),
        selects: selects(&found.documents, &filter),
        used_before,
        filter,
        mistake,
        group,
        fresh,
        list,
        overview,
        brief,
    })
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

/// The filter of the record, and whether it is one that the person has used in others.
async fn filter_of(
    portal: &Portal,
    person: &Person,
    handle: Uuid,
    found: &Found,
) -> Result<(Filter, bool), Problem> {
    let patient = person.patient(handle)?;
    if patient.filter_set {
        return Ok((patient.filter.clone(), false));
    }
    let filter = last_filter(portal, person).await.of_documents(&found.documents);
    let is_set = filter.is_set();
    Ok((filter, is_set))
}

/// The filter that the person last used, with whatever patient; none where that cannot be told.
async fn last_filter(portal: &Portal, person: &Person) -> Filter {
    let filter = portal.looks.filter(person, portal.clock.now()).await;
    let filter = filter.inspect_err(|error| tracing::warn!(%error, "the last filter is not used"));
    filter.ok().flatten().unwrap_or_default()
}
