//! Signing in and out with OpenID Connect: authorization code with PKCE, state and nonce.

pub(crate) mod back_channel;
pub(crate) mod checks;
mod claims;
pub(crate) mod client;
mod provider;
mod providers;
pub(crate) mod role;

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use carerecord_service::{AuditDraft, SignIn};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tower_sessions::Session;

use crate::api::ApiError;
use crate::apps;
use crate::launch::{self, LaunchContext, Pending};
use crate::pages::{Layout, page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::{LaunchFailure, Problem, SignInFailure};
use crate::session::{self, Caller, Person, SignInStarted, SignedIn};

pub(crate) use claims::AnyClaims;
pub(crate) use provider::Provider;
pub(crate) use providers::Providers;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    layout: Layout,
    ways: &'a [Provider],
}

/// At which provider.
#[derive(Deserialize)]
pub(crate) struct Way {
    with: Option<String>,
}

/// Sends the browser to the sign-in provider; where there are several, the person says to which.
pub(crate) async fn begin(
    State(portal): SharedPortal,
    session: Session,
    Query(way): Query<Way>,
) -> Result<Response, Problem> {
    refuse_locked(&portal, &session).await?;
    let provider = match (&way.with, portal.providers.only_of_staff()) {
        (None, Some(only)) => only,
        (None, None) => {
            let (layout, ways) = (portal.layout(None), portal.providers.all());
            return page(&SignInPage { layout, ways }).map(IntoResponse::into_response);
        }
        (Some(id), _) => portal.providers.find(id).ok_or(Problem::NotFound)?,
    };
    // A launch that was given up does not come with another sign-in.
    session::launch_pending(&session, None).await?;
    at(&portal, &session, provider).await
}

/// Who stays with the patient of a launch has to sign out first: many providers answer at once, and
/// the session would be one without the launch.
async fn refuse_locked(portal: &Portal, session: &Session) -> Result<(), Problem> {
    let present = session::remember(session, portal).await?;
    match present.and_then(|data| data.launch) {
        Some(launch) if launch.locked => Err(Problem::Locked),
        Some(_) | None => Ok(()),
    }
}

/// Sends the browser to a provider.
pub(crate) async fn at(
    portal: &Portal,
    session: &Session,
    provider: &Provider,
) -> Result<Response, Problem> {
    go_to(portal, session, provider, false).await
}

/// The same, for who is signed in there: they are asked only if they are not.
pub(crate) async fn silently_at(
    portal: &Portal,
    session: &Session,
    provider: &Provider,
) -> Result<Response, Problem> {
    go_to(portal, session, provider, true).await
}

async fn go_to(
    portal: &Portal,
    session: &Session,
    provider: &Provider,
    silent: bool,
) -> Result<Response, Problem> {
    let begun = provider.begin(portal.clock.now(), silent).await;
    let (address, begun) = begun.map_err(Problem::SignIn)?;
    session::started(session, Some(&begun)).await?;
    Ok(Redirect::to(address.as_str()).into_response())
}

/// What the provider sends the browser back with. OpenID Connect Core 1.0, 3.1.2.5.
#[derive(Deserialize)]
pub(crate) struct Returned {
    pub(crate) code: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) iss: Option<String>,
}

/// Takes the browser back: checks that it is the one that left, and gets the tokens.
pub(crate) async fn complete(
    State(portal): SharedPortal,
    session: Session,
    draft: AuditDraft,
    Query(returned): Query<Returned>,
) -> Result<Response, Problem> {
    let begun = session::started(&session, None).await?;
    let begun = begun.ok_or(Problem::SignIn(SignInFailure::Mismatch))?;
    check_state(&begun, &returned, portal.now()).map_err(Problem::SignIn)?;
    let provider = portal.providers.find(&begun.provider);
    let provider = provider.ok_or(Problem::SignIn(SignInFailure::Mismatch))?;
    // A code of one provider must not be taken to another. RFC 9207: 2.4.
    if returned.iss.as_deref().is_some_and(|iss| iss != provider.issuer()) {
        return Err(Problem::SignIn(SignInFailure::Mismatch));
    }
    if let Some(error) = &returned.error {
        // Once more, with its pages.
        if begun.silent && NEEDS_A_PAGE.contains(&error.as_str()) {
            return at(&portal, &session, provider).await;
        }
        return Err(Problem::SignIn(SignInFailure::Declined));
    }
    let code = returned.code.ok_or(Problem::SignIn(SignInFailure::Mismatch))?;
    let now = portal.clock.now();
    let (tokens, who, sign_in) =
        provider.complete(code, &begun, now).await.map_err(Problem::SignIn)?;
    let launch = launch_of(&portal, &session, &draft, (provider, &sign_in)).await?;
    let mut data = SignedIn {
        csrf: portal.unguessable(),
        access_token: tokens.access_token,
        access_expires_at: tokens.access_expires_at,
        refresh_token: tokens.refresh_token,
        id_token: tokens.id_token,
        sign_in: Some(sign_in.into()),
        signed_in_at: portal.now(),
        last_seen: portal.now(),
        name: who.name,
        acting_as: who.acting_as,
        roles: who.roles,
        patients: Vec::new(),
        citizen: provider.is_for_citizens(),
        launch: None,
    };
    if let Some(launch) = launch {
        launch::admit(&mut data, launch).map_err(Problem::Launch)?;
    }
    // Who was sent by an app goes on to answer it.
    let asked = data.launch.is_none() && apps::one_waits(&portal, &session).await?;
    let first = if asked { apps::CONSENT } else { data.first_page() };
    // A new id, so that nobody who knew the one before sign-in is in this session.
    session.cycle_id().await.map_err(|_| Problem::Broken)?;
    session::keep(&session, &data).await?;
    Ok(Redirect::to(first).into_response())
}

