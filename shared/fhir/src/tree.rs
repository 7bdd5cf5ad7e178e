use std::borrow::Cow;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// A resource, or a part of one, as it is made: a JSON value that borrows what it tells. A search can
/// have thousands, each told once.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Tree<'a>>),
    /// An object.
    Object(Object<'a>),
    /// Anything that owns what it tells; null is what is left out.
    Value(Value),
}

impl Tree<'_> {
    /// Nothing.
    pub(crate) const NULL: Self = Self::Value(Value::Null);

    /// FHIR knows no empty values.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::List(all) => all.is_empty(),
            Self::Object(object) => object.is_empty(),
            Self::Value(Value::Null) => true,
            Self::Value(Value::Bool(_) | Value::Number(_)) => false,
            Self::Value(Value::String(text)) => text.trim().is_empty(),
            Self::Value(Value::Array(all)) => all.is_empty(),
            Self::Value(Value::Object(object)) => object.is_empty(),
        }
    }
}

/// A JSON object as it is made. What is null, blank or empty is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a>(Vec<(&'static str, Tree<'a>)>);

impl<'a> Object<'a> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A resource of a type with a logical id.
    pub(crate) fn resource(kind: &'a str, id: impl Into<Tree<'a>>) -> Self {
        Self::new().with("resourceType", kind).with("id", id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a member that has not been set.
    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<Tree<'a>>) {
        let value = value.into();
        if !value.is_empty() {
            self.0.push((key, value));
        }
    }

    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Tree<'a>>) -> Self {
        self.set(key, value);
        self
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Tree<'a>> {
        self.0.iter_mut().find(|(other, _)| *other == key).map(|(_, value)| value)
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(all) => {
                let mut list = serializer.serialize_seq(Some(all.len()))?;
                all.iter().try_for_each(|one| list.serialize_element(one))?;
                list.end()
            }
            Self::Object(object) => object.serialize(serializer),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

impl From<Tree<'_>> for Value {
    fn from(tree: Tree<'_>) -> Self {
        match tree {
            Tree::Text(text) => text.into_owned().into(),
            Tree::List(all) => all.into_iter().map(Self::from).collect(),
            Tree::Object(object) => object.into(),
            Tree::Value(value) => value,
        }
    }
}

impl From<Object<'_>> for Value {
    fn from(object: Object<'_>) -> Self {
        let members = object.0.into_iter().map(|(key, value)| (key.to_owned(), value.into()));
        Self::Object(members.collect::<Map<_, _>>())
    }
}

impl<'a> From<Object<'a>> for Tree<'a> {
    fn from(object: Object<'a>) -> Self {
        Self::Object(object)
    }
}

impl<'a> From<&'a str> for Tree<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<Cow<'a, str>> for Tree<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Tree<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<'a, T: Into<Tree<'a>>> From<Vec<T>> for Tree<'a> {
    fn from(all: Vec<T>) -> Self {
        Self::List(all.into_iter().map(Into::into).collect())
    }
}

impl<'a, T: Into<Tree<'a>>> From<Option<T>> for Tree<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NULL, Into::into)
    }
}

impl From<Value> for Tree<'_> {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

macro_rules! owned {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Tree<'_> {
            fn from(value: $kind) -> Self {
                Self::Value(value.into())
            }
        }
    )*};
}

owned!(bool, u64, usize, f64, Number);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_empty_is_left_out_of_both_forms() {
        let made = || {
            Object::resource("X", "1")
                .with("blank", " ")
                .with("none", None::<&str>)
                .with("empty", Vec::<Value>::new())
                .with("inner", Object::new().with("null", Value::Null))
                .with("list", vec![Object::new().with("flag", false).with("size", 0u64)])
        };
        let expected = json!({
            "resourceType": "X", "id": "1", "list": [{"flag": false, "size": 0}],
        });

        assert_eq!(Value::from(made()), expected);
        assert_eq!(serde_json::to_string(&Tree::from(made())).unwrap(), expected.to_string());
    }
}
