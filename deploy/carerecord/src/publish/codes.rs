use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use carerecord_model::Code;
use carerecord_portal_api::CodeDefaults;
use serde::Deserialize;

/// How codes are found that a header does not have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeMaps {
    /// What is taken when nothing else is known.
    pub defaults: Defaults,
    /// Class codes with the type codes that belong to them.
    pub class: Vec<ClassMap>,
    /// Names of type codes of SNOMED CT.
    #[serde(default)]
    pub types: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    pub class: Code,
    #[serde(rename = "type")]
    pub type_code: Code,
    pub facility: Code,
    pub practice: Code,
    pub confidentiality: Code,
    pub language: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassMap {
    code: String,
    display: String,
    types: Vec<String>,
}

impl CodeMaps {
    /// Reads a file, or the built-in UK default.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?,
            None => include_str!("../../config/codes/uk-default.toml").to_owned(),
        };
        toml::from_str(&text).context("the code maps cannot be used")
    }

    /// The type with this code, as an option names it.
    ///
    /// # Errors
    /// With all that there are.
    pub fn type_of(&self, code: &str) -> anyhow::Result<Code> {
        let Some(name) = self.types.get(code) else {
            let all: Vec<String> = self.types.iter().map(|(c, n)| format!("  {c}  {n}")).collect();
            bail!("--type {code} is not in the code maps, which have:\n{}", all.join("\n"));
        };
        Ok(Code::new(code, SNOMED, name.clone()))
    }

    /// The same for documents whose metadata the portal makes.
    pub fn for_portal(&self) -> CodeDefaults {
        let d = &self.defaults;
        let class = |map: &ClassMap| {
            let class = Code::new(map.code.clone(), SNOMED, map.display.clone());
            map.types.iter().map(|code| (code.clone(), class.clone())).collect::<Vec<_>>()
        };
        CodeDefaults {
            // Of a type that stands in several classes the first one is meant.
            classes: self.class.iter().rev().flat_map(class).collect(),
            class: d.class.clone(),
            type_code: d.type_code.clone(),
            facility: d.facility.clone(),
            practice: d.practice.clone(),
            confidentiality: d.confidentiality.clone(),
            language: d.language.clone(),
        }
    }

    /// The class of a type.
    pub fn class_of(&self, type_code: &str) -> Code {
        let map = self.class.iter().find(|m| m.types.iter().any(|t| t == type_code));
        map.map_or_else(
            || self.defaults.class.clone(),
            |m| Code::new(m.code.clone(), SNOMED, m.display.clone()),
        )
    }
}

const SNOMED: &str = "2.16.840.1.113883.6.96";