/// The launch that has waited for a sign-in; it has to name the one who has signed in.
async fn launch_of(
    portal: &Portal,
    session: &Session,
    draft: &AuditDraft,
    (provider, sign_in): (&Provider, &SignIn),
) -> Result<Option<LaunchContext>, Problem> {
    let pending = session::launch_pending(session, None).await?;
    // The launch may have come after this sign-in was begun.
    refuse_locked(portal, session).await?;
    let launch = match pending {
        None => return Ok(None),
        Some(Pending::Known(launch)) => *launch,
        Some(Pending::Opaque(opaque)) => opaque.resolve(portal, draft).await?,
    };
    if launch.sign_in != provider.id || launch.subject != sign_in.subject {
        draft.fill(|event| {
            event.error = Some("the launch names somebody else than has signed in".to_owned());
        });
        return Err(Problem::Launch(LaunchFailure::OtherPerson));
    }
    Ok(Some(launch))
}

fn check_state(begun: &SignInStarted, returned: &Returned, now: i64) -> Result<(), SignInFailure> {
    if returned.belongs_to(begun) && now - begun.started_at < SIGN_IN_SECONDS {
        return Ok(());
    }
    Err(SignInFailure::Mismatch)
}

impl Returned {
    /// Whether it has the state that the browser left with.
    pub(crate) fn belongs_to(&self, begun: &SignInStarted) -> bool {
        let state = self.state.as_deref().unwrap_or_default();
        begun.state.as_bytes().ct_eq(state.as_bytes()).into()
    }
}

/// A form with nothing but its token.
#[derive(Deserialize)]
pub(crate) struct TokenForm {
    csrf: String,
}

/// Ends the session here, with its access tokens, what apps were let do and what was opened in it, then
/// at the provider. Where the provider has not said which session it is, it ends all of the person's.
pub(crate) async fn sign_out(
    State(portal): SharedPortal,
    person: Person,
    Form(form): Form<TokenForm>,
) -> Result<Response, Problem> {
    end(&portal, person, &form, false).await
}

/// Ends every session of the person that has begun by now, with its access tokens and what was
/// opened in it, and goes on as [`sign_out`] does.
pub(crate) async fn sign_out_everywhere(
    State(portal): SharedPortal,
    person: Person,
    Form(form): Form<TokenForm>,
) -> Result<Response, Problem> {
    end(&portal, person, &form, true).await
}

async fn end(
    portal: &Portal,
    mut person: Person,
    form: &TokenForm,
    everywhere: bool,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let is_fresh = portal.freshen(&mut person).await.is_ok();
    let caller = Caller(person);
    let ended = if is_fresh {
        portal.api.sign_out(caller.asker(), everywhere).await
    } else {
        Err(ApiError::Unauthorized)
    };
    if let Err(error) = ended {
        tracing::warn!(%error, "the API did not end a sign-in");
        if everywhere {
            return Err(error.into());
        }
        // This session ends all the same, here and at the provider, which tells the API in its turn:
        // somebody else may use this computer next.
    }
    leave(portal, &caller.0).await
}

/// Forgets the session, and ends it at the provider.
async fn leave(portal: &Portal, person: &Person) -> Result<Response, Problem> {
    session::forget(&person.session).await?;
    let after = portal.address("/signed-out");
    let provider = portal.providers.of(&person.data);
    let address = provider.sign_out(&person.data.id_token, after, portal.clock.now()).await;
    let target = address.map_or_else(|| "/signed-out".to_owned(), String::from);
    Ok(Redirect::to(&target).into_response())
}

/// Why a provider cannot answer without a page. OpenID Connect Core 1.0, 3.1.2.6.
const NEEDS_A_PAGE: [&str; 4] =
    ["login_required", "interaction_required", "consent_required", "account_selection_required"];
/// Typing a password and finding a phone takes a while; longer than this, and the person left.
pub(crate) const SIGN_IN_SECONDS: i64 = 600;
