use serde_json::{Value, json};

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
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Match(url, resource) => {
                json!({"fullUrl": url, "resource": resource, "search": {"mode": "match"}})
            }
            Entry::Ranked(url, resource, score) => {
                let search = json!({"mode": "match", "score": score});
                json!({"fullUrl": url, "resource": resource, "search": search})
            }
            Entry::Include(url, resource) => {
                json!({"fullUrl": url, "resource": resource, "search": {"mode": "include"}})
            }
            Entry::Outcome(resource) => {
                json!({"resource": resource, "search": {"mode": "outcome"}})
            }
        })
        .collect();
    let mut bundle = json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": [{"relation": "self", "url": self_url}],
    });
    if !entries.is_empty() {
        bundle["entry"] = entries.into();
    }
    bundle
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
