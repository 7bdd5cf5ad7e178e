use carerecord_model::{LocalizedString, Slot};
use carerecord_xml::{EncodeError, Start, XmlError, XmlReader, XmlWriter};

use super::sink::{ClassificationParts, Head, ObjectSink, WrittenObjects};
use crate::name::{RIM, XML, rim};

/// Which element an object is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ObjectKind {
    /// `rim:ExtrinsicObject`
    ExtrinsicObject,
    /// `rim:RegistryPackage`
    RegistryPackage,
    /// `rim:Association`
    Association,
    /// `rim:Classification` at the level of the list: labels a package.
    Classification,
    /// `rim:ObjectRef`
    ObjectRef,
    /// Another element, which XDS does not have: without its content.
    Other,
}

/// An object of a RegistryObjectList, as it stands in the message.
#[derive(Clone, Debug, PartialEq)]
pub struct RegistryObject {
    /// Which element.
    pub kind: ObjectKind,
    /// `@id`; empty when absent.
    pub id: String,
    /// `@lid`
    pub lid: Option<String>,
    /// `@home`
    pub home: Option<String>,
    /// `@objectType`
    pub object_type: Option<String>,
    /// `@status`
    pub status: Option<String>,
    /// `@mimeType` of an ExtrinsicObject
    pub mime_type: Option<String>,
    /// `@associationType` of an Association
    pub association_type: Option<String>,
    /// `@sourceObject` of an Association
    pub source: Option<String>,
    /// `@targetObject` of an Association
    pub target: Option<String>,
    /// `@classifiedObject` of a Classification at the level of the list
    pub classified: Option<String>,
    /// `@classificationNode` of a Classification at the level of the list
    pub node: Option<String>,
    /// Slots in order.
    pub slots: Vec<Slot>,
    /// Name in each language.
    pub name: Vec<LocalizedString>,
    /// Description in each language.
    pub description: Vec<LocalizedString>,
    /// `VersionInfo/@versionName`
    pub version: Option<String>,
    /// Classifications in order.
    pub classifications: Vec<Classification>,
    /// External identifiers in order.
    pub external_identifiers: Vec<ExternalIdentifier>,
}

/// A `rim:Classification` inside an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Classification {
    /// `@classificationScheme`
    pub scheme: Option<String>,
    /// `@classificationNode`
    pub node: Option<String>,
    /// `@nodeRepresentation`
    pub code: String,
    /// Slots: `codingScheme`, or those of an author.
    pub slots: Vec<Slot>,
    /// The display name in each language.
    pub name: Vec<LocalizedString>,
}

/// A `rim:ExternalIdentifier`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExternalIdentifier {
    /// `@identificationScheme`
    pub scheme: String,
    /// `@value`
    pub value: String,
    /// The name, which the standard fixes for each scheme.
    pub name: String,
}

impl RegistryObject {
    /// An empty object of a kind.
    pub fn new(kind: ObjectKind, id: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
            lid: None,
            home: None,
            object_type: None,
            status: None,
            mime_type: None,
            association_type: None,
            source: None,
            target: None,
            classified: None,
            node: None,
            slots: Vec::new(),
            name: Vec::new(),
            description: Vec::new(),
            version: None,
            classifications: Vec::new(),
            external_identifiers: Vec::new(),
        }
    }

    /// Reads an object of a RegistryObjectList.
    ///
    /// # Errors
    /// When there is something in it that XDS does not know.
    pub fn read(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        let kind = match start.local() {
            _ if start.ns() != RIM => ObjectKind::Other,
            "ExtrinsicObject" => ObjectKind::ExtrinsicObject,
            "RegistryPackage" => ObjectKind::RegistryPackage,
            "Association" => ObjectKind::Association,
            "Classification" => ObjectKind::Classification,
            "ObjectRef" => ObjectKind::ObjectRef,
            _ => ObjectKind::Other,
        };
        if kind == ObjectKind::Other {
            xml.skip()?;
            return Ok(Self::new(kind, start.attr("id").unwrap_or("")));
        }
        let attr = |name: &str| start.attr(name).map(str::to_owned);
        let mut object = Self {
            lid: attr("lid"),
            home: attr("home"),
            object_type: attr("objectType"),
            status: attr("status"),
            mime_type: attr("mimeType"),
            association_type: attr("associationType"),
            source: attr("sourceObject"),
            target: attr("targetObject"),
            classified: attr("classifiedObject"),
            node: attr("classificationNode"),
            ..Self::new(kind, start.attr("id").unwrap_or(""))
        };
        while let Some(child) = xml.next_child()? {
            object.read_child(&child, xml)?;
        }
        Ok(object)
    }

    fn read_child(&mut self, child: &Start, xml: &mut XmlReader<'_>) -> Result<(), XmlError> {
        if child.is(rim("Slot")) {
            self.slots.push(read_slot(child, xml)?);
        } else if child.is(rim("Name")) {
            self.name = read_localized(xml)?;
        } else if child.is(rim("Description")) {
            self.description = read_localized(xml)?;
        } else if child.is(rim("VersionInfo")) {
            self.version = child.attr("versionName").map(str::to_owned);
            xml.skip()?;
        } else if child.is(rim("Classification")) {
            self.classifications.push(Classification::read(child, xml)?);
        } else if child.is(rim("ExternalIdentifier")) {
            self.external_identifiers.push(ExternalIdentifier::read(child, xml)?);
        } else if child.is(rim("ContentVersionInfo")) {
            xml.skip()?;
        } else {
            return Err(xml.unexpected(child));
        }
        Ok(())
    }

    /// Writes the object in the order that the schema asks for.
    ///
    /// # Errors
    /// As `XmlWriter`.
    pub fn write<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        self.tell(&mut WrittenObjects::new(xml))
    }

    fn tell<S: ObjectSink>(&self, sink: &mut S) -> Result<(), S::Error> {
        sink.start(&Head {
            kind: self.kind,
            id: &self.id,
            lid: self.lid.as_deref(),
            home: self.home.as_deref(),
            mime_type: self.mime_type.as_deref(),
            object_type: self.object_type.as_deref(),
            status: self.status.as_deref(),
            association_type: self.association_type.as_deref(),
            source: self.source.as_deref(),
            target: self.target.as_deref(),
            classified: self.classified.as_deref(),
            node: self.node.as_deref(),
        })?;
        if self.kind == ObjectKind::ObjectRef {
            return sink.end();
        }
        self.slots.iter().try_for_each(|slot| sink.slot(&slot.name, &values(slot)))?;
        sink.name(&self.name)?;
        sink.description(&self.description)?;
        self.version.iter().try_for_each(|version| sink.version(version))?;
        self.classifications.iter().try_for_each(|c| c.tell(sink))?;
        for i in &self.external_identifiers {
            sink.identifier(&i.scheme, &i.value, &i.name)?;
        }
        sink.end()
    }
}

