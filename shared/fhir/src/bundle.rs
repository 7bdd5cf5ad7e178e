use serde_json::{Value, json};

use crate::object::Object;

/// An entry of a search answer.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A resource that matches, with its full URL.
    Match(String, Value),
    /// A resource that matches, with its full URL and how well it does: 0 to 1.
    Ranked(String, Value, f64),
    /// A resource that does not match itself and is shown beside those that do, with its full URL.
    Include(String, Value),
    /// An OperationOutcome about the search.
    Outcome(Value),
}

/// A Bundle of type `searchset`. `total` counts matches only; `None` leaves the count out.
pub fn searchset(self_url: &str, total: usize, entries: Vec<Entry>) -> Value {
    // Resources are moved, not copied: there may be thousands.
    let entries = entries.into_iter().map(|entry| {
        let (url, resource, search) = match entry {
            Entry::Match(url, resource) => (Some(url), resource, json!({"mode": "match"})),
            Entry::Ranked(url, resource, score) => {
                (Some(url), resource, json!({"mode": "match", "score": score}))
            }
            Entry::Include(url, resource) => (Some(url), resource, json!({"mode": "include"})),
            Entry::Outcome(resource) => (None, resource, json!({"mode": "outcome"})),
        };
        let entry = Object::new().with("fullUrl", url).with("resource", resource);
        Value::from(entry.with("search", search))
    });
    Object::new()
        .with("resourceType", "Bundle")
        .with("type", "searchset")
        .with("total", total)
        .with("link", vec![json!({"relation": "self", "url": self_url})])
        .with("entry", entries.collect::<Vec<_>>())
        .into()
}

/// Adds a link to a Bundle, such as the one to its `next` page.
pub fn add_link(bundle: &mut Value, relation: &str, url: &str) {
    if let Some(links) = bundle["link"].as_array_mut() {
        links.push(json!({"relation": relation, "url": url}));
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
