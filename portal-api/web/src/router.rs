use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use carerecord_model::{Clock, IdSource};
use carerecord_service::SignOuts;
use jiff::tz::TimeZone;
use reqwest::redirect::Policy;
use tower_http::compression::CompressionLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration as CookieDuration;
use tower_sessions::{Expiry, SessionManagerLayer};

use crate::api::ApiClient;
use crate::config::{WebConfig, WebError};
use crate::portal::Portal;
use crate::session::{COOKIE, RowStore, SessionRows, Turns};
use crate::sign_in::Providers;
use crate::{assets, cross_site, pages, sign_in};

/// The pages of the web portal, to be served at the root of `public_url`.
///
/// The sign-in provider need not be up yet: it is asked when somebody signs in.
///
/// # Errors
/// When the configuration does not make sense.
pub fn router(
    config: WebConfig,
    rows: Arc<dyn SessionRows>,
    sign_outs: Arc<dyn SignOuts>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
) -> Result<Router, WebError> {
    config.validate()?;
    let http = client(&config)?;
    let idle = CookieDuration::minutes(i64::from(config.session_idle_minutes));
    let portal = Arc::new(Portal {
        api: ApiClient::new(&config, config.api_client.clone().unwrap_or_else(|| http.clone())),
        providers: Providers::new(&config, &http)?,
        sign_outs,
        clock: clock.clone(),
        ids,
        zone: TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC),
        turns: Turns::default(),
        config,
    });
    let sessions = SessionManagerLayer::new(RowStore::new(rows, clock))
        .with_name(COOKIE)
        .with_secure(true)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(idle));
    Ok(routes()
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(from_fn_with_state(portal.clone(), cross_site::refuse_other_sites))
        .layer(from_fn_with_state(portal.clone(), pages::problem::show))
        .layer(sessions)
        .merge(provider_routes())
        .merge(asset_routes())
        .layer(from_fn_with_state(portal.clone(), cross_site::set_headers))
        .with_state(portal))
}

fn routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/", get(pages::start::start))
        .route("/accessibility", get(pages::start::accessibility))
        .route("/sign-in", get(sign_in::begin))
        .route("/sign-in/callback", get(sign_in::complete))
        .route("/role", get(sign_in::role::ask).post(sign_in::role::choose))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/signed-out", get(pages::start::signed_out))
        .route("/session-ended", get(pages::start::session_ended))
        .route("/search", get(pages::search::ask))
        .route("/patient/find", post(pages::search::find))
        .route("/people/find", post(pages::people::find))
        .route("/patient/{handle}", get(pages::patient::list))
        .route(
            "/patient/{handle}/restricted",
            get(pages::restricted::ask).post(pages::restricted::open),
        )
        .route("/patient/{handle}/relationship", get(pages::claim::ask).post(pages::claim::claim))
        .route("/alerts", get(pages::alerts::list))
        .route("/alerts/{id}", get(pages::alerts::alert).post(pages::alerts::review))
        .route("/looked", get(pages::looked::ask).post(pages::looked::find))
        .route("/looked/request/{id}", get(pages::looked::request))
        .route("/patient/{handle}/search", post(pages::inside::search))
        .route("/patient/{handle}/filter", post(pages::patient::filter))
        .route("/patient/{handle}/document/{id}", get(pages::document::document))
        .route("/patient/{handle}/document/{id}/content", get(pages::content::shown))
        .route("/patient/{handle}/document/{id}/download", get(pages::content::download))
        .route("/patient/{handle}/document/{id}/attachment/{n}", get(pages::content::attachment))
        .fallback(pages::problem::not_found)
        .method_not_allowed_fallback(pages::problem::not_found)
}

/// What the sign-in provider asks, which is no browser: without a session, and answered in JSON.
fn provider_routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/sign-in/back-channel-logout", post(sign_in::back_channel::logout))
        .route("/sign-in/back-channel-logout/{id}", post(sign_in::back_channel::logout_of))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// Public files, without a session. Only they are compressed: compressing a page that mixes secrets
/// with what a form sent would give the secrets away by its length.
fn asset_routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/assets/{version}/{*name}", get(assets::asset))
        .layer(CompressionLayer::new())
}

/// Nothing the portal asks may send it elsewhere.
fn client(config: &WebConfig) -> Result<reqwest::Client, reqwest::Error> {
    let deadline = Duration::from_millis(config.deadline_ms);
    reqwest::Client::builder()
        .redirect(Policy::none())
        .connect_timeout(deadline)
        .read_timeout(deadline)
        .no_proxy()
        .build()
}

const MAX_FORM_BYTES: usize = 16 << 10;
