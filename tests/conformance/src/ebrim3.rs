//! From ebRIM 2.1, in which most of the test data is written, to 3.0.

use sxd_document::QName;
use sxd_document::dom::{ChildOfElement, Document, Element};

use crate::dom::{all, attr, children, local};
use crate::substitute::fresh_uuid;

/// The `lcm:SubmitObjectsRequest` of a file in either version, made in `document`.
pub fn submit_objects<'d>(document: &Document<'d>, body: &Element<'_>) -> Element<'d> {
    let request =
        document.create_element(QName::with_namespace_uri(Some(LCM), "SubmitObjectsRequest"));
    let list = document.create_element(QName::with_namespace_uri(Some(RIM), "RegistryObjectList"));
    request.append_child(list);
    let holders = all(body)
        .into_iter()
        .filter(|e| matches!(local(e), "LeafRegistryObjectList" | "RegistryObjectList"));
    for holder in holders {
        for object in children(&holder).iter().filter(|o| local(o) != "ObjectRef") {
            list.append_child(convert(document, object));
        }
    }
    for object in children(&list) {
        complete(&object, "");
    }
    request
}

/// The object in the 3.0 namespace, its children in the order of the schema.
fn convert<'d>(document: &Document<'d>, old: &Element<'_>) -> Element<'d> {
    let new = document.create_element(QName::with_namespace_uri(Some(RIM), local(old)));
    for a in old.attributes() {
        match a.name().local_part() {
            "majorVersion" | "minorVersion" => {}
            "lang" => {
                let name = QName::with_namespace_uri(Some(XML), "lang");
                new.set_attribute_value(name, a.value()).set_preferred_prefix(Some("xml"));
            }
            name => {
                new.set_attribute_value(name, a.value());
            }
        }
    }
    for c in old.children() {
        if let ChildOfElement::Text(t) = c {
            new.append_child(document.create_text(t.text()));
        }
    }
    let mut kept = children(old);
    kept.sort_by_key(|c| ORDER.iter().position(|n| *n == local(c)).unwrap_or(ORDER.len()));
    for c in kept {
        new.append_child(convert(document, &c));
    }
    new
}

/// What 3.0 wants and 2.1 leaves out.
fn complete(e: &Element<'_>, parent: &str) {
    let name = local(e);
    if matches!(name, "Association" | "Classification" | "ExternalIdentifier")
        && attr(e, "id").is_empty()
    {
        e.set_attribute_value("id", &fresh_uuid());
    }
    if name == "ExternalIdentifier" && !parent.is_empty() {
        e.set_attribute_value("registryObject", parent);
    }
    if matches!(name, "RegistryPackage" | "Association" | "Classification" | "ExternalIdentifier") {
        let object_type =
            format!("urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:{name}");
        e.set_attribute_value("objectType", &object_type);
    }
    let status = attr(e, "status").to_owned();
    if !status.is_empty() && !status.starts_with("urn:") {
        e.set_attribute_value(
            "status",
            &format!("urn:oasis:names:tc:ebxml-regrep:StatusType:{status}"),
        );
    }
    let kind = attr(e, "associationType").to_owned();
    if !kind.is_empty() && !kind.starts_with("urn:") {
        let space = match kind.as_str() {
            "HasMember" => "urn:oasis:names:tc:ebxml-regrep:AssociationType",
            _ => "urn:ihe:iti:2007:AssociationType",
        };
        e.set_attribute_value("associationType", &format!("{space}:{kind}"));
    }
    let id = attr(e, "id").to_owned();
    for c in children(e) {
        complete(&c, &id);
    }
}

/// ebRS life cycle.
pub const LCM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0";
/// ebRIM.
pub const RIM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const ORDER: [&str; 6] =
    ["Slot", "Name", "Description", "VersionInfo", "Classification", "ExternalIdentifier"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dom::{child, named, parse, root, write};

    #[test]
    fn old_files_are_lifted() {
        let old = parse(
            "<rs:SubmitObjectsRequest xmlns:rs='r' xmlns='o'><LeafRegistryObjectList>\
             <ObjectRef id='x'/><RegistryPackage id='P' status='Approved'>\
             <Classification classificationNode='n'/><Name><LocalizedString lang='en' value='v'/></Name>\
             <Slot name='s'><ValueList><Value>7</Value></ValueList></Slot></RegistryPackage>\
             <Association associationType='RPLC' sourceObject='a' targetObject='b'/>\
             </LeafRegistryObjectList></rs:SubmitObjectsRequest>",
        )
        .unwrap();
        let new = sxd_document::Package::new();

        let request = submit_objects(&new.as_document(), &root(&old.as_document()).unwrap());

        let list = child(&request, "RegistryObjectList").unwrap();
        let objects: Vec<_> = children(&list).iter().map(|e| local(e).to_owned()).collect();
        assert_eq!(objects, ["RegistryPackage", "Association"]);
        let package = child(&list, "RegistryPackage").unwrap();
        let order: Vec<_> = children(&package).iter().map(|e| local(e).to_owned()).collect();
        assert_eq!(order, ["Slot", "Name", "Classification"]);
        let association = &named(&list, "Association")[0];
        assert_eq!(attr(association, "associationType"), "urn:ihe:iti:2007:AssociationType:RPLC");
        let written = write(&request).unwrap();
        assert!(written.contains("xml:lang"), "{written}");
        assert!(written.contains("StatusType:Approved"));
    }
}
