//! ITI-18 and ITI-51: the query request with its parameters, and the answer. ITI TF-2: 3.18.4, 3.51.

mod parameters;
mod read;
mod write;

use std::borrow::Borrow;

use carerecord_model::{
    Association, DocumentEntry, ErrorCode, Folder, FoundObjects, QueryId, RegistryErrors,
    ResponseStatus, ReturnType, Slot, StoredQuery, SubmissionSet, TransactionError,
};
use carerecord_xml::{Decode, Encode, EncodeError, Start, XmlError, XmlReader, XmlWriter};

use crate::ebrim::{
    self, Head, KeptObjects, ObjectKind, ObjectSink, RegistryObject, WrittenObjects, read_slot,
};
use crate::name::{QUERY, RIM, RS, query, rim, rs};
use crate::registry_response::{read_errors, read_status, write_errors};
use crate::submit_objects::read_object_list;

/// The request of ITI-18.
#[derive(Clone, Debug, PartialEq)]
pub struct AdhocQueryRequest {
    /// Whole objects or references.
    pub return_type: Option<String>,
    /// Which query.
    pub id: QueryId,
    /// `@home` of the query.
    pub home: Option<String>,
    /// The parameters, as they stand.
    pub slots: Vec<Slot>,
}

/// The answer of ITI-18.
#[derive(Clone, Debug, PartialEq)]
pub struct AdhocQueryResponse {
    /// What became of the query.
    pub status: ResponseStatus,
    /// Errors and warnings.
    pub errors: RegistryErrors,
    /// Objects or references.
    pub objects: Vec<RegistryObject>,
}

impl AdhocQueryRequest {
    /// What is to be returned; the spelling of the schema's default is taken as whole objects.
    ///
    /// # Errors
    /// `XDSRegistryError` for a type that XDS does not have.
    pub fn return_type(&self) -> Result<ReturnType, TransactionError> {
        match self.return_type.as_deref() {
            None | Some("LeafClass") => Ok(ReturnType::LeafClass),
            Some("ObjectRef") => Ok(ReturnType::ObjectRef),
            Some(_) => Err(TransactionError::one(
                ErrorCode::XDSRegistryError,
                "returnType must be LeafClass or ObjectRef",
            )),
        }
    }

    /// The typed query.
    ///
    /// # Errors
    /// `XDSUnknownStoredQuery`, `XDSStoredQueryMissingParam`, `XDSStoredQueryParamNumber`, or
    /// `XDSRegistryError` naming the parameter that is malformed.
    pub fn stored_query(&self) -> Result<StoredQuery, TransactionError> {
        read::stored_query(self)
    }

    /// The request for a typed query, for whole objects.
    pub fn new(query: &StoredQuery) -> Self {
        let (id, home, slots) = write::stored_query(query);
        Self { return_type: Some("LeafClass".into()), id: QueryId(id.into()), home, slots }
    }
}

impl Decode for AdhocQueryRequest {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(query("AdhocQueryRequest")) {
            return Err(xml.unexpected(start));
        }
        let mut return_type = None;
        let mut adhoc = None;
        while let Some(child) = xml.next_child()? {
            if child.is(query("ResponseOption")) {
                return_type = child.attr("returnType").map(str::to_owned);
                xml.skip()?;
            } else if child.is(rim("AdhocQuery")) {
                let id = QueryId(child.required("id")?.trim().to_ascii_lowercase());
                let home = child.attr("home").map(str::to_owned);
                let mut slots = Vec::new();
                while let Some(part) = xml.next_child()? {
                    if part.is(rim("Slot")) {
                        slots.push(read_slot(&part, xml)?);
                    } else {
                        return Err(xml.unexpected(&part));
                    }
                }
                adhoc = Some((id, home, slots));
            } else {
                xml.skip()?;
            }
        }
        let (id, home, slots) = adhoc.ok_or_else(|| xml.invalid("the AdhocQuery is missing"))?;
        Ok(Self { return_type, id, home, slots })
    }
}

impl Encode for AdhocQueryRequest {
    fn encode<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        let namespaces = [("xmlns:query", QUERY), ("xmlns:rim", RIM)];
        xml.element("query:AdhocQueryRequest", &namespaces, |xml| {
            let return_type = self.return_type.as_deref().unwrap_or("LeafClass");
            xml.empty(
                "query:ResponseOption",
                &[("returnComposedObjects", "true"), ("returnType", return_type)],
            )?;
            let mut attributes = vec![("id", self.id.0.as_str())];
            attributes.extend(self.home.as_deref().map(|h| ("home", h)));
            xml.element("rim:AdhocQuery", &attributes, |xml| {
                self.slots.iter().try_for_each(|s| {
                    let values: Vec<&str> = s.values.iter().map(String::as_str).collect();
                    ebrim::write_slot(xml, &s.name, &values)
                })
            })
        })
    }
}

