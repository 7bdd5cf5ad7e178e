use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use url::Url;

use super::memory::{Code, Grant, Transaction};
use super::{ClientKind, Provider, SharedProvider, present};

/// What a client may ask for, in the words of CIS2 and SMART.
pub(super) const SCOPES: [&str; 10] = [
    "openid",
    "profile",
    "email",
    "nhsperson",
    "nationalrbacaccess",
    "associatedorgs",
    "selectedrole",
    "professionalmemberships",
    "user/*.read",
    "user/*.write",
];

/// An authorization request as it came. OpenID Connect Core 1.0, 3.1.2.1.
#[derive(Deserialize)]
pub(super) struct AuthorizationRequest {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    response_type: Option<String>,
    response_mode: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    prompt: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    request: Option<String>,
    request_uri: Option<String>,
}

/// The choice of a person on the sign-in page.
#[derive(Deserialize)]
pub(super) struct Choice {
    transaction: String,
    account: Option<String>,
}

/// Checks an authorization request and shows the page on which a person is chosen.
pub(super) async fn ask(
    State(provider): SharedProvider,
    request: Result<Query<AuthorizationRequest>, QueryRejection>,
) -> Response {
    // A parameter that is there twice ends here too. RFC 6749, 3.1.
    let Ok(Query(request)) = request else {
        return problem("The application sent a sign-in request that cannot be read.");
    };
    let client = present(request.client_id.as_ref()).and_then(|id| provider.client(id));
    let Some(client) = client.filter(|client| client.kind == ClientKind::Portal) else {
        return problem("The application that sent you here is not known.");
    };
    let redirect_uri = present(request.redirect_uri.as_ref());
    let Some(redirect_uri) = client.redirect_uris.iter().find(|uri| redirect_uri == Some(uri))
    else {
        // Never to an address that is not registered: it may be an attacker's.
        return problem("The application asked for an answer to an address that is not its own.");
    };
    match check(&request) {
        Ok(checked) => {
            let transaction = Transaction {
                client_id: client.client_id.clone(),
                redirect_uri: redirect_uri.clone(),
                ..checked
            };
            sign_in_page(&provider, transaction)
        }
        Err(error) => {
            let state = present(request.state.as_ref());
            back_to_client(&provider, redirect_uri, state, &[("error", error)])
        }
    }
}

/// Takes the choice, once, and sends the browser back to the client with a code.
pub(super) async fn choose(
    State(provider): SharedProvider,
    choice: Result<Form<Choice>, FormRejection>,
) -> Response {
    let Ok(Form(choice)) = choice else {
        return problem("The form cannot be read.");
    };
    let now = provider.now();
    let transaction = provider.memory().transactions.take(&choice.transaction, now);
    let Some(transaction) = transaction else {
        return problem("This sign-in has ended or was used already.");
    };
    let Transaction { client_id, redirect_uri, state, nonce, challenge, scope } = transaction;
    let Some(user_id) = present(choice.account.as_ref()) else {
        let error = [("error", "access_denied")];
        return back_to_client(&provider, &redirect_uri, Some(&state), &error);
    };
    let Some(account) = provider.account(user_id) else {
        return problem("This person is not known.");
    };
    let sid = provider.unguessable();
    let user_id = account.user_id.clone();
    provider.memory().sessions.insert(sid.clone(), user_id.clone(), now);
    let grant = Grant { client_id, user_id, scope, nonce, sid, auth_time: now };
    let code = provider.unguessable();
    let issued = Code { grant, redirect_uri: redirect_uri.clone(), challenge, used: false };
    provider.memory().codes.insert(code.clone(), issued, now);
    back_to_client(&provider, &redirect_uri, Some(&state), &[("code", &code)])
}

