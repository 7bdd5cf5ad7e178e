//! Where an ebRIM object is told to, part by part in the order of the schema: the message itself,
//! so that nothing is copied on the way, or a [`RegistryObject`].

use std::convert::Infallible;
use std::io::Write;

use carerecord_model::{LocalizedString, Slot};
use carerecord_xml::{EncodeError, XmlWriter};

use super::object::{Classification, ExternalIdentifier, ObjectKind, RegistryObject};

/// The element of an object with its attributes.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// Which element.
    pub kind: ObjectKind,
    /// `@id`
    pub id: &'a str,
    /// `@lid`
    pub lid: Option<&'a str>,
    /// `@home`
    pub home: Option<&'a str>,
    /// `@mimeType`
    pub mime_type: Option<&'a str>,
    /// `@objectType`
    pub object_type: Option<&'a str>,
    /// `@status`
    pub status: Option<&'a str>,
    /// `@associationType`
    pub association_type: Option<&'a str>,
    /// `@sourceObject`
    pub source: Option<&'a str>,
    /// `@targetObject`
    pub target: Option<&'a str>,
    /// `@classifiedObject`
    pub classified: Option<&'a str>,
    /// `@classificationNode`
    pub node: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// Without attributes but its id.
    pub fn new(kind: ObjectKind, id: &'a str) -> Self {
        Self {
            kind,
            id,
            lid: None,
            home: None,
            mime_type: None,
            object_type: None,
            status: None,
            association_type: None,
            source: None,
            target: None,
            classified: None,
            node: None,
        }
    }
}

/// The parts of a `rim:Classification` inside an object.
#[derive(Clone, Debug, Default)]
pub struct ClassificationParts<'a> {
    /// `@classificationScheme`
    pub scheme: Option<&'a str>,
    /// `@classificationNode`
    pub node: Option<&'a str>,
    /// `@nodeRepresentation`
    pub code: &'a str,
    /// Names and values of its slots.
    pub slots: &'a [(&'a str, &'a [&'a str])],
    /// The display name with its language.
    pub name: &'a [(&'a str, Option<&'a str>)],
}

/// Takes objects, each from `start` to `end`, its parts in the order of these methods.
pub trait ObjectSink {
    /// Why a part was not taken.
    type Error;

    /// An object begins; a reference has nothing but this.
    ///
    /// # Errors
    /// As each: when the part cannot be taken.
    fn start(&mut self, head: &Head<'_>) -> Result<(), Self::Error>;
    /// A slot.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn slot(&mut self, name: &str, values: &[&str]) -> Result<(), Self::Error>;
    /// The name in each language; no language, no name.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn name(&mut self, all: &[LocalizedString]) -> Result<(), Self::Error>;
    /// The description likewise.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn description(&mut self, all: &[LocalizedString]) -> Result<(), Self::Error>;
    /// `VersionInfo/@versionName`
    ///
    /// # Errors
    /// When it cannot be taken.
    fn version(&mut self, version: &str) -> Result<(), Self::Error>;
    /// A classification.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn classification(&mut self, parts: &ClassificationParts<'_>) -> Result<(), Self::Error>;
    /// An external identifier, with the name that the standard fixes for its scheme.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn identifier(&mut self, scheme: &str, value: &str, name: &str) -> Result<(), Self::Error>;
    /// The object ends.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn end(&mut self) -> Result<(), Self::Error>;
}

/// Writes objects into a message.
pub struct WrittenObjects<'x, W> {
    xml: &'x mut XmlWriter<W>,
    /// The object that is open.
    kind: ObjectKind,
    owner: String,
    /// Its classifications and identifiers so far.
    classifications: usize,
    identifiers: usize,
}

impl<'x, W: Write> WrittenObjects<'x, W> {
    /// Writes to a message that is in a list of objects.
    pub fn new(xml: &'x mut XmlWriter<W>) -> Self {
        let kind = ObjectKind::Other;
        Self { xml, kind, owner: String::new(), classifications: 0, identifiers: 0 }
    }

    /// How much is written.
    pub fn sink(&self) -> &W {
        self.xml.sink()
    }
}