impl AdhocQueryResponse {
    /// The answer with what was found.
    pub fn found(return_type: ReturnType, found: &FoundObjects) -> Self {
        let mut objects = KeptObjects::default();
        for object in all(found) {
            let Ok(()) = object.tell(return_type, &mut objects);
        }
        let objects = objects.0;
        Self { status: ResponseStatus::Success, errors: Vec::new(), objects }
    }

    /// The answer around what was found, to be filled in by `found_objects`.
    pub fn around() -> Self {
        Self { status: ResponseStatus::Success, errors: Vec::new(), objects: Vec::new() }
    }

    /// The answer to a query that failed.
    pub fn failure(error: TransactionError) -> Self {
        Self { status: ResponseStatus::Failure, errors: error.0, objects: Vec::new() }
    }

    /// The objects of a success.
    ///
    /// # Errors
    /// The errors of anything else.
    pub fn into_found(self) -> Result<FoundObjects, TransactionError> {
        if self.status != ResponseStatus::Success {
            return Err(TransactionError(self.errors));
        }
        ebrim::found_objects(self.objects)
    }
}

/// One of the objects that were found.
enum Found<'a> {
    Entry(&'a DocumentEntry),
    Set(&'a SubmissionSet),
    Folder(&'a Folder),
    Association(&'a Association),
}

impl Found<'_> {
    fn tell<S: ObjectSink>(&self, as_what: ReturnType, sink: &mut S) -> Result<(), S::Error> {
        let id = match (as_what, self) {
            (ReturnType::LeafClass, Self::Entry(e)) => return ebrim::document_entry(e, sink),
            (ReturnType::LeafClass, Self::Set(s)) => return ebrim::submission_set(s, sink),
            (ReturnType::LeafClass, Self::Folder(f)) => return ebrim::folder(f, sink),
            (ReturnType::LeafClass, Self::Association(a)) => return ebrim::association(a, sink),
            (ReturnType::ObjectRef, Self::Entry(e)) => &e.entry_uuid,
            (ReturnType::ObjectRef, Self::Set(s)) => &s.entry_uuid,
            (ReturnType::ObjectRef, Self::Folder(f)) => &f.entry_uuid,
            (ReturnType::ObjectRef, Self::Association(a)) => &a.entry_uuid,
        };
        sink.start(&Head::new(ObjectKind::ObjectRef, &id.to_string()))?;
        sink.end()
    }
}

fn all(found: &FoundObjects) -> impl Iterator<Item = Found<'_>> {
    let entries = found.document_entries.iter().map(|entry| Found::Entry(entry));
    let sets = found.submission_sets.iter().map(Found::Set);
    let folders = found.folders.iter().map(Found::Folder);
    let associations = found.associations.iter().map(Found::Association);
    entries.chain(sets).chain(folders).chain(associations)
}

/// What was found, written object by object into pieces of about `PIECE` bytes, so that a long
/// answer is never held whole.
pub fn found_objects(
    return_type: ReturnType,
    found: impl Borrow<FoundObjects> + Send,
) -> impl Iterator<Item = Result<Vec<u8>, EncodeError>> + Send {
    let mut written = 0;
    std::iter::from_fn(move || {
        let mut objects = all(found.borrow()).skip(written);
        let mut xml = XmlWriter::new(Vec::with_capacity(PIECE + PIECE / 4));
        let mut sink = WrittenObjects::new(&mut xml);
        while sink.sink().len() < PIECE {
            let Some(object) = objects.next() else { break };
            written += 1;
            if let Err(error) = object.tell(return_type, &mut sink) {
                return Some(Err(error));
            }
        }
        let piece = xml.into_inner();
        (!piece.is_empty()).then_some(Ok(piece))
    })
}

/// What closes the list that `found_objects` fills.
pub const LIST_END: &str = "</rim:RegistryObjectList>";

const PIECE: usize = 64 << 10;

impl Decode for AdhocQueryResponse {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(query("AdhocQueryResponse")) {
            return Err(xml.unexpected(start));
        }
        let status = read_status(start, xml)?;
        let (mut errors, mut objects) = (Vec::new(), Vec::new());
        while let Some(child) = xml.next_child()? {
            if child.is(rs("RegistryErrorList")) {
                errors = read_errors(xml)?;
            } else if child.is(rim("RegistryObjectList")) {
                objects = read_object_list(xml)?;
            } else {
                xml.skip()?;
            }
        }
        Ok(Self { status, errors, objects })
    }
}

