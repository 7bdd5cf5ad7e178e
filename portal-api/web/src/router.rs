use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use carerecord_model::{Clock, IdSource};
use carerecord_service::EndedSignIns;
use jiff::tz::TimeZone;
use reqwest::redirect::Policy;
use tower_http::compression::CompressionLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration as CookieDuration;
use tower_sessions::{Expiry, SessionManagerLayer};

use crate::api::ApiClient;
use crate::config::{WebConfig, WebError};
use crate::launch::{self, Ehrs, Launchers, Tickets};
use crate::looks::Looks;
use crate::portal::Portal;
use crate::session::{COOKIE, RowStore, SessionRows, Turns};
use crate::sign_in::Providers;
use crate::{apps, assets, cross_site, pages, sign_in};

/// The pages of the web portal, to be served at the root of `public_url`.
///
/// The sign-in provider need not be up yet: it is asked when somebody signs in.
///
/// # Errors
/// When the configuration does not make sense.
pub fn router(
    config: WebConfig,
    rows: Arc<dyn SessionRows>,
    looks: Looks,
    sign_outs: Arc<dyn EndedSignIns>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
) -> Result<Router, WebError> {
    config.validate()?;
    let http = client(&config)?;
    let idle = CookieDuration::minutes(i64::from(config.session_idle_minutes));
    let providers = Providers::new(&config, &http)?;
    let portal = Arc::new(Portal {
        api: ApiClient::new(&config, config.api_client.clone().unwrap_or_else(|| http.clone())),
        ehrs: Ehrs::new(&config, &providers, &http, clock.now())?,
        launchers: Launchers::new(&config, &providers, &http, clock.now())?,
        providers,
        tickets: Tickets::new(rows.clone()),
        sign_outs,
        looks,
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
        .route("/account", get(pages::account::account))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/sign-out/everywhere", post(sign_in::sign_out_everywhere))
        .route("/signed-out", get(pages::start::signed_out))
        .route("/session-ended", get(pages::start::session_ended))
        .route("/launch", get(launch::begin).post(launch::take))
        .route("/launch/callback", get(launch::smart::complete))
        .route("/launch/open", get(launch::ask).post(launch::go_on))
        .route("/launch/patient", get(launch::patient))
        .route("/oauth/authorize", get(apps::begin))
        .route("/oauth/consent", get(apps::ask).post(apps::decide))
        .route("/oauth/consent/patient", post(apps::choose))
        .route("/mine", get(pages::mine::people))
        .route("/mine/{handle}", get(pages::mine::documents))
        .route("/mine/{handle}/looked", get(pages::mine::looked).post(pages::mine::looked_more))
        .route("/mine/{handle}/sharing", get(pages::mine::sharing).post(pages::mine::change))
        .route("/mine/{handle}/copy", get(pages::mine::copy).post(pages::mine::ask_for_copy))
        .route("/access-packs", get(pages::access_packs::list).post(pages::access_packs::ask))
        .route("/access-packs/{id}", get(pages::access_packs::pack))
        .route("/access-packs/{id}/file", get(pages::access_packs::file))
        .route("/access-packs/{id}/remove", post(pages::access_packs::remove))
        .route("/search", get(pages::search::ask))
        .route("/team", get(pages::team::list))
        .route("/patient/find", post(pages::search::find))
        .route("/people/find", post(pages::people::find))
        .route("/patient/{handle}", get(pages::patient::list))
        .route(
            "/patient/{handle}/restricted",
            get(pages::restricted::ask).post(pages::restricted::open),
        )
        .route("/patient/{handle}/died", get(pages::died::ask).post(pages::died::go_on))
        .route("/patient/{handle}/relationship", get(pages::claim::ask).post(pages::claim::claim))
        .route("/agreements", get(pages::agreements::list))
        .route("/feeds", get(pages::feeds::list))
        .route("/usage", get(pages::usage::show))
        .route("/feeds/again", post(pages::feeds::try_again))
        .route("/patient/{handle}/consent", get(pages::consent::ask).post(pages::consent::record))
        .route("/patient/{handle}/consent/{id}/lift", post(pages::consent::lift))
        .route("/alerts", get(pages::alerts::list))
        .route("/alerts/{id}", get(pages::alerts::alert).post(pages::alerts::review))
        .route("/looked", get(pages::looked::ask).post(pages::looked::find))
        .route("/looked/request/{id}", get(pages::looked::request))
        .route("/patient/{handle}/summary", get(pages::summary::show))
        .route("/looked/record/{id}", get(pages::looked::record))
        .route("/reports", get(pages::reports::list))
        .route("/reports/run", post(pages::reports::run))
        .route("/reports/{id}", get(pages::reports::report).post(pages::reports::review))
        .route("/patient/{handle}/search", post(pages::inside::search))
        .route("/patient/{handle}/filter", post(pages::patient::filter))
        .route("/patient/{handle}/sources", post(pages::patient::ask_source))
        .route("/patient/{handle}/document/{id}", get(pages::document::document))
        .route("/patient/{handle}/document/{id}/content", get(pages::content::shown))
        .route(
            "/patient/{handle}/document/{id}/download",
            get(pages::document::copy::ask).post(pages::document::copy::give),
        )
        .route(
            "/patient/{handle}/document/{id}/compare/{other}",
            get(pages::document::compare::versions),
        )
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