/// Checks all but client and address; the error is the code of RFC 6749, 4.1.2.1.
fn check(request: &AuthorizationRequest) -> Result<Transaction, &'static str> {
    if request.request.is_some() {
        return Err("request_not_supported");
    }
    if request.request_uri.is_some() {
        return Err("request_uri_not_supported");
    }
    if present(request.response_type.as_ref()) != Some("code") {
        return Err("unsupported_response_type");
    }
    if !matches!(present(request.response_mode.as_ref()), None | Some("query")) {
        return Err("invalid_request");
    }
    let state = present(request.state.as_ref()).filter(|state| state.len() <= MAX_PARAMETER);
    let challenge = present(request.code_challenge.as_ref()).filter(|text| is_challenge(text));
    let method = present(request.code_challenge_method.as_ref());
    let (Some(state), Some(challenge), Some("S256")) = (state, challenge, method) else {
        return Err("invalid_request");
    };
    let nonce = present(request.nonce.as_ref());
    if nonce.is_some_and(|nonce| nonce.len() > MAX_PARAMETER) {
        return Err("invalid_request");
    }
    let asked = present(request.scope.as_ref()).unwrap_or_default();
    let granted: Vec<_> =
        SCOPES.into_iter().filter(|scope| asked.split(' ').any(|asked| asked == *scope)).collect();
    if !granted.contains(&"openid") {
        return Err("invalid_scope");
    }
    if present(request.prompt.as_ref()) == Some("none") {
        // The choice is made anew each time, so there is no sign-in to go on with.
        return Err("login_required");
    }
    Ok(Transaction {
        client_id: String::new(),
        redirect_uri: String::new(),
        state: state.to_owned(),
        nonce: nonce.map(str::to_owned),
        challenge: challenge.to_owned(),
        scope: granted.join(" "),
    })
}

/// SHA-256 in base64url without padding. RFC 7636, 4.2.
fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn sign_in_page(provider: &Arc<Provider>, transaction: Transaction) -> Response {
    let target = origin(&transaction.redirect_uri);
    let id = provider.unguessable();
    let accounts = provider.config.accounts.iter().map(AccountView::from).collect();
    let page = SignInPage { transaction: &id, accounts };
    let response = html(StatusCode::OK, &page, &target);
    provider.memory().transactions.insert(id.clone(), transaction, provider.now());
    response
}

/// Sends the browser to an address of the client. RFC 6749, 4.1.2; `iss` by RFC 9207.
fn back_to_client(
    provider: &Provider,
    redirect_uri: &str,
    state: Option<&str>,
    answer: &[(&str, &str)],
) -> Response {
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return problem("The application's address cannot be read.");
    };
    url.query_pairs_mut()
        .extend_pairs(answer)
        .extend_pairs(state.map(|state| ("state", state)))
        .append_pair("iss", &provider.issuer);
    Redirect::to(url.as_str()).into_response()
}

/// A page that goes no further, for what must not be sent to the client.
pub(super) fn problem(text: &str) -> Response {
    html(StatusCode::BAD_REQUEST, &ProblemPage { text }, "")
}

/// Renders a page whose form may lead to this provider and on to `target`.
///
/// Browsers hold the redirect that answers a form to the policy of the page, too.
pub(super) fn html<T: Template>(status: StatusCode, page: &T, target: &str) -> Response {
    let Ok(text) = page.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {target}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = (status, Html(text)).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn origin(uri: &str) -> String {
    Url::parse(uri).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}

#[derive(Template)]
#[template(path = "signin/choose.html")]
struct SignInPage<'a> {
    transaction: &'a str,
    accounts: Vec<AccountView>,
}

#[derive(Template)]
#[template(path = "signin/problem.html")]
struct ProblemPage<'a> {
    text: &'a str,
}

struct AccountView {
    user_id: String,
    name: String,
    description: String,
    roles: Vec<String>,
}

impl From<&super::Account> for AccountView {
    fn from(account: &super::Account) -> Self {
        let roles = account.roles.iter().map(|role| {
            let name = role.role_name.rsplit(':').next().unwrap_or_default().trim_matches('"');
            let organisation =
                account.organisations.iter().find(|(code, _)| *code == role.org_code);
            let organisation = organisation.map_or(role.org_code.as_str(), |(_, name)| name);
            format!("{name}, {organisation} ({})", role.org_code)
        });
        Self {
            user_id: account.user_id.clone(),
            name: account.spoken_name(),
            description: account.description.clone(),
            roles: roles.collect(),
        }
    }
}

const MAX_PARAMETER: usize = 1024;
