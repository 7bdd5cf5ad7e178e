//! Whether what we write has the elements, the order and the attributes of the schemas. It knows
//! none of our types: what it checks is the text that others get.

use carerecord_xml::{ElementRef, Limits, Tree};

/// Checks an answer, headers included; how many registry objects were in it.
pub fn check(name: &str, envelope: &str) -> usize {
    let tree = Tree::read(envelope, Limits::document()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let root = tree.root();
    assert!(root.is(SOAP, "Envelope"), "{name}: {}", root.local());
    in_order(name, root, &["Header", "Body"]);
    headers(name, root.child("Header").unwrap_or_else(|| panic!("{name}: no header")));
    let bodies = root.child("Body").unwrap().children().count();
    assert_eq!(bodies, 1, "{name}: the body has one element");
    let mut objects = 0;
    for element in root.descendants() {
        objects += usize::from(object(name, element));
        response(name, element);
    }
    objects
}

/// WS-Addressing: an action, a fresh id, and which message it answers; each once.
fn headers(name: &str, header: ElementRef<'_>) {
    let count = |local: &str| header.children().filter(|c| c.is(WSA, local)).count();
    assert_eq!((count("Action"), count("MessageID")), (1, 1), "{name}");
    assert!(count("RelatesTo") <= 1, "{name}");
    let id = header.children().find(|c| c.is(WSA, "MessageID")).unwrap().text();
    assert!(id.starts_with("urn:uuid:") && id.len() == 45, "{name}: {id}");
}

/// ebRIM 3.0: every RegistryObject has these children in this order, then those of its kind.
fn object(name: &str, element: ElementRef<'_>) -> bool {
    if element.ns() != RIM {
        return false;
    }
    let required: &[&str] = match element.local() {
        "ExtrinsicObject" => &["id", "objectType", "mimeType"],
        "RegistryPackage" => &["id"],
        "Association" => &["id", "associationType", "sourceObject", "targetObject"],
        "Classification" => &["id", "classifiedObject"],
        "ExternalIdentifier" => &["id", "registryObject", "identificationScheme", "value"],
        "ObjectRef" => &["id"],
        "Slot" => {
            attributes(name, element, &["name"]);
            in_order(name, element, &["ValueList"]);
            return false;
        }
        "LocalizedString" => {
            attributes(name, element, &["value"]);
            return false;
        }
        _ => return false,
    };
    attributes(name, element, required);
    let children = [
        "Slot",
        "Name",
        "Description",
        "VersionInfo",
        "Classification",
        "ExternalIdentifier",
        "ContentVersionInfo",
    ];
    in_order(name, element, &children);
    if element.local() == "Classification" {
        let scheme = element.attr("classificationScheme").is_some();
        let node = element.attr("classificationNode").is_some();
        assert!(scheme != node, "{name}: a classification has either a scheme or a node");
        assert!(!scheme || element.attr("nodeRepresentation").is_some(), "{name}");
    }
    matches!(element.local(), "ExtrinsicObject" | "RegistryPackage" | "Association" | "ObjectRef")
}

/// ebRS and XDS.b answers.
fn response(name: &str, element: ElementRef<'_>) {
    match element.local() {
        "RegistryResponse" | "AdhocQueryResponse" => {
            attributes(name, element, &["status"]);
            let status = element.attr("status").unwrap();
            assert!(status.starts_with("urn:"), "{name}: {status}");
            let rs = element.children().filter(|c| c.ns() != RIM);
            let order: Vec<&str> = rs.map(ElementRef::local).collect();
            assert!(order.iter().all(|c| *c == "RegistryErrorList"), "{name}: {order:?}");
            let last = element.children().last().map(ElementRef::local);
            if element.local() == "AdhocQueryResponse" {
                assert_eq!(last, Some("RegistryObjectList"), "{name}");
            }
        }
        "RegistryError" => attributes(name, element, &["errorCode", "codeContext", "severity"]),
        "RetrieveDocumentSetResponse" => {
            let first = element.children().next().map(ElementRef::local);
            assert_eq!(first, Some("RegistryResponse"), "{name}");
        }
        "DocumentResponse" => in_order(
            name,
            element,
            &[
                "HomeCommunityId",
                "RepositoryUniqueId",
                "DocumentUniqueId",
                "NewRepositoryUniqueId",
                "NewDocumentUniqueId",
                "mimeType",
                "Document",
            ],
        ),
        "Fault" if element.is(SOAP, "Fault") => {
            in_order(name, element, &["Code", "Reason", "Node", "Role", "Detail"]);
        }
        _ => {}
    }
}

fn attributes(name: &str, element: ElementRef<'_>, required: &[&str]) {
    for attribute in required {
        let value = element.attr(attribute).unwrap_or_default();
        assert!(!value.is_empty(), "{name}: {} has no {attribute}", element.local());
    }
}

/// The children are of these names only, and in this order.
fn in_order(name: &str, element: ElementRef<'_>, order: &[&str]) {
    let mut at = 0;
    for child in element.children() {
        let place = order.iter().position(|n| *n == child.local());
        let place = place
            .unwrap_or_else(|| panic!("{name}: {} has a child {}", element.local(), child.local()));
        assert!(place >= at, "{name}: {} comes too late in {}", child.local(), element.local());
        at = place;
    }
}

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const WSA: &str = "http://www.w3.org/2005/08/addressing";
const RIM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0";

#[test]
fn a_wrong_shape_is_found() {
    let envelope = |body: &str| {
        format!(
            "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"{WSA}\" xmlns=\"{RIM}\"><s:Header>\
             <a:Action>x</a:Action><a:MessageID>urn:uuid:0a2d3c60-0000-4000-8000-000000000001\
             </a:MessageID></s:Header><s:Body><RegistryObjectList>{body}</RegistryObjectList>\
             </s:Body></s:Envelope>"
        )
    };
    let slot = "<Slot name=\"n\"><ValueList><Value>v</Value></ValueList></Slot>";
    let package =
        |inside: &str| envelope(&format!("<RegistryPackage id=\"S\">{inside}</RegistryPackage>"));
    let fits = |text: String| std::panic::catch_unwind(|| check("a test's own", &text)).is_ok();

    assert!(fits(package(&format!("{slot}<Name/><VersionInfo/>"))));
    for wrong in [
        package(&format!("<Name/>{slot}")),
        package("<VersionInfo/><Description/>"),
        package("<Unheard/>"),
        package("<Classification classifiedObject=\"S\" classificationNode=\"n\"/>"),
        package("<Classification id=\"c\" classifiedObject=\"S\" classificationScheme=\"s\"/>"),
        package("<ExternalIdentifier id=\"e\" identificationScheme=\"s\" value=\"v\"/>"),
        envelope("<ExtrinsicObject id=\"D\" objectType=\"t\"/>"),
        package(slot).replace("a:MessageID", "a:To"),
    ] {
        assert!(!fits(wrong.clone()), "{wrong}");
    }
}
