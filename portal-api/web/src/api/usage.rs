//! How the portal is used.

use jiff::civil::Date;
use serde_json::Value;

use super::outcome::issues;
use super::wire::{list, text};
use super::{ApiClient, ApiError, Asker, body};

/// What was done in a time.
pub(crate) struct Usage {
    pub(crate) from: Date,
    pub(crate) to: Date,
    pub(crate) used: Vec<UsedBy>,
    /// What could not be counted, in words.
    pub(crate) notes: Vec<String>,
}

/// What was done on a day, in a role at an organisation.
pub(crate) struct UsedBy {
    pub(crate) date: Date,
    pub(crate) role: String,
    pub(crate) organisation: String,
    pub(crate) records: Told,
    pub(crate) documents: Told,
    pub(crate) launches: Told,
    pub(crate) overrides: Told,
    pub(crate) refusals: Told,
}

/// A count, or the least that it can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) least: u64,
    pub(crate) exact: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self { least: 0, exact: true }
    }
}

impl Told {
    /// Both together.
    pub(crate) fn and(self, more: Self) -> Self {
        Self { least: self.least + more.least, exact: self.exact && more.exact }
    }
}

impl ApiClient {
    /// What was done from one day to another.
    pub(crate) async fn usage(
        &self,
        asker: Asker<'_>,
        (from, to): (Date, Date),
    ) -> Result<Usage, ApiError> {
        let mut url = self.at("$usage")?;
        url.query_pairs_mut()
            .append_pair("from", &from.to_string())
            .append_pair("to", &to.to_string());
        let request = self.http.get(url).timeout(self.deadline);
        let answer = body::json(self.send(request, asker).await?).await?;
        if answer["resourceType"] != "Parameters" {
            return Err(ApiError::Answer);
        }
        let mut usage = Usage { from, to, used: Vec::new(), notes: Vec::new() };
        for parameter in list(&answer["parameter"]) {
            match parameter["name"].as_str() {
                Some("used") => usage.used.push(read(parameter).ok_or(ApiError::Answer)?),
                Some("outcome") => {
                    let all = issues(&parameter["resource"]);
                    usage.notes.extend(all.iter().filter_map(|i| text(&i["details"]["text"])));
                }
                _ => {}
            }
        }
        Ok(usage)
    }
}

fn read(used: &Value) -> Option<UsedBy> {
    let part = |name: &str| list(&used["part"]).iter().find(|part| part["name"] == name);
    let words = |name: &str, value: &str| part(name).and_then(|part| text(&part[value]));
    let count = |name: &str| match part(name).map(|part| part["valueUnsignedInt"].as_u64()) {
        None => Told::default(),
        Some(Some(count)) => Told { least: count, exact: true },
        // Too few to be told.
        Some(None) => Told { least: 1, exact: false },
    };
    let organisation = words("organisation-name", "valueString");
    Some(UsedBy {
        date: words("date", "valueDate")?.parse().ok()?,
        role: words("role-name", "valueString").or_else(|| words("role", "valueCode"))?,
        organisation: organisation.unwrap_or_else(|| "Not known".to_owned()),
        records: count("records-opened"),
        documents: count("documents-opened"),
        launches: count("launches"),
        overrides: count("break-glass"),
        refusals: count("refusals"),
    })
}
