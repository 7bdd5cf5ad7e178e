//! Whether an answer is what a step expects.

use anyhow::{Context, anyhow, bail, ensure};
use base64::Engine as _;
use sxd_document::Package;
use sxd_document::dom::Element;

use crate::dom::{all, attr, child, children, local, named, parse, root, text};
use crate::memory::Memory;
use crate::transact::Answer;

/// What the step says of the outcome.
pub struct Expected {
    /// Names of statuses, any of which will do.
    pub statuses: Vec<String>,
    /// Must be among the error codes.
    pub codes: Vec<String>,
    /// Must be part of a code or context of an error.
    pub messages: Vec<String>,
}

impl Expected {
    /// Reads it off a TestStep.
    pub fn of(step: &Element<'_>) -> Self {
        let texts = |name: &str| -> Vec<String> { named(step, name).iter().map(text).collect() };
        let statuses = texts("ExpectedStatus");
        let statuses: Vec<String> = statuses
            .iter()
            .flat_map(|s| s.split(','))
            .map(|s| s.trim().to_owned())
            .filter(|s| !s.is_empty())
            .collect();
        let statuses = if statuses.is_empty() { vec!["Success".to_owned()] } else { statuses };
        Self {
            statuses,
            codes: texts("ExpectedErrorCode"),
            messages: texts("ExpectedErrorMessage"),
        }
    }
}

/// Judges status, errors and form of an answer.
///
/// # Errors
/// What does not fit.
pub fn outcome(expected: &Expected, answer: &Answer) -> anyhow::Result<()> {
    if answer.fault {
        let fault = parse(&answer.body)?;
        let said = all(&root(&fault.as_document())?).iter().map(text).collect::<Vec<_>>().join(" ");
        ensure!(expected.statuses.iter().any(|s| s == "Fault"), "a SOAP fault: {}", said.trim());
        return Ok(());
    }
    let package = parse(&answer.body)?;
    let top = root(&package.as_document())?;
    let response = match local(&top) {
        "RegistryResponse" | "AdhocQueryResponse" => top,
        "RetrieveDocumentSetResponse" => {
            child(&top, "RegistryResponse").context("no RegistryResponse")?
        }
        other => bail!("the answer is a {other}"),
    };
    form(&top)?;
    let status = attr(&response, "status");
    let (space, name) = status.rsplit_once(':').ok_or_else(|| anyhow!("status {status}"))?;
    let right = match name {
        "PartialSuccess" => "urn:ihe:iti:2007:ResponseStatusType",
        _ => "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType",
    };
    ensure!(space == right, "the status {status} is in the wrong namespace");
    let errors: Vec<Element<'_>> =
        all(&response).into_iter().filter(|e| local(e) == "RegistryError").collect();
    let told = errors
        .iter()
        .map(|e| format!("{}: {}", attr(e, "errorCode"), attr(e, "codeContext")))
        .collect::<Vec<_>>()
        .join("; ");
    ensure!(
        expected.statuses.iter().any(|s| s == name),
        "status {name}, not {}. {told}",
        expected.statuses.join(" or ")
    );
    let real: Vec<&Element<'_>> =
        errors.iter().filter(|e| !attr(e, "severity").ends_with(":Warning")).collect();
    ensure!(name != "Success" || real.is_empty(), "a Success with errors: {told}");
    for code in &expected.codes {
        ensure!(errors.iter().any(|e| attr(e, "errorCode") == code), "no {code} in: {told}");
    }
    for message in &expected.messages {
        let fits = |e: &&Element<'_>| {
            attr(e, "errorCode").contains(message.as_str())
                || attr(e, "codeContext").contains(message.as_str())
        };
        ensure!(real.iter().any(fits), "no {message} in: {told}");
    }
    Ok(())
}

/// What the schemas demand of order and presence.
fn form(top: &Element<'_>) -> anyhow::Result<()> {
    if local(top) == "AdhocQueryResponse" {
        ordered(top, &["ResponseSlotList", "RegistryErrorList", "RegistryObjectList"])?;
        child(top, "RegistryObjectList").context("no RegistryObjectList")?;
    }
    for e in all(top) {
        match local(&e) {
            "RegistryErrorList" => {
                ensure!(!children(&e).is_empty(), "an empty RegistryErrorList");
            }
            "RegistryError" => {
                for name in ["errorCode", "codeContext", "severity"] {
                    ensure!(e.attribute(name).is_some(), "a RegistryError without {name}");
                }
                ensure!(
                    children(&e).is_empty() && text(&e).is_empty(),
                    "a RegistryError with content"
                );
            }
            "ExtrinsicObject" | "RegistryPackage" | "Association" => {
                ordered(&e, &OBJECT)?;
                ensure!(attr(&e, "id").starts_with("urn:uuid:"), "an id that is no UUID");
                ensure!(!attr(&e, "objectType").is_empty(), "an object without objectType");
                ensure!(!attr(&e, "status").is_empty(), "a registered object without status");
            }
            "Classification" => {
                ordered(&e, &OBJECT)?;
                ensure!(!attr(&e, "id").is_empty(), "a Classification without id");
                ensure!(!attr(&e, "classifiedObject").is_empty(), "a Classification of nothing");
            }
            "ExternalIdentifier" => {
                ordered(&e, &OBJECT)?;
                ensure!(!attr(&e, "id").is_empty(), "an ExternalIdentifier without id");
                ensure!(!attr(&e, "registryObject").is_empty(), "an ExternalIdentifier of nothing");
                ensure!(child(&e, "Name").is_some(), "an ExternalIdentifier without Name");
            }
            _ => {}
        }
    }
    Ok(())
}

