//! Apps ask people to act for them: SMART App Launch 2, standalone launch. The person signs in as always
//! and says yes or no; what an app may ask, and every code, is the API's.

mod words;

use askama::Template;
use axum::extract::{Form, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use carerecord_audit::AuditOutcome;
use carerecord_model::NhsNumber;
use carerecord_service::AuditDraft;
use http::HeaderValue;
use http::header::REFRESH;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use url::Url;
use uuid::Uuid;

use crate::api::{AppAnswer, AppAsked, AppDecision};
use crate::display::Banner;
use crate::pages::search::number_of;
use crate::pages::{Layout, form_page, page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::{AppFailure, Problem};
use crate::session::{self, Caller, Person, SignedIn, remember};
use crate::sign_in::SIGN_IN_SECONDS;
use words::allowed;

/// A request of an app that waits for the person.
#[derive(Deserialize, Serialize)]
pub(crate) struct AppAsks {
    /// So that a page is not taken for that of another request.
    id: Uuid,
    /// What the app has sent the browser with.
    query: String,
    at: i64,
}

#[derive(Template)]
#[template(path = "app.html")]
struct AppPage {
    layout: Layout,
    request: Uuid,
    app: String,
    /// The host that the person is sent back to.
    host: String,
    allowed: Vec<String>,
    needs_patient: bool,
    /// Under which handle, and who it is.
    patient: Option<(Uuid, Banner)>,
    typed: String,
    mistake: Option<String>,
}

/// Goes on by itself to where the link leads.
#[derive(Template)]
#[template(path = "app_back.html")]
struct BackPage {
    layout: Layout,
    address: String,
}

/// Takes a person who is sent by an app: they sign in first, where they have not.
pub(crate) async fn begin(
    State(portal): SharedPortal,
    session: Session,
    draft: AuditDraft,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    draft.fill(|event| "an app asks a person".clone_into(&mut event.interaction));
    let query = query.unwrap_or_default();
    if query.is_empty() || query.len() > MAX_QUERY {
        return Err(wrong(&draft));
    }
    let asks = AppAsks { id: portal.ids.random(), query, at: portal.now() };
    // A session that is over is emptied when it is read.
    let next = match remember(&session, &portal).await? {
        Some(_) => CONSENT,
        None => "/sign-in",
    };
    session::app_asks(&session, Some(&asks)).await?;
    Ok(Redirect::to(next).into_response())
}

/// Says which app it is and what it wants, and asks.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    caller: Caller,
    draft: AuditDraft,
) -> Result<Response, Problem> {
    draft.fill(|event| "ask whether an app may act".clone_into(&mut event.interaction));
    let asks = waiting(&portal, &caller.0, &draft).await?;
    match portal.api.app_asks(caller.asker(), &asks.query, AppDecision::None).await? {
        AppAnswer::Ask(asked) => {
            let shown = caller.0.data.patients.first().map(|patient| patient.handle);
            within_launch(&caller.0, &asked, shown, &draft)?;
            show(&portal, caller, &asks, asked, None).await
        }
        AppAnswer::Back(address) => back(&portal, &caller.0, address).await,
        AppAnswer::Wrong => Err(wrong(&draft)),
    }
}

/// What the form about the patient sends.
#[derive(Deserialize)]
pub(crate) struct PatientForm {
    csrf: String,
    #[serde(default)]
    nhs_number: String,
}

/// Takes the patient that the app is to be for.
pub(crate) async fn choose(
    State(portal): SharedPortal,
    Caller(mut person): Caller,
    draft: AuditDraft,
    Form(form): Form<PatientForm>,
) -> Result<Response, Problem> {
    draft.fill(|event| "choose a patient for an app".clone_into(&mut event.interaction));
    person.check(&form.csrf)?;
    let asks = waiting(&portal, &person, &draft).await?;
    let number = match number_of(&form.nhs_number) {
        Ok(number) => number,
        Err(mistake) => {
            let caller = Caller(person);
            let judged =
                portal.api.app_asks(caller.asker(), &asks.query, AppDecision::None).await?;
            let AppAnswer::Ask(asked) = judged else { return Err(wrong(&draft)) };
            let typed = form.nhs_number.chars().take(MAX_SHOWN).collect();
            return show(&portal, caller, &asks, asked, Some((typed, mistake))).await;
        }
    };
    draft.fill(|event| event.subject = Some(number));
    let fresh = portal.ids.random();
    let turn = |data: &mut SignedIn| Ok(data.turn_to(number, fresh));
    portal.change(&mut person, turn).await?;
    Ok(Redirect::to(CONSENT).into_response())
}

/// What the page sends.
#[derive(Deserialize)]
pub(crate) struct DecisionForm {
    csrf: String,
    request: Uuid,
    decision: String,
    /// The patient whom the page has shown.
    patient: Option<Uuid>,
}

/// Takes the decision, and sends the person back to the app.
pub(crate) async fn decide(
    State(portal): SharedPortal,
    caller: Caller,
    draft: AuditDraft,
    Form(form): Form<DecisionForm>,
) -> Result<Response, Problem> {
    draft.fill(|event| "a person decides about an app".clone_into(&mut event.interaction));
    caller.0.check(&form.csrf)?;
    let asks = waiting(&portal, &caller.0, &draft).await?;
    if asks.id != form.request {
        return Err(ended(&draft));
    }
    let number = match form.patient {
        Some(handle) => Some(caller.0.held(handle)?.nhs_number),
        None => None,
    };
    draft.fill(|event| event.subject = number);
    if caller.0.is_locked() {
        // Of an app that needs no patient the one who was sent would not matter.
        let judged = portal.api.app_asks(caller.asker(), &asks.query, AppDecision::None).await?;
        if let AppAnswer::Ask(asked) = judged {
            within_launch(&caller.0, &asked, form.patient, &draft)?;
        }
    }
    let digits = number.map(|number: NhsNumber| number.digits());
    let decision = match form.decision.as_str() {
        "allow" => AppDecision::Allow(digits.as_deref()),
        "deny" => AppDecision::Deny,
        _ => return Err(Problem::Unreadable),
    };
    match portal.api.app_asks(caller.asker(), &asks.query, decision).await? {
        AppAnswer::Back(address) => back(&portal, &caller.0, address).await,
        AppAnswer::Ask(_) | AppAnswer::Wrong => Err(wrong(&draft)),
    }
}

/// Whether an app waits for who has signed in.
pub(crate) async fn one_waits(portal: &Portal, session: &Session) -> Result<bool, Problem> {
    Ok(fresh(portal, session).await?.is_some())
}

async fn fresh(portal: &Portal, session: &Session) -> Result<Option<AppAsks>, Problem> {
    let asks = session::app_asking(session).await?;
    Ok(asks.filter(|asks| portal.now() - asks.at < SIGN_IN_SECONDS))
}

/// The request that waits, unless it is too old. Only staff use apps.
async fn waiting(portal: &Portal, person: &Person, draft: &AuditDraft) -> Result<AppAsks, Problem> {
    let asks = fresh(portal, &person.session).await?.ok_or_else(|| ended(draft))?;
    if person.data.citizen {
        draft.outcome(AuditOutcome::Refused);
        return Err(Problem::App(AppFailure::OfStaff));
    }
    Ok(asks)
}

/// Who stays with the patient of a launch lets apps read of that patient, and of nobody else.
fn within_launch(
    person: &Person,
    asked: &AppAsked,
    patient: Option<Uuid>,
    draft: &AuditDraft,
) -> Result<(), Problem> {
    let Some(launch) = person.data.launch.as_ref().filter(|launch| launch.locked) else {
        return Ok(());
    };
    if asked.needs_patient && patient.is_none_or(|handle| launch.handle == Some(handle)) {
        return Ok(());
    }
    draft.outcome(AuditOutcome::Refused);
    Err(Problem::Locked)
}

/// Sends the person to the app by a page: browsers hold a redirect that answers a form, and what the app
/// redirects to in turn, to the policy of the page with the form, which may be a sign-in provider's.
async fn back(portal: &Portal, person: &Person, address: String) -> Result<Response, Problem> {
    session::app_asks(&person.session, None).await?;
    let refresh = HeaderValue::try_from(format!("0; url={address}"));
    let refresh = refresh.map_err(|_| Problem::CouldNotAsk)?;
    let shown = page(&BackPage { layout: portal.layout(Some(person)), address })?;
    Ok(([(REFRESH, refresh)], shown).into_response())
}

async fn show(
    portal: &Portal,
    caller: Caller,
    asks: &AppAsks,
    asked: AppAsked,
    typed: Option<(String, String)>,
) -> Result<Response, Problem> {
    let home = Url::parse(&asked.redirect_uri).map_err(|_| Problem::CouldNotAsk)?;
    let chosen = caller.0.data.patients.first().filter(|_| asked.needs_patient);
    let mut patient = None;
    let (mut typed, mut mistake) = typed.map_or((String::new(), None), |(t, m)| (t, Some(m)));
    if let Some(chosen) = chosen.filter(|_| mistake.is_none()) {
        let record = portal.api.patient(caller.asker(), &chosen.nhs_number).await?;
        if record.is_some() {
            let banner = portal.banner(&chosen.nhs_number, record.as_ref());
            patient = Some((chosen.handle, banner));
        } else {
            typed = chosen.nhs_number.grouped();
            mistake =
                Some("Nobody with this NHS number is known here; check the digits".to_owned());
        }
    }
    let wrong = mistake.is_some();
    let shown = AppPage {
        layout: portal.layout(Some(&caller.0)),
        request: asks.id,
        app: asked.client_name,
        host: home.host_str().unwrap_or_default().to_owned(),
        allowed: allowed(&asked.scope, asked.needs_patient),
        needs_patient: asked.needs_patient,
        patient,
        typed,
        mistake,
    };
    form_page(&shown, wrong)
}

fn wrong(draft: &AuditDraft) -> Problem {
    draft.outcome(AuditOutcome::Refused);
    Problem::App(AppFailure::NotTaken)
}

fn ended(draft: &AuditDraft) -> Problem {
    draft.outcome(AuditOutcome::Refused);
    Problem::App(AppFailure::Ended)
}

/// The page that asks.
pub(crate) const CONSENT: &str = "/oauth/consent";
const MAX_QUERY: usize = 4 << 10;
const MAX_SHOWN: usize = 40;
