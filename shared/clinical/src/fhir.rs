use std::collections::HashMap;

use serde_json::Value;

use crate::HeaderError;

/// The values under a name: those of an array, or the single one.
pub(crate) fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    let found = value.get(name);
    let all = match found {
        Some(Value::Array(all)) => all.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    all.iter()
}

/// The first value under a name.
pub(crate) fn first<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    items(value, name).next()
}

/// The first value under a name, when it is a text that is not empty.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    first(value, name)?.as_str().filter(|t| !t.trim().is_empty())
}

/// The resource type.
pub(crate) fn resource_type(value: &Value) -> &str {
    text(value, "resourceType").unwrap_or_default()
}

/// A document bundle and an index of what can be referred to in it.
pub(crate) struct Bundle<'v> {
    /// The Bundle resource.
    pub(crate) bundle: &'v Value,
    /// Its Composition.
    pub(crate) composition: &'v Value,
    by_url: HashMap<&'v str, &'v Value>,
    by_id: HashMap<(&'v str, &'v str), &'v Value>,
}

impl<'v> Bundle<'v> {
    /// Indexes a bundle.
    pub(crate) fn new(bundle: &'v Value) -> Result<Self, HeaderError> {
        let composition = items(bundle, "entry").next().and_then(|e| first(e, "resource"));
        let composition = composition
            .filter(|r| resource_type(r) == "Composition")
            .ok_or(HeaderError::NoComposition)?;
        let mut by_url = HashMap::new();
        let mut by_id = HashMap::new();
        for entry in items(bundle, "entry") {
            let Some(resource) = first(entry, "resource") else { continue };
            if let Some(url) = text(entry, "fullUrl") {
                by_url.entry(url).or_insert(resource);
            }
            if let Some(id) = text(resource, "id") {
                by_id.entry((resource_type(resource), id)).or_insert(resource);
            }
        }
        Ok(Self { bundle, composition, by_url, by_id })
    }

    /// Every resource of the bundle, in order.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &'v Value> {
        items(self.bundle, "entry").filter_map(|e| first(e, "resource"))
    }

    /// What a Reference of `from` points to: contained, by full URL, or by type and id.
    pub(crate) fn resolve(&self, from: &'v Value, reference: &'v Value) -> Option<&'v Value> {
        let target = text(reference, "reference")?;
        if let Some(id) = target.strip_prefix('#') {
            let mut contained = items(from, "contained").take(MAX_CONTAINED);
            return contained.find(|c| text(c, "id") == Some(id));
        }
        if let Some(found) = self.by_url.get(target) {
            return Some(found);
        }
        let target = target.split("/_history/").next().unwrap_or(target);
        let mut parts = target.rsplit('/');
        let (id, name) = (parts.next()?, parts.next()?);
        self.by_id.get(&(name, id)).copied()
    }
}

/// They are searched for every reference, so their number must not multiply with that of references.
const MAX_CONTAINED: usize = 500;