impl<W: Write> ObjectSink for WrittenObjects<'_, W> {
    type Error = EncodeError;

    fn start(&mut self, head: &Head<'_>) -> Result<(), EncodeError> {
        self.kind = head.kind;
        self.owner.clear();
        self.owner.push_str(head.id);
        (self.classifications, self.identifiers) = (0, 0);
        let xml = &mut *self.xml;
        xml.raw(b"<")?;
        xml.raw(element(head.kind).as_bytes())?;
        attribute(xml, " id=\"", Some(head.id))?;
        attribute(xml, " lid=\"", head.lid)?;
        attribute(xml, " home=\"", head.home)?;
        attribute(xml, " mimeType=\"", head.mime_type)?;
        attribute(xml, " objectType=\"", head.object_type)?;
        attribute(xml, " status=\"", head.status)?;
        attribute(xml, " associationType=\"", head.association_type)?;
        attribute(xml, " sourceObject=\"", head.source)?;
        attribute(xml, " targetObject=\"", head.target)?;
        attribute(xml, " classifiedObject=\"", head.classified)?;
        attribute(xml, " classificationNode=\"", head.node)?;
        xml.raw(if head.kind == ObjectKind::ObjectRef { b"/>" } else { b">" })
    }

    fn slot(&mut self, name: &str, values: &[&str]) -> Result<(), EncodeError> {
        write_slot(self.xml, name, values)
    }

    fn name(&mut self, all: &[LocalizedString]) -> Result<(), EncodeError> {
        write_texts(self.xml, "rim:Name", all)
    }

    fn description(&mut self, all: &[LocalizedString]) -> Result<(), EncodeError> {
        write_texts(self.xml, "rim:Description", all)
    }

    fn version(&mut self, version: &str) -> Result<(), EncodeError> {
        self.xml.empty("rim:VersionInfo", &[("versionName", version)])
    }

    fn classification(&mut self, parts: &ClassificationParts<'_>) -> Result<(), EncodeError> {
        let id = nested_id(&self.owner, "c", self.classifications);
        self.classifications += 1;
        let xml = &mut *self.xml;
        let code = Some(parts.code).filter(|code| parts.scheme.is_some() || !code.is_empty());
        xml.raw(b"<rim:Classification")?;
        attribute(xml, " id=\"", Some(&id))?;
        attribute(xml, " classifiedObject=\"", Some(&self.owner))?;
        attribute(xml, " classificationScheme=\"", parts.scheme)?;
        attribute(xml, " nodeRepresentation=\"", code)?;
        attribute(xml, " classificationNode=\"", parts.node)?;
        xml.raw(CLASSIFICATION_TYPE)?;
        parts.slots.iter().try_for_each(|(name, values)| write_slot(xml, name, values))?;
        if !parts.name.is_empty() {
            xml.raw(b"<rim:Name>")?;
            parts.name.iter().try_for_each(|(value, lang)| write_text(xml, value, *lang))?;
            xml.raw(b"</rim:Name>")?;
        }
        xml.raw(b"</rim:Classification>")
    }

    fn identifier(&mut self, scheme: &str, value: &str, name: &str) -> Result<(), EncodeError> {
        let id = nested_id(&self.owner, "x", self.identifiers);
        self.identifiers += 1;
        let xml = &mut *self.xml;
        xml.raw(b"<rim:ExternalIdentifier")?;
        attribute(xml, " id=\"", Some(&id))?;
        attribute(xml, " registryObject=\"", Some(&self.owner))?;
        attribute(xml, " identificationScheme=\"", Some(scheme))?;
        attribute(xml, " value=\"", Some(value))?;
        xml.raw(EXTERNAL_IDENTIFIER_TYPE)?;
        xml.raw(b"<rim:Name>")?;
        write_text(xml, name, None)?;
        xml.raw(b"</rim:Name></rim:ExternalIdentifier>")
    }

    fn end(&mut self) -> Result<(), EncodeError> {
        if self.kind == ObjectKind::ObjectRef {
            return Ok(());
        }
        self.xml.raw(b"</")?;
        self.xml.raw(element(self.kind).as_bytes())?;
        self.xml.raw(b">")
    }
}

/// Keeps objects as they would stand in a message.
#[derive(Debug, Default)]
pub struct KeptObjects(pub Vec<RegistryObject>);

impl KeptObjects {
    fn open(&mut self, put: impl FnOnce(&mut RegistryObject)) -> Result<(), Infallible> {
        self.0.last_mut().map(put);
        Ok(())
    }
}

impl ObjectSink for KeptObjects {
    type Error = Infallible;

