use serde_json::Value;

/// A place in what was sent, with its FHIRPath; there may be nothing in it.
#[derive(Clone)]
pub(super) struct At<'a> {
    value: Option<&'a Value>,
    path: String,
}

impl<'a> At<'a> {
    pub(super) fn new(value: &'a Value, path: impl Into<String>) -> Self {
        Self { value: Some(value), path: path.into() }
    }

    pub(super) fn get(&self, key: &str) -> At<'a> {
        let value = self.value.and_then(|v| v.get(key)).filter(|v| !v.is_null());
        At { value, path: format!("{}.{key}", self.path) }
    }

    /// What repeats; nothing where there is no array.
    pub(super) fn each(&self, key: &str) -> Vec<At<'a>> {
        let list = self.value.and_then(|v| v.get(key)).and_then(Value::as_array);
        let list = list.map(Vec::as_slice).unwrap_or_default();
        let item =
            |(n, value)| At { value: Some(value), path: format!("{}.{key}[{n}]", self.path) };
        list.iter().enumerate().map(item).collect()
    }

    /// The first of what repeats.
    pub(super) fn first(&self, key: &str) -> Option<At<'a>> {
        let value = self.value?.get(key)?.as_array()?.first()?;
        Some(At { value: Some(value), path: format!("{}.{key}[0]", self.path) })
    }

    /// A text that is not blank, without space around it.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.value?.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn texts(&self, key: &str) -> Vec<&'a str> {
        self.each(key).iter().filter_map(|at| at.value?.as_str()).map(str::trim).collect()
    }

    /// A whole number, however it is written.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let value = self.value?.get(key)?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    pub(super) fn is_there(&self) -> bool {
        self.value.is_some()
    }

    pub(super) fn kind(&self) -> &'a str {
        self.text("resourceType").unwrap_or_default()
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The extensions of an MHD name.
    pub(super) fn extensions(&self, name: &str) -> Vec<At<'a>> {
        let ours = |at: &At<'a>| {
            at.text("url").and_then(|url| url.strip_prefix(MHD)).is_some_and(|rest| rest == name)
        };
        self.each("extension").into_iter().filter(ours).collect()
    }
}

/// What is wrong with what was sent. `text` holds nothing of its values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// FHIR's kind of issue, e.g. `required`.
    pub kind: &'static str,
    /// What is wrong, for whoever mends it.
    pub text: String,
    /// Where, as FHIRPath.
    pub expression: String,
}

/// Every problem found, up to a limit.
#[derive(Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, kind: &'static str, at: &At<'_>, text: impl Into<String>) {
        if self.0.len() < MOST {
            let expression = at.path().to_owned();
            self.0.push(Problem { kind, text: text.into(), expression });
        }
    }

    pub(super) fn missing(&mut self, at: &At<'_>) {
        self.add("required", at, "It must be there.");
    }

    /// What the profile does not let stand.
    pub(super) fn forbid(&mut self, at: &At<'_>, keys: &[&str]) {
        for key in keys {
            let at = at.get(key);
            if at.is_there() {
                self.add("structure", &at, "The profile does not allow it.");
            }
        }
    }

    /// The value, unless there were problems.
    pub(super) fn or<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            Some(_) | None => Err(self.0),
        }
    }
}

const MHD: &str = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/";
/// More say nothing more.
const MOST: usize = 50;
