//! Tells applications that sessions are over. OpenID Connect Back-Channel Logout 1.0.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::authorize::{html, problem};
use super::keys::TokenKind;
use super::{Client, Provider, SharedProvider, present};

/// What has ended.
pub(super) enum Over<'a> {
    /// One session.
    Session { sid: &'a str, user_id: &'a str },
    /// All of a person's.
    Person { user_id: &'a str },
}

/// How many applications were told, and how many could not be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Told {
    pub(super) told: usize,
    pub(super) failed: usize,
}

/// Tells these applications, each by a token of its own, and waits until they have answered.
pub(super) async fn tell(
    provider: &Provider,
    clients: impl Iterator<Item = &Client>,
    over: &Over<'_>,
) -> Told {
    let with_address = clients.filter_map(|client| Some((client, client.logout_uri.as_ref()?)));
    let sent = with_address.map(|(client, uri)| send(provider, client, uri, over));
    let answers = join_all(sent).await;
    let told = answers.iter().filter(|told| **told).count();
    Told { told, failed: answers.len() - told }
}

async fn send(provider: &Provider, client: &Client, uri: &str, over: &Over<'_>) -> bool {
    let Ok(token) = provider.key.sign(TokenKind::Logout, &claims(provider, client, over)) else {
        return false;
    };
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", &token)
        .finish();
    let request = provider
        .http
        .post(uri)
        .timeout(PATIENCE)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form);
    let told = request.send().await.is_ok_and(|answer| answer.status().is_success());
    if !told {
        tracing::warn!(client = client.client_id, "an application was not told of a sign-out");
    }
    told
}

fn claims(provider: &Provider, client: &Client, over: &Over<'_>) -> Value {
    let now = provider.now();
    let mut claims = json!({
        "iss": provider.issuer,
        "aud": client.client_id,
        "iat": now,
        "exp": now + 120,
        "jti": provider.ids.random().to_string(),
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    match over {
        Over::Session { sid, user_id } => {
            claims["sid"] = json!(sid);
            claims["sub"] = json!(user_id);
        }
        Over::Person { user_id } => claims["sub"] = json!(user_id),
    }
    claims
}

/// Asks who is to be signed out everywhere: as when a smartcard is lost.
pub(super) async fn ask(State(provider): SharedProvider) -> Response {
    page(&provider, None)
}

/// The person on the page.
#[derive(Deserialize)]
pub(super) struct Choice {
    account: Option<String>,
}

/// Ends every session of a person, here and at every application.
pub(super) async fn everywhere(
    State(provider): SharedProvider,
    choice: Result<Form<Choice>, FormRejection>,
) -> Response {
    let Ok(Form(choice)) = choice else {
        return problem("The form cannot be read.");
    };
    let account = present(choice.account.as_ref()).and_then(|id| provider.account(id));
    let Some(account) = account else {
        return problem("This person is not known.");
    };
    let now = provider.now();
    provider.memory().end_sessions_of(&account.user_id, now);
    // All, for those that were told of a session before a restart are not known here any more.
    let over = Over::Person { user_id: &account.user_id };
    let told = tell(&provider, provider.config.clients.iter(), &over).await;
    page(&provider, Some(Done { name: account.spoken_name(), told }))
}

fn page(provider: &Arc<Provider>, done: Option<Done>) -> Response {
    let accounts = &provider.config.accounts;
    let accounts = accounts.iter().map(|a| (a.user_id.clone(), a.spoken_name())).collect();
    html(StatusCode::OK, &EverywherePage { accounts, done }, "")
}

struct Done {
    name: String,
    told: Told,
}

#[derive(Template)]
#[template(path = "signin/everywhere.html")]
struct EverywherePage {
    accounts: Vec<(String, String)>,
    done: Option<Done>,
}

/// Somebody waits for the page.
const PATIENCE: Duration = Duration::from_secs(3);
