use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub resource_type: String,
    pub id: Option<String>,
    pub url: Option<String>,
    pub compose: Option<Compose>,
    pub expansion: Option<Expansion>,
}

#[derive(Default, Deserialize)]
pub(super) struct Compose {
    #[serde(default)]
    pub include: Vec<Include>,
    #[serde(default)]
    pub exclude: Vec<Include>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Include {
    pub system: Option<String>,
    #[serde(default)]
    pub concept: Vec<Concept>,
    #[serde(default)]
    pub filter: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    pub value_set: Vec<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Concept {
    pub code: String,
    pub display: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Expansion {
    pub total: Option<u64>,
    #[serde(default)]
    pub contains: Vec<Contains>,
}

#[derive(Default, Deserialize)]
pub(super) struct Contains {
    pub system: Option<String>,
    pub code: Option<String>,
    pub display: Option<String>,
    #[serde(default, rename = "abstract")]
    pub is_abstract: bool,
    #[serde(default)]
    pub contains: Vec<Contains>,
}
