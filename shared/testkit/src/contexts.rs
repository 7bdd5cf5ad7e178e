//! A launching system of the tests' own that is asked for the context of a launch. It is strict about who
//! asks, answers as often as it is asked, and is wrong in its answers where a test wants it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawForm, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use url::form_urlencoded::parse;

use crate::ehr::{asserted, endless};

/// Where contexts are asked for.
pub struct Contexts(Arc<Inner>);

/// What is wrong with its answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ContextFault {
    /// Nothing.
    #[default]
    None,
    /// It does not answer.
    Silent,
    /// Its answer does not end.
    Endless,
    /// It has broken down.
    Broken,
    /// It would have somebody else asked, who would answer.
    Leads,
}

struct Inner {
    base: String,
    /// A JWK set with the keys of who may ask.
    keys: PathBuf,
    state: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    fault: ContextFault,
    /// By the ids of launches.
    contexts: HashMap<String, String>,
    assertions: HashSet<String>,
    asked: usize,
    asked_elsewhere: usize,
}

impl Contexts {
    /// Starts on a port, or on any (0), for who signs with one of the P-256 keys of this JWK set.
    pub async fn start(port: u16, keys: PathBuf) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner { base, keys, state: Mutex::default() });
        let router = Router::new()
            .route("/context", post(context))
            .route("/elsewhere", post(elsewhere))
            .with_state(inner.clone());
        #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self(inner)
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("{}/context", self.0.base)
    }

    /// What it answers for a launch: a signed context, or anything else.
    pub fn gives(&self, launch: &str, context: &str) {
        self.0.kept(|kept| kept.contexts.insert(launch.to_owned(), context.to_owned()));
    }

    /// From now on something is wrong.
    pub fn fault(&self, fault: ContextFault) {
        self.0.kept(|kept| kept.fault = fault);
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.0.kept(|kept| kept.asked)
    }

    /// How often the address was asked that it would lead to.
    pub fn asked_elsewhere(&self) -> usize {
        self.0.kept(|kept| kept.asked_elsewhere)
    }
}

impl Inner {
    fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.state.lock().unwrap())
    }

    fn answer(&self, form: &[u8]) -> Response {
        let form: HashMap<String, String> = parse(form).into_owned().collect();
        let shown = asserted(&form, &self.keys, &format!("{}/context", self.base));
        let is_known = shown.is_some_and(|id| self.kept(|kept| kept.assertions.insert(id)));
        if !is_known {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let launch = form.get("launch").map(String::as_str).unwrap_or_default();
        match self.kept(|kept| kept.contexts.get(launch).cloned()) {
            Some(context) => ([(header::CONTENT_TYPE, "application/jwt")], context).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

type Shared = State<Arc<Inner>>;

async fn context(State(system): Shared, headers: HeaderMap, RawForm(form): RawForm) -> Response {
    let fault = system.kept(|kept| {
        kept.asked += 1;
        kept.fault
    });
    match fault {
        ContextFault::None
            if headers.get(header::ACCEPT).is_none_or(|h| h != "application/jwt") =>
        {
            StatusCode::NOT_ACCEPTABLE.into_response()
        }
        ContextFault::None => system.answer(&form),
        ContextFault::Silent => std::future::pending().await,
        ContextFault::Endless => endless(),
        ContextFault::Broken => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        ContextFault::Leads => Redirect::temporary("/elsewhere").into_response(),
    }
}

async fn elsewhere(State(system): Shared, RawForm(form): RawForm) -> Response {
    system.kept(|kept| kept.asked_elsewhere += 1);
    system.answer(&form)
}
