use serde_json::{Value, json};

/// An entry of a search answer.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A resource that matches, with its full URL.
    Match(String, Value),
    /// A resource that matches, with its full URL and how well it does: 0 to 1.
    Ranked(String, Value, f64),
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