fn ordered(e: &Element<'_>, order: &[&str]) -> anyhow::Result<()> {
    let mut before = 0;
    for c in children(e) {
        let name = local(&c);
        let place = order.iter().position(|n| *n == name);
        let place = place.ok_or_else(|| anyhow!("{name} in {}", local(e)))?;
        ensure!(place >= before, "{name} is out of order in {}", local(e));
        before = place;
    }
    Ok(())
}

const OBJECT: [&str; 6] =
    ["Slot", "Name", "Description", "VersionInfo", "Classification", "ExternalIdentifier"];

/// Judges what an answer holds.
///
/// # Errors
/// What does not fit.
pub fn contents(
    expected: &Element<'_>,
    answer: &Answer,
    resolve: &dyn Fn(&Element<'_>) -> Option<String>,
) -> anyhow::Result<()> {
    let package = parse(&answer.body)?;
    let found = Found::new(&package)?;
    children(expected).iter().try_for_each(|rule| found.check(rule, resolve))
}

/// The objects of an answer by kind.
struct Found<'d> {
    documents: Vec<Element<'d>>,
    folders: Vec<Element<'d>>,
    sets: Vec<Element<'d>>,
    associations: Vec<Element<'d>>,
    references: usize,
}

impl<'d> Found<'d> {
    fn new(package: &'d Package) -> anyhow::Result<Self> {
        let top = root(&package.as_document())?;
        let of = |name: &str| -> Vec<Element<'d>> {
            all(&top).into_iter().filter(|e| local(e) == name).collect()
        };
        let labelled = |p: &Element<'_>, node: &str| {
            named(p, "Classification").iter().any(|c| attr(c, "classificationNode") == node)
        };
        let packages = of("RegistryPackage");
        Ok(Self {
            documents: of("ExtrinsicObject"),
            folders: packages.iter().copied().filter(|p| labelled(p, FOLDER)).collect(),
            sets: packages.into_iter().filter(|p| labelled(p, SUBMISSION_SET)).collect(),
            associations: of("Association"),
            references: of("ObjectRef").len(),
        })
    }

    fn check(
        &self,
        rule: &Element<'_>,
        resolve: &dyn Fn(&Element<'_>) -> Option<String>,
    ) -> anyhow::Result<()> {
        let name = local(rule);
        let count = || -> anyhow::Result<usize> { Ok(attr(rule, "count").parse()?) };
        let exactly = |n: usize, wanted: usize| {
            ensure!(n == wanted, "{n} {name}, not {wanted}");
            Ok(())
        };
        let whole = self.documents.len() + self.folders.len() + self.sets.len();
        match name {
            "Documents" => exactly(self.documents.len(), count()?),
            "Folders" => exactly(self.folders.len(), count()?),
            "SubmissionSets" => exactly(self.sets.len(), count()?),
            "Associations" => exactly(self.associations.len(), count()?),
            "ObjectRefs" => {
                exactly(whole + self.associations.len(), 0)?;
                exactly(self.references, count()?)
            }
            "None" => exactly(whole + self.associations.len() + self.references, 0),
            "NoSubmissionSet" => exactly(self.sets.len(), 0),
            "NoDocument" => exactly(self.documents.len(), 0),
            "DocApp" => every(&self.documents, "Approved"),
            "DocDep" => every(&self.documents, "Deprecated"),
            "FolApp" => every(&self.folders, "Approved"),
            "FolDep" => every(&self.folders, "Deprecated"),
            "SSApproved" => every(&self.sets, "Approved"),
            "OneDocApp" => exactly(with_status(&self.documents, "Approved"), 1),
            "OneDocDep" => exactly(with_status(&self.documents, "Deprecated"), 1),
            "SSwithOneDoc" => self.set_with(1, 0, 1),
            "SSwithTwoDoc" => self.set_with(2, 0, 2),
            "SSwithOneFol" => self.set_with(0, 1, 1),
            "SSwithOneDocOneFol" => self.set_with(1, 1, 4),
            "SSwithTwoDocOneFol" => self.set_with(2, 1, 7),
            "SSwithTwoDocOneFolOneDocInFol" => self.set_with(2, 1, 5),
            "HasXFRM_RPLC" => self.has("urn:ihe:iti:2007:AssociationType:XFRM_RPLC"),
            "HasSnapshotPattern" => self.has("urn:ihe:iti:2010:AssociationType:IsSnapshotOf"),
            "DocumentEntries" => self.entries(rule, resolve),
            _ => bail!("this runner does not know the expectation {name}"),
        }
    }

    /// One set, approved, with so much in it; its ties begin at it or lie within it.
    fn set_with(&self, documents: usize, folders: usize, ties: usize) -> anyhow::Result<()> {
        ensure!(self.sets.len() == 1, "{} submission sets, not 1", self.sets.len());
        every(&self.sets, "Approved")?;
        ensure!(
            self.documents.len() == documents,
            "{} documents, not {documents}",
            self.documents.len()
        );
        ensure!(self.folders.len() == folders, "{} folders, not {folders}", self.folders.len());
        ensure!(
            self.associations.len() == ties,
            "{} associations, not {ties}",
            self.associations.len()
        );
        let set = attr(&self.sets[0], "id");
        for object in self.documents.iter().chain(&self.folders) {
            let member = self.associations.iter().any(|a| {
                attr(a, "associationType").ends_with(":HasMember")
                    && attr(a, "sourceObject") == set
                    && attr(a, "targetObject") == attr(object, "id")
            });
            ensure!(member, "an object that is no member of the set");
        }
        Ok(())
    }

    fn has(&self, kind: &str) -> anyhow::Result<()> {
        ensure!(self.associations.iter().any(|a| attr(a, "associationType") == kind), "no {kind}");
        Ok(())
    }

    fn entries(
        &self,
        rule: &Element<'_>,
        resolve: &dyn Fn(&Element<'_>) -> Option<String>,
    ) -> anyhow::Result<()> {
        let ids: Vec<String> =
            self.documents.iter().flat_map(|d| [attr(d, "id").to_owned(), unique_id(d)]).collect();
        for kind in named(rule, "DocumentEntryType") {
            let wanted = text(&kind);
            let fits = self.documents.iter().all(|d| attr(d, "objectType") == wanted);
            ensure!(fits, "an entry is not of type {wanted}");
        }
        for part in children(rule) {
            let wanted: Vec<String> = named(&part, "UseId").iter().filter_map(resolve).collect();
            match local(&part) {
                "MustOnlyInclude" => {
                    ensure!(self.documents.len() == wanted.len(), "other entries than asked for");
                    ensure!(wanted.iter().all(|w| ids.contains(w)), "an entry is missing");
                }
                "Include" => ensure!(wanted.iter().all(|w| ids.contains(w)), "an entry is missing"),
                "Exclude" => ensure!(!wanted.iter().any(|w| ids.contains(w)), "an entry too much"),
                _ => {}
            }
        }
        Ok(())
    }
}

fn unique_id(document: &Element<'_>) -> String {
    let identifiers = named(document, "ExternalIdentifier");
    let found = identifiers.iter().find(|i| attr(i, "identificationScheme") == UNIQUE_ID);
    found.map(|i| attr(i, "value").to_owned()).unwrap_or_default()
}

fn with_status(objects: &[Element<'_>], status: &str) -> usize {
    objects.iter().filter(|o| attr(o, "status").ends_with(&format!(":{status}"))).count()
}

fn every(objects: &[Element<'_>], status: &str) -> anyhow::Result<()> {
    let n = with_status(objects, status);
    ensure!(n == objects.len(), "{} of {} are not {status}", objects.len() - n, objects.len());
    Ok(())
}

/// One document of an ITI-43 answer.
pub struct Retrieved {
    /// Which.
    pub unique_id: String,
    /// From where.
    pub repository: String,
    /// The community, when told.
    pub home: String,
    /// Its type.
    pub mime_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// The documents of an ITI-43 answer.
///
/// # Errors
/// When one has no content that can be read.
pub fn retrieved(answer: &Answer) -> anyhow::Result<Vec<Retrieved>> {
    let package = parse(&answer.body)?;
    let top = root(&package.as_document())?;
    named(&top, "DocumentResponse").iter().map(|d| one_retrieved(d, answer)).collect()
}

fn one_retrieved(d: &Element<'_>, answer: &Answer) -> anyhow::Result<Retrieved> {
    let part = |name: &str| child(d, name).map(|e| text(&e)).unwrap_or_default();
    let document = child(d, "Document").context("a DocumentResponse without Document")?;
    let content = match child(&document, "Include") {
        Some(include) => {
            let id = attr(&include, "href").trim_start_matches("cid:").replace("%40", "@");
            let found = answer.attachments.iter().find(|(i, _)| i.replace("%40", "@") == id);
            found.with_context(|| format!("no attachment {id}"))?.1.clone()
        }
        None => {
            let packed: String = text(&document).split_whitespace().collect();
            base64::engine::general_purpose::STANDARD.decode(packed)?
        }
    };
    Ok(Retrieved {
        unique_id: part("DocumentUniqueId"),
        repository: part("RepositoryUniqueId"),
        home: part("HomeCommunityId"),
        mime_type: part("mimeType"),
        content,
    })
}

/// Judges an ITI-43 answer against the request, the bytes sent and the metadata registered.
///
/// # Errors
/// What does not fit.
pub fn retrieve(
    request: &Element<'_>,
    transaction: &Element<'_>,
    documents: &[Retrieved],
    memory: &Memory,
    metadata: Option<&str>,
) -> anyhow::Result<()> {
    let asked: Vec<Element<'_>> =
        all(request).into_iter().filter(|e| local(e) == "DocumentRequest").collect();
    ensure!(asked.len() == documents.len(), "{} documents, not {}", documents.len(), asked.len());
    for a in &asked {
        let part = |name: &str| child(a, name).map(|e| text(&e)).unwrap_or_default();
        let found = documents.iter().find(|d| d.unique_id == part("DocumentUniqueId"));
        let found = found.context("a document asked for is missing")?;
        ensure!(found.repository == part("RepositoryUniqueId"), "the repository differs");
        ensure!(!found.content.is_empty(), "a document without content");
        if let Some(sent) = memory.document(&found.unique_id) {
            ensure!(*sent == found.content, "the bytes are not those that were sent");
        }
        if let Some(kind) = child(transaction, "ExpectedMimeType") {
            ensure!(found.mime_type == text(&kind), "the type is {}", found.mime_type);
        }
        if let Some(metadata) = metadata {
            same_as_registered(found, metadata)?;
        }
    }
    Ok(())
}

fn same_as_registered(found: &Retrieved, metadata: &str) -> anyhow::Result<()> {
    let package = parse(metadata)?;
    let top = root(&package.as_document())?;
    let entries = all(&top).into_iter().filter(|e| local(e) == "ExtrinsicObject");
    let entry = entries.into_iter().find(|e| unique_id(e) == found.unique_id);
    let entry = entry.context("the metadata to compare with are missing")?;
    let slot = |name: &str| {
        let slots = named(&entry, "Slot");
        let slot = slots.iter().find(|s| attr(s, "name") == name).copied();
        slot.and_then(|s| all(&s).into_iter().find(|v| local(v) == "Value"))
            .map(|v| text(&v))
            .unwrap_or_default()
    };
    ensure!(attr(&entry, "mimeType") == found.mime_type, "the type is not the registered one");
    ensure!(slot("size") == found.content.len().to_string(), "the size is not the registered one");
    let hash = sha1(&found.content);
    ensure!(slot("hash").eq_ignore_ascii_case(&hash), "the hash is not the registered one");
    Ok(())
}

/// SHA-1 in hex.
pub fn sha1(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

const UNIQUE_ID: &str = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab";
const SUBMISSION_SET: &str = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd";
const FOLDER: &str = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2";

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer { body: body.into(), fault: false, attachments: Vec::new(), raw: String::new() }
    }

    fn expected(statuses: &[&str], codes: &[&str]) -> Expected {
        let own = |v: &[&str]| v.iter().map(|s| (*s).to_owned()).collect();
        Expected { statuses: own(statuses), codes: own(codes), messages: Vec::new() }
    }

    const FAILURE: &str = "<RegistryResponse \
        status='urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure'><RegistryErrorList>\
        <RegistryError errorCode='XDSUnknownPatientId' codeContext='x' severity='e:Error'/>\
        </RegistryErrorList></RegistryResponse>";

    #[test]
    fn statuses_and_codes_are_compared() {
        assert!(
            outcome(&expected(&["Failure"], &["XDSUnknownPatientId"]), &answer(FAILURE)).is_ok()
        );
        assert!(outcome(&expected(&["Failure"], &["Other"]), &answer(FAILURE)).is_err());
        assert!(outcome(&expected(&["Success"], &[]), &answer(FAILURE)).is_err());
    }

    #[test]
    fn the_order_of_elements_is_checked() {
        let body = "<AdhocQueryResponse \
            status='urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success'>\
            <RegistryObjectList><Association id='urn:uuid:1' objectType='o' status='s'>\
            <Classification id='c' classifiedObject='x'/><Slot name='s'/></Association>\
            </RegistryObjectList></AdhocQueryResponse>";

        let error = outcome(&expected(&["Success"], &[]), &answer(body)).unwrap_err();

        assert!(error.to_string().contains("out of order"), "{error}");
    }
}
