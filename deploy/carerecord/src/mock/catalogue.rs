//! The catalogue of scenarios: people, headers, and requests with what they are answered, as data. The
//! documentation prints it, and a test asks every request of a running mock.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The people that there are.
    pub person: Vec<Person>,
    /// What `X-Scenario` can say.
    pub header: Vec<Header>,
    /// What can be tried.
    pub scenario: Vec<Scenario>,
}

/// An invented person.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The NHS Number.
    pub number: String,
    /// What is special about them.
    pub what: String,
}

/// A value of `X-Scenario`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The value.
    pub value: String,
    /// The doors that obey it: portal, node, registry.
    pub doors: Vec<String>,
    /// What goes wrong.
    pub what: String,
}

/// A request and its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub title: String,
    /// Where it is sent: portal, registry, node.
    pub door: String,
    /// The client or account whose token goes along; none unless given.
    #[serde(default)]
    pub caller: String,
    /// `X-Scenario`; none unless given.
    #[serde(default)]
    pub header: String,
    /// Below the door's address, by `GET` unless something is sent.
    pub path: String,
    /// Query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// A file of `docs/examples` that is sent.
    #[serde(default)]
    pub send: String,
    /// What stands in it in place of what.
    #[serde(default)]
    pub replace: BTreeMap<String, String>,
    /// The uniqueId of a document among those that the answer lists: it is opened, and what follows is of
    /// the document.
    #[serde(default)]
    pub opens: String,
    /// The status of the answer.
    pub status: u16,
    /// What the answer has.
    #[serde(default)]
    pub has: Vec<String>,
    /// What it has not.
    #[serde(default)]
    pub lacks: Vec<String>,
}

/// The catalogue of this build.
pub fn catalogue() -> Result<Catalogue, toml::de::Error> {
    toml::from_str(include_str!("../../config/scenarios.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::scenario::Scenario as Asked;

    #[test]
    fn the_catalogue_is_whole() {
        let catalogue = catalogue().unwrap();

        for header in &catalogue.header {
            header.value.parse::<Asked>().unwrap();
        }
        for scenario in &catalogue.scenario {
            let title = &scenario.title;
            assert!(["portal", "registry", "node"].contains(&scenario.door.as_str()), "{title}");
            assert!(
                !scenario.has.is_empty() || !scenario.lacks.is_empty(),
                "{title}: it shows nothing"
            );
            if !scenario.header.is_empty() && scenario.status != 400 {
                scenario.header.parse::<Asked>().unwrap();
            }
        }
        // Whoever is told of is in some scenario, or said to be for trying out.
        for person in &catalogue.person {
            let asked = catalogue.scenario.iter().any(|scenario| {
                scenario
                    .query
                    .values()
                    .chain(scenario.replace.values())
                    .any(|v| v.contains(&person.number))
            });
            assert!(asked || person.what.contains("try"), "{} is in no scenario", person.number);
        }
    }
}
