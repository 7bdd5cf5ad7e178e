use carerecord_model::{LocalizedString, Slot};
use carerecord_xml::{EncodeError, Start, XmlError, XmlReader, XmlWriter};

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
        let name = match self.kind {
            ObjectKind::ExtrinsicObject => "rim:ExtrinsicObject",
            ObjectKind::RegistryPackage => "rim:RegistryPackage",
            ObjectKind::Association => "rim:Association",
            ObjectKind::Classification => "rim:Classification",
            ObjectKind::ObjectRef => "rim:ObjectRef",
            ObjectKind::Other => "rim:RegistryObject",
        };
        let mut attributes = [("id", self.id.as_str()); 11];
        let mut count = 1;
        let optional = [
            ("lid", &self.lid),
            ("home", &self.home),
            ("mimeType", &self.mime_type),
            ("objectType", &self.object_type),
            ("status", &self.status),
            ("associationType", &self.association_type),
            ("sourceObject", &self.source),
            ("targetObject", &self.target),
            ("classifiedObject", &self.classified),
            ("classificationNode", &self.node),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                attributes[count] = (name, value);
                count += 1;
            }
        }
        let attributes = &attributes[..count];
        if self.kind == ObjectKind::ObjectRef {
            return xml.empty(name, attributes);
        }
        xml.element(name, attributes, |xml| self.write_content(xml))
    }

    fn write_content<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        for slot in &self.slots {
            write_slot(slot, xml)?;
        }
        write_localized("rim:Name", &self.name, xml)?;
        write_localized("rim:Description", &self.description, xml)?;
        if let Some(version) = &self.version {
            xml.empty("rim:VersionInfo", &[("versionName", version)])?;
        }
        for (n, classification) in self.classifications.iter().enumerate() {
            classification.write(&self.id, n, xml)?;
        }
        for (n, identifier) in self.external_identifiers.iter().enumerate() {
            identifier.write(&self.id, n, xml)?;
        }
        Ok(())
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

    fn write<W: std::io::Write>(
        &self,
        owner: &str,
        number: usize,
        xml: &mut XmlWriter<W>,
    ) -> Result<(), EncodeError> {
        let id = nested_id(owner, "c", number);
        let mut attributes = [("id", id.as_str()); 6];
        let mut count = 0;
        let scheme = self.scheme.as_deref();
        let code = Some(self.code.as_str()).filter(|code| scheme.is_some() || !code.is_empty());
        let all = [
            ("id", Some(id.as_str())),
            ("classifiedObject", Some(owner)),
            ("classificationScheme", scheme),
            ("nodeRepresentation", code),
            ("classificationNode", self.node.as_deref()),
            ("objectType", Some(CLASSIFICATION_TYPE)),
        ];
        for (name, value) in all {
            if let Some(value) = value {
                attributes[count] = (name, value);
                count += 1;
            }
        }
        xml.element("rim:Classification", &attributes[..count], |xml| {
            for slot in &self.slots {
                write_slot(slot, xml)?;
            }
            write_localized("rim:Name", &self.name, xml)
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

    fn write<W: std::io::Write>(
        &self,
        owner: &str,
        number: usize,
        xml: &mut XmlWriter<W>,
    ) -> Result<(), EncodeError> {
        let id = nested_id(owner, "x", number);
        let attributes = [
            ("id", id.as_str()),
            ("registryObject", owner),
            ("identificationScheme", &self.scheme),
            ("value", &self.value),
            ("objectType", EXTERNAL_IDENTIFIER_TYPE),
        ];
        xml.element("rim:ExternalIdentifier", &attributes, |xml| {
            xml.element("rim:Name", &[], |xml| write_text(&self.name, None, xml))
        })
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

pub(crate) fn write_slot<W: std::io::Write>(
    slot: &Slot,
    xml: &mut XmlWriter<W>,
) -> Result<(), EncodeError> {
    xml.element("rim:Slot", &[("name", &slot.name)], |xml| {
        xml.element("rim:ValueList", &[], |xml| {
            slot.values.iter().try_for_each(|value| xml.text("rim:Value", value))
        })
    })
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

fn write_localized<W: std::io::Write>(
    name: &str,
    all: &[LocalizedString],
    xml: &mut XmlWriter<W>,
) -> Result<(), EncodeError> {
    if all.is_empty() {
        return Ok(());
    }
    xml.element(name, &[], |xml| {
        all.iter().try_for_each(|text| write_text(&text.value, text.lang.as_deref(), xml))
    })
}

fn write_text<W: std::io::Write>(
    value: &str,
    lang: Option<&str>,
    xml: &mut XmlWriter<W>,
) -> Result<(), EncodeError> {
    let name = "rim:LocalizedString";
    match lang {
        Some(lang) => {
            xml.empty(name, &[("xml:lang", lang), ("charset", "UTF-8"), ("value", value)])
        }
        None => xml.empty(name, &[("charset", "UTF-8"), ("value", value)]),
    }
}

const HEX: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// The id of a nested object: nothing refers to it, but the schema wants one of its own.
fn nested_id(owner: &str, kind: &str, number: usize) -> String {
    match owner.strip_prefix("urn:uuid:") {
        Some(uuid) if uuid.len() == 36 => {
            let tail = &uuid[24..];
            let base = u64::from_str_radix(tail, 16).unwrap_or(0);
            let salt: u64 = if kind == "c" { 0x0100_0000 } else { 0x0200_0000 };
            let last = (base ^ (salt + number as u64 + 1)) & 0xffff_ffff_ffff;
            let mut id = String::with_capacity(owner.len());
            id.push_str(&owner[..owner.len() - 12]);
            id.extend(
                (0..12).rev().map(|n| HEX[usize::try_from(last >> (4 * n) & 15).unwrap_or(0)]),
            );
            id
        }
        _ => format!("{owner}-{kind}{number}"),
    }
}

const CLASSIFICATION_TYPE: &str =
    "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification";
const EXTERNAL_IDENTIFIER_TYPE: &str =
    "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier";
