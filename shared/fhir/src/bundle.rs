use serde_json::{Value, json};

use crate::tree::{Object, Tree};

/// An entry of a search answer.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// A resource that matches, with its full URL.
    Match(String, Tree<'a>),
    /// A resource that matches, with its full URL and how well it does: 0 to 1.
    Ranked(String, Tree<'a>, f64),
    /// A resource that does not match itself and is shown beside those that do, with its full URL.
    Include(String, Tree<'a>),
    /// An OperationOutcome about the search.
    Outcome(Value),
}

/// A Bundle of type `searchset`. `total` counts matches only; `None` leaves the count out.
pub fn searchset<'a>(
    self_url: &str,
    total: impl Into<Option<usize>>,
    entries: Vec<Entry<'a>>,
) -> Tree<'a> {
    let mode = |mode: &'a str| Object::new().with("mode", mode);
    let entries = entries.into_iter().map(|entry| {
        let (url, resource, search) = match entry {
            Entry::Match(url, resource) => (Some(url), resource, mode("match")),
            Entry::Ranked(url, resource, score) => {
                (Some(url), resource, mode("match").with("score", score))
            }
            Entry::Include(url, resource) => (Some(url), resource, mode("include")),
            Entry::Outcome(resource) => (None, resource.into(), mode("outcome")),
        };
        Object::new().with("fullUrl", url).with("resource", resource).with("search", search)
    });
    Object::resource("Bundle", None::<&str>)
        .with("type", "searchset")
        .with("total", total.into())
        .with("link", vec![json!({"relation": "self", "url": self_url})])
        .with("entry", entries.collect::<Vec<_>>())
        .into()
}

/// Adds a link to a Bundle, such as the one to its `next` page.
pub fn add_link(bundle: &mut Tree<'_>, relation: &str, url: &str) {
    if let Tree::Object(bundle) = bundle
        && let Some(Tree::List(links)) = bundle.get_mut("link")
    {
        links.push(json!({"relation": relation, "url": url}).into());
    }
}

/// What became of an entry of a transaction.
#[derive(Clone, Debug)]
pub struct Done {
    /// Whether the resource is new.
    pub created: bool,
    /// Its type and id, as a relative URL.
    pub location: String,
    /// Its version, where it has versions.
    pub version: Option<u32>,
    /// An OperationOutcome with warnings.
    pub warnings: Option<Value>,
}

/// A Bundle of type `transaction-response`, with an entry for each of the request's. MHD 3.5.
pub fn transaction_response(entries: Vec<Done>) -> Value {
    let entry = |done: Done| {
        let status = if done.created { "201 Created" } else { "200 OK" };
        let mut response = json!({"status": status, "location": done.location});
        if let Some(version) = done.version {
            response["etag"] = format!("W/\"{version}\"").into();
        }
        if let Some(warnings) = done.warnings {
            response["outcome"] = warnings;
        }
        json!({"response": response})
    };
    let entries: Vec<Value> = entries.into_iter().map(entry).collect();
    json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})
}