    fn start(&mut self, head: &Head<'_>) -> Result<(), Infallible> {
        let owned = |value: Option<&str>| value.map(str::to_owned);
        self.0.push(RegistryObject {
            lid: owned(head.lid),
            home: owned(head.home),
            object_type: owned(head.object_type),
            status: owned(head.status),
            mime_type: owned(head.mime_type),
            association_type: owned(head.association_type),
            source: owned(head.source),
            target: owned(head.target),
            classified: owned(head.classified),
            node: owned(head.node),
            ..RegistryObject::new(head.kind, head.id)
        });
        Ok(())
    }

    fn slot(&mut self, name: &str, values: &[&str]) -> Result<(), Infallible> {
        self.open(|o| o.slots.push(owned_slot(name, values)))
    }

    fn name(&mut self, all: &[LocalizedString]) -> Result<(), Infallible> {
        self.open(|o| o.name = all.to_vec())
    }

    fn description(&mut self, all: &[LocalizedString]) -> Result<(), Infallible> {
        self.open(|o| o.description = all.to_vec())
    }

    fn version(&mut self, version: &str) -> Result<(), Infallible> {
        self.open(|o| o.version = Some(version.to_owned()))
    }

    fn classification(&mut self, parts: &ClassificationParts<'_>) -> Result<(), Infallible> {
        let text = |(value, lang): &(&str, Option<&str>)| LocalizedString {
            value: (*value).to_owned(),
            lang: lang.map(str::to_owned),
        };
        let classification = Classification {
            scheme: parts.scheme.map(str::to_owned),
            node: parts.node.map(str::to_owned),
            code: parts.code.to_owned(),
            slots: parts.slots.iter().map(|(name, values)| owned_slot(name, values)).collect(),
            name: parts.name.iter().map(text).collect(),
        };
        self.open(|o| o.classifications.push(classification))
    }

    fn identifier(&mut self, scheme: &str, value: &str, name: &str) -> Result<(), Infallible> {
        let [scheme, value, name] = [scheme, value, name].map(str::to_owned);
        self.open(|o| o.external_identifiers.push(ExternalIdentifier { scheme, value, name }))
    }

    fn end(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn owned_slot(name: &str, values: &[&str]) -> Slot {
    Slot { name: name.to_owned(), values: values.iter().map(|v| (*v).to_owned()).collect() }
}

/// Writes a `rim:Slot`.
pub(crate) fn write_slot<W: Write>(
    xml: &mut XmlWriter<W>,
    name: &str,
    values: &[&str],
) -> Result<(), EncodeError> {
    xml.raw(b"<rim:Slot")?;
    attribute(xml, " name=\"", Some(name))?;
    xml.raw(b"><rim:ValueList>")?;
    for value in values {
        xml.raw(b"<rim:Value>")?;
        xml.characters(value)?;
        xml.raw(b"</rim:Value>")?;
    }
    xml.raw(b"</rim:ValueList></rim:Slot>")
}

fn write_texts<W: Write>(
    xml: &mut XmlWriter<W>,
    name: &str,
    all: &[LocalizedString],
) -> Result<(), EncodeError> {
    if all.is_empty() {
        return Ok(());
    }
    xml.element(name, &[], |xml| {
        all.iter().try_for_each(|t| write_text(xml, &t.value, t.lang.as_deref()))
    })
}

fn write_text<W: Write>(
    xml: &mut XmlWriter<W>,
    value: &str,
    lang: Option<&str>,
) -> Result<(), EncodeError> {
    xml.raw(b"<rim:LocalizedString")?;
    attribute(xml, " xml:lang=\"", lang)?;
    attribute(xml, " charset=\"UTF-8\" value=\"", Some(value))?;
    xml.raw(b"/>")
}

/// An attribute after what stands before its value.
fn attribute<W: Write>(
    xml: &mut XmlWriter<W>,
    before: &'static str,
    value: Option<&str>,
) -> Result<(), EncodeError> {
    let Some(value) = value else { return Ok(()) };
    xml.raw(before.as_bytes())?;
    xml.attribute_value(value)?;
    xml.raw(b"\"")
}

fn element(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::ExtrinsicObject => "rim:ExtrinsicObject",
        ObjectKind::RegistryPackage => "rim:RegistryPackage",
        ObjectKind::Association => "rim:Association",
        ObjectKind::Classification => "rim:Classification",
        ObjectKind::ObjectRef => "rim:ObjectRef",
        ObjectKind::Other => "rim:RegistryObject",
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

const CLASSIFICATION_TYPE: &[u8] =
    b" objectType=\"urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification\">";
const EXTERNAL_IDENTIFIER_TYPE: &[u8] =
    b" objectType=\"urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier\">";
