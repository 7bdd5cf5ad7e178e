//! A little over the document model: what testplans need to find and change.

use anyhow::{Context, anyhow};
use sxd_document::Package;
use sxd_document::dom::{ChildOfElement, ChildOfRoot, Document, Element};
use sxd_xpath::{Context as XPathContext, Factory, Value};

/// Parses a document; a byte order mark and what stands before the first `<` are forgiven.
pub fn parse(text: &str) -> anyhow::Result<Package> {
    let start = text.find('<').ok_or_else(|| anyhow!("not XML"))?;
    sxd_document::parser::parse(&text[start..]).map_err(|e| anyhow!("not XML: {e}"))
}

/// The root element.
pub fn root<'d>(document: &Document<'d>) -> anyhow::Result<Element<'d>> {
    let children = document.root().children();
    let elements = children.into_iter().filter_map(|c| match c {
        ChildOfRoot::Element(e) => Some(e),
        ChildOfRoot::Comment(_) | ChildOfRoot::ProcessingInstruction(_) => None,
    });
    elements.last().context("there is no root element")
}

/// Child elements in order.
pub fn children<'d>(element: &Element<'d>) -> Vec<Element<'d>> {
    let all = element.children().into_iter();
    all.filter_map(|c| if let ChildOfElement::Element(e) = c { Some(e) } else { None }).collect()
}

/// Child elements of a local name.
pub fn named<'d>(element: &Element<'d>, name: &str) -> Vec<Element<'d>> {
    children(element).into_iter().filter(|c| local(c) == name).collect()
}

/// The first child element of a local name.
pub fn child<'d>(element: &Element<'d>, name: &str) -> Option<Element<'d>> {
    named(element, name).into_iter().next()
}

/// The element and everything below it.
pub fn all<'d>(element: &Element<'d>) -> Vec<Element<'d>> {
    let mut found = vec![*element];
    let mut next = 0;
    while let Some(e) = found.get(next).copied() {
        found.extend(children(&e));
        next += 1;
    }
    found
}

/// The name without its namespace.
pub fn local<'d>(element: &Element<'d>) -> &'d str {
    element.name().local_part()
}

/// An attribute without namespace, or empty.
pub fn attr<'d>(element: &Element<'d>, name: &str) -> &'d str {
    element.attribute_value(name).unwrap_or("")
}

/// The text of an element, trimmed.
pub fn text(element: &Element<'_>) -> String {
    let pieces = element.children().into_iter().filter_map(|c| match c {
        ChildOfElement::Text(t) => Some(t.text().to_owned()),
        ChildOfElement::Element(_)
        | ChildOfElement::Comment(_)
        | ChildOfElement::ProcessingInstruction(_) => None,
    });
    pieces.collect::<String>().trim().to_owned()
}

/// Replaces a text in all attributes and texts of a subtree.
pub fn replace(element: &Element<'_>, what: &str, with: &str) {
    if what.is_empty() || what == with {
        return;
    }
    for e in all(element) {
        for a in e.attributes() {
            if a.value().contains(what) {
                e.set_attribute_value(a.name(), &a.value().replace(what, with));
            }
        }
        for c in e.children() {
            if let ChildOfElement::Text(t) = c
                && t.text().contains(what)
            {
                t.set_text(&t.text().replace(what, with));
            }
        }
    }
}

/// Writes an element as a document of its own.
pub fn write(element: &Element<'_>) -> anyhow::Result<String> {
    let package = Package::new();
    let document = package.as_document();
    let copy = copy(element, &document);
    document.root().append_child(copy);
    let mut bytes = Vec::new();
    sxd_document::writer::format_document(&document, &mut bytes)?;
    let text = String::from_utf8(bytes)?;
    // Without the declaration, so that it can stand inside another document.
    Ok(match text.split_once("?>") {
        Some((head, rest)) if head.starts_with("<?xml") => rest.to_owned(),
        _ => text,
    })
}

/// A copy of an element for another document.
pub fn copy<'d>(element: &Element<'_>, document: &Document<'d>) -> Element<'d> {
    let made = document.create_element(element.name());
    for a in element.attributes() {
        let attribute = made.set_attribute_value(a.name(), a.value());
        // No other prefix may stand for the namespace of `xml:lang`.
        attribute.set_preferred_prefix(a.preferred_prefix());
    }
    for c in element.children() {
        match c {
            ChildOfElement::Element(e) => made.append_child(copy(&e, document)),
            ChildOfElement::Text(t) => made.append_child(document.create_text(t.text())),
            ChildOfElement::Comment(_) | ChildOfElement::ProcessingInstruction(_) => {}
        }
    }
    made
}

/// Evaluates an XPath 1.0 expression over a document.
pub fn xpath(document: &Document<'_>, expression: &str) -> anyhow::Result<XPathValue> {
    let expression = ignoring_case(expression.trim());
    let compiled = Factory::new()
        .build(&expression)
        .map_err(|e| anyhow!("XPath {expression}: {e}"))?
        .context("an empty XPath")?;
    let value = compiled
        .evaluate(&XPathContext::new(), document.root())
        .map_err(|e| anyhow!("XPath {expression}: {e}"))?;
    let (text, boolean) =
        (value.string(), matches!(value, Value::Boolean(true)) || value.boolean());
    Ok(XPathValue { text: text.trim().to_owned(), boolean })
}

/// What an expression came to.
pub struct XPathValue {
    /// As a string.
    pub text: String,
    /// As a boolean.
    pub boolean: bool,
}

/// The toolkit's own operator: both sides in lower case.
fn ignoring_case(expression: &str) -> String {
    let Some((left, right)) = expression.split_once(" equalsIgnoreCase ") else {
        return expression.to_owned();
    };
    let lower = |side: &str| {
        let (upper, lower) = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz");
        format!("translate(string({}), '{upper}', '{lower}')", side.trim())
    };
    format!("{} = {}", lower(left), lower(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_reach_attributes_and_texts() {
        let package = parse("<a b='x$p$'><c>$p$</c></a>").unwrap();
        let element = root(&package.as_document()).unwrap();

        replace(&element, "$p$", "1&2");

        assert_eq!(
            write(&element).unwrap().replace('"', "'"),
            "<a b='x1&amp;2'><c>1&amp;2</c></a>"
        );
    }

    #[test]
    fn expressions_are_evaluated() {
        let package = parse("<a><b id='X'/><b id='Y'/></a>").unwrap();
        let document = package.as_document();

        assert_eq!(xpath(&document, "//*[local-name()='b'][2]/@id").unwrap().text, "Y");
        assert!(xpath(&document, "count(//b) = 2").unwrap().boolean);
        assert!(xpath(&document, "'aB' equalsIgnoreCase 'Ab'").unwrap().boolean);
        assert!(xpath(&document, "//[").is_err());
    }
}