impl Classification {
    fn read(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        let attr = |name: &str| start.attr(name).map(str::to_owned);
        let mut classification = Self {
            scheme: attr("classificationScheme"),
            node: attr("classificationNode"),
            code: attr("nodeRepresentation").unwrap_or_default(),
            slots: Vec::new(),
            name: Vec::new(),
        };
        while let Some(child) = xml.next_child()? {
            if child.is(rim("Slot")) {
                classification.slots.push(read_slot(&child, xml)?);
            } else if child.is(rim("Name")) {
                classification.name = read_localized(xml)?;
            } else {
                xml.skip()?;
            }
        }
        Ok(classification)
    }

    fn tell<S: ObjectSink>(&self, sink: &mut S) -> Result<(), S::Error> {
        let lists: Vec<Vec<&str>> = self.slots.iter().map(values).collect();
        let slots: Vec<(&str, &[&str])> = (self.slots.iter().zip(&lists))
            .map(|(slot, values)| (slot.name.as_str(), values.as_slice()))
            .collect();
        let name: Vec<_> =
            self.name.iter().map(|n| (n.value.as_str(), n.lang.as_deref())).collect();
        sink.classification(&ClassificationParts {
            scheme: self.scheme.as_deref(),
            node: self.node.as_deref(),
            code: &self.code,
            slots: &slots,
            name: &name,
        })
    }
}

impl ExternalIdentifier {
    fn read(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        let attr = |name: &str| start.attr(name).unwrap_or("").to_owned();
        let mut identifier = Self {
            scheme: attr("identificationScheme"),
            value: attr("value"),
            name: String::new(),
        };
        while let Some(child) = xml.next_child()? {
            if child.is(rim("Name")) {
                let name = read_localized(xml)?;
                identifier.name = name.into_iter().next().map(|n| n.value).unwrap_or_default();
            } else {
                xml.skip()?;
            }
        }
        Ok(identifier)
    }
}

/// Reads a `rim:Slot`.
///
/// # Errors
/// When it has no name.
pub fn read_slot(start: &Start, xml: &mut XmlReader<'_>) -> Result<Slot, XmlError> {
    let mut slot = Slot { name: start.required("name")?.to_owned(), values: Vec::new() };
    while let Some(list) = xml.next_child()? {
        if !list.is(rim("ValueList")) {
            return Err(xml.unexpected(&list));
        }
        while let Some(value) = xml.next_child()? {
            if !value.is(rim("Value")) {
                return Err(xml.unexpected(&value));
            }
            slot.values.push(xml.text()?);
        }
    }
    Ok(slot)
}

fn values(slot: &Slot) -> Vec<&str> {
    slot.values.iter().map(String::as_str).collect()
}

/// An empty Name or Description is the same as none.
fn read_localized(xml: &mut XmlReader<'_>) -> Result<Vec<LocalizedString>, XmlError> {
    let mut all = Vec::new();
    while let Some(child) = xml.next_child()? {
        if !child.is(rim("LocalizedString")) {
            return Err(xml.unexpected(&child));
        }
        let value = child.attr("value").unwrap_or("").to_owned();
        let lang = child.attr_ns(XML, "lang").map(str::to_owned);
        xml.skip()?;
        if !value.is_empty() {
            all.push(LocalizedString { value, lang });
        }
    }
    Ok(all)
}
