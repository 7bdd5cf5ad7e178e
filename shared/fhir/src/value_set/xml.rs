//! The parts of a ValueSet that codes are read from, out of FHIR XML.

use carerecord_xml::{Limits, Start, XmlError, XmlReader, to_utf8};

use super::resource::{Compose, Concept, Contains, Expansion, Include, Resource};

/// Reads a resource; of another type than ValueSet, only the type.
pub(super) fn resource(bytes: &[u8]) -> Result<Resource, XmlError> {
    let text = to_utf8(bytes)?;
    let mut xml = XmlReader::new(&text, Limits::metadata())?;
    let root = xml.root()?;
    if root.ns() != FHIR {
        return Err(xml.unexpected(&root));
    }
    let mut resource = Resource { resource_type: root.local().to_owned(), ..Resource::default() };
    if resource.resource_type != "ValueSet" {
        return Ok(resource);
    }
    while let Some(child) = xml.next_child()? {
        match name(&child) {
            "id" => resource.id = value(&child, &mut xml)?,
            "url" => resource.url = value(&child, &mut xml)?,
            "compose" => resource.compose = Some(compose(&mut xml)?),
            "expansion" => resource.expansion = Some(expansion(&mut xml)?),
            _ => xml.skip()?,
        }
    }
    xml.finish()?;
    Ok(resource)
}

fn compose(xml: &mut XmlReader<'_>) -> Result<Compose, XmlError> {
    let mut compose = Compose::default();
    while let Some(child) = xml.next_child()? {
        match name(&child) {
            "include" => compose.include.push(include(xml)?),
            "exclude" => compose.exclude.push(include(xml)?),
            _ => xml.skip()?,
        }
    }
    Ok(compose)
}

fn include(xml: &mut XmlReader<'_>) -> Result<Include, XmlError> {
    let mut include = Include::default();
    while let Some(child) = xml.next_child()? {
        match name(&child) {
            "system" => include.system = value(&child, xml)?,
            "concept" => include.concept.push(concept(xml)?),
            "filter" => {
                include.filter.push(serde::de::IgnoredAny);
                xml.skip()?;
            }
            "valueSet" => include.value_set.extend(value(&child, xml)?),
            _ => xml.skip()?,
        }
    }
    Ok(include)
}

fn concept(xml: &mut XmlReader<'_>) -> Result<Concept, XmlError> {
    let (mut code, mut display) = (None, None);
    while let Some(child) = xml.next_child()? {
        match name(&child) {
            "code" => code = value(&child, xml)?,
            "display" => display = value(&child, xml)?,
            _ => xml.skip()?,
        }
    }
    let code = code.ok_or_else(|| xml.invalid("a concept has no code"))?;
    Ok(Concept { code, display })
}

fn expansion(xml: &mut XmlReader<'_>) -> Result<Expansion, XmlError> {
    let mut expansion = Expansion::default();
    while let Some(child) = xml.next_child()? {
        match name(&child) {
            "total" => {
                let total = value(&child, xml)?.and_then(|n| n.trim().parse().ok());
                expansion.total =
                    Some(total.ok_or_else(|| xml.invalid("the total is no whole number"))?);
            }
            "contains" => expansion.contains.push(contains(xml)?),
            _ => xml.skip()?,
        }
    }
    Ok(expansion)
}

/// The depth of elements is limited by the reader, so the recursion is too.
fn contains(xml: &mut XmlReader<'_>) -> Result<Contains, XmlError> {
    let mut item = Contains::default();
    while let Some(child) = xml.next_child()? {
        match name(&child) {
            "system" => item.system = value(&child, xml)?,
            "code" => item.code = value(&child, xml)?,
            "display" => item.display = value(&child, xml)?,
            "abstract" => item.is_abstract = value(&child, xml)?.as_deref() == Some("true"),
            "contains" => item.contains.push(contains(xml)?),
            _ => xml.skip()?,
        }
    }
    Ok(item)
}

/// The local name of an element of FHIR; of others, nothing.
fn name(child: &Start) -> &str {
    if child.ns() == FHIR { child.local() } else { "" }
}

/// The value of a primitive; nothing when it has only extensions.
fn value(child: &Start, xml: &mut XmlReader<'_>) -> Result<Option<String>, XmlError> {
    let value = child.attr("value").map(str::to_owned);
    xml.skip()?;
    Ok(value)
}

const FHIR: &str = "http://hl7.org/fhir";