impl Encode for AdhocQueryResponse {
    fn encode<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        let attributes = [
            ("xmlns:query", QUERY),
            ("xmlns:rs", RS),
            ("xmlns:rim", RIM),
            ("status", self.status.urn()),
        ];
        xml.element("query:AdhocQueryResponse", &attributes, |xml| {
            write_errors(&self.errors, xml)?;
            // The schema wants the list also when it is empty.
            xml.element("rim:RegistryObjectList", &[], |xml| {
                self.objects.iter().try_for_each(|o| o.write(xml))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use carerecord_model::{
        AssociationType, AvailabilityStatus, CodeFilter, ContentFilter, EntryRef, FindDocuments,
        FindDocumentsForMultiplePatients, FindFolders, FindSubmissionSets, FolderFilter, Get,
        GetAll, GetDocuments, MetadataLevel, Scope,
    };

    use super::parameters::tokenize;
    use super::write::{list, slot};
    use super::*;

    #[test]
    fn values_are_taken_apart() {
        let t = |s: &str| tokenize(s);

        assert_eq!(t("'O''Neil'"), Some(vec!["O'Neil".into()]));
        assert_eq!(t("( 'a' , 'b,(c)' )"), Some(vec!["a".into(), "b,(c)".into()]));
        assert_eq!(t("20040101"), Some(vec!["20040101".into()]));
        assert_eq!(t("('a'"), None);
        assert_eq!(t("('a' 'b')"), None);
        assert_eq!(t("'a"), None);
        assert_eq!(t(""), None);
    }

    #[test]
    fn queries_survive_the_wire() {
        let id = "9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO";
        let mut find = FindDocuments::approved(id.parse().unwrap());
        find.filter.author_person = vec!["%O'Neil%".into()];
        find.filter.event_codes = CodeFilter(vec![
            vec![("A".into(), "s".into()), ("B".into(), "s".into())],
            vec![("C".into(), "s".into())],
        ]);
        find.filter.creation_time.from = Some("2024".parse().unwrap());
        let uuid = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000001".parse().unwrap();
        let queries = [
            StoredQuery::FindDocuments(Box::new(find)),
            StoredQuery::GetAll(Box::new(GetAll::of(id.parse().unwrap()))),
            StoredQuery::GetDocuments(GetDocuments::of(EntryRef::Uuids(vec![uuid]))),
            StoredQuery::FindFolders(Box::new(FindFolders {
                patient_id: id.parse().unwrap(),
                filter: FolderFilter {
                    status: vec![AvailabilityStatus::Deprecated],
                    codes: CodeFilter(vec![vec![("A".into(), "s".into())]]),
                    level: MetadataLevel::Two,
                    ..FolderFilter::default()
                },
            })),
            StoredQuery::FindSubmissionSets(Box::new(FindSubmissionSets {
                patient_id: id.parse().unwrap(),
                status: vec![AvailabilityStatus::Approved],
                source_ids: vec!["1.2.3".into()],
                submission_time: Default::default(),
                author_person: vec!["%x%".into()],
                content_type_code: CodeFilter::default(),
            })),
            StoredQuery::GetRelatedDocuments(Box::new(Get {
                objects: EntryRef::UniqueIds(vec!["1.2.3^a".parse().unwrap()]),
                content: ContentFilter::default(),
                association_types: vec![AssociationType::Replace, AssociationType::Append],
                scope: Scope {
                    level: MetadataLevel::Two,
                    association_status: vec![AvailabilityStatus::Approved],
                },
                home_community_id: Some("urn:oid:1.2".parse().unwrap()),
            })),
            StoredQuery::FindDocumentsForMultiplePatients(Box::new(
                FindDocumentsForMultiplePatients {
                    patient_ids: vec![id.parse().unwrap()],
                    filter: FindDocuments::approved(id.parse().unwrap()).filter,
                },
            )),
        ];
        for query in queries {
            let bytes = carerecord_xml::encode(&AdhocQueryRequest::new(&query)).unwrap();
            let back: AdhocQueryRequest = carerecord_xml::decode(&bytes).unwrap();

            assert_eq!(back.stored_query().unwrap(), query);
        }
    }

    #[test]
    fn what_is_wrong_has_its_own_code() {
        let request = |id: &str, slots: &[(&str, &str)]| AdhocQueryRequest {
            return_type: None,
            id: QueryId(id.into()),
            home: None,
            slots: slots.iter().map(|(n, v)| slot(n, (*v).to_owned())).collect(),
        };
        let pid = ("$XDSDocumentEntryPatientId", "'1^^^&1.2&ISO'");
        let status =
            ("$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')");
        let code = |r: AdhocQueryRequest| r.stored_query().unwrap_err().0[0].code.clone();
        let find = QueryId::FIND_DOCUMENTS;

        assert_eq!(code(request("urn:uuid:x", &[])), ErrorCode::XDSUnknownStoredQuery);
        assert_eq!(code(request(find, &[pid])), ErrorCode::XDSStoredQueryMissingParam);
        let two = ("$XDSDocumentEntryPatientId", "('1^^^&1.2&ISO','2^^^&1.2&ISO')");
        assert_eq!(code(request(find, &[two, status])), ErrorCode::XDSStoredQueryParamNumber);
        let schemeless = ("$XDSDocumentEntryClassCode", "('REPORTS')");
        assert_eq!(code(request(find, &[pid, status, schemeless])), ErrorCode::XDSRegistryError);
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "\\PC{0,40}") {
            let _ = tokenize(&value);
        }

        #[test]
        fn lists_are_read_back(texts in proptest::collection::vec("[^\\s\\pC]([^\\pC]{0,8}[^\\s\\pC])?", 1..5)) {
            prop_assert_eq!(tokenize(&list(&texts)), Some(texts));
        }
    }
}
