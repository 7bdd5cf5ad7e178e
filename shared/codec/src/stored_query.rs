//! ITI-18: the query request with its parameters, and the answer. ITI TF-2: 3.18.4.

use std::str::FromStr;

use carerecord_model::{
    AvailabilityStatus, CodeFilter, DocumentEntryType, Dtm, DtmRange, EntryRef, ErrorCode,
    FindDocuments, FoundObjects, GetAll, GetDocuments, HomeCommunityId, PatientId, QueryId,
    RegistryErrors, ResponseStatus, ReturnType, Slot, StoredQuery, TransactionError,
};
use carerecord_xml::{Decode, Encode, EncodeError, Start, XmlError, XmlReader, XmlWriter};

use crate::ebrim::{self, ObjectKind, RegistryObject, read_slot};
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
        let p = Parameters { slots: &self.slots };
        match self.id.0.as_str() {
            QueryId::FIND_DOCUMENTS => find_documents(&p),
            QueryId::GET_ALL => get_all(&p),
            QueryId::GET_DOCUMENTS => get_documents(&p, self.home.as_deref()),
            _ => Err(TransactionError::one(
                ErrorCode::XDSUnknownStoredQuery,
                format!("the query {} is not supported", self.id.0),
            )),
        }
    }

    /// The request for a typed query, for whole objects.
    pub fn new(query: &StoredQuery) -> Self {
        let (id, slots) = match query {
            StoredQuery::FindDocuments(q) => (QueryId::FIND_DOCUMENTS, find_documents_slots(q)),
            StoredQuery::GetAll(q) => (QueryId::GET_ALL, get_all_slots(q)),
            StoredQuery::GetDocuments(q) => (QueryId::GET_DOCUMENTS, get_documents_slots(q)),
        };
        let home = match query {
            StoredQuery::GetDocuments(q) => q.home_community_id.as_ref().map(ToString::to_string),
            StoredQuery::FindDocuments(_) | StoredQuery::GetAll(_) => None,
        };
        Self { return_type: Some("LeafClass".into()), id: QueryId(id.into()), home, slots }
    }
}

fn find_documents(p: &Parameters<'_>) -> Result<StoredQuery, TransactionError> {
    let mut q = FindDocuments::approved(p.required("$XDSDocumentEntryPatientId")?);
    q.status = p.statuses("$XDSDocumentEntryStatus")?;
    q.entry_types = p.types()?;
    q.class_code = p.codes("$XDSDocumentEntryClassCode")?;
    q.type_code = p.codes("$XDSDocumentEntryTypeCode")?;
    q.practice_setting_code = p.codes("$XDSDocumentEntryPracticeSettingCode")?;
    q.healthcare_facility_type_code = p.codes("$XDSDocumentEntryHealthcareFacilityTypeCode")?;
    q.event_codes = p.codes("$XDSDocumentEntryEventCodeList")?;
    q.confidentiality_codes = p.codes("$XDSDocumentEntryConfidentialityCode")?;
    q.format_code = p.codes("$XDSDocumentEntryFormatCode")?;
    q.creation_time = p.range("$XDSDocumentEntryCreationTime")?;
    q.service_start_time = p.range("$XDSDocumentEntryServiceStartTime")?;
    q.service_stop_time = p.range("$XDSDocumentEntryServiceStopTime")?;
    q.author_person = p.list("$XDSDocumentEntryAuthorPerson")?;
    Ok(StoredQuery::FindDocuments(Box::new(q)))
}

fn get_all(p: &Parameters<'_>) -> Result<StoredQuery, TransactionError> {
    Ok(StoredQuery::GetAll(Box::new(GetAll {
        patient_id: p.required("$patientId")?,
        document_entry_status: p.statuses("$XDSDocumentEntryStatus")?,
        submission_set_status: p.statuses("$XDSSubmissionSetStatus")?,
        folder_status: p.statuses("$XDSFolderStatus")?,
        entry_types: p.types()?,
        format_code: p.codes("$XDSDocumentEntryFormatCode")?,
        confidentiality_codes: p.codes("$XDSDocumentEntryConfidentialityCode")?,
    })))
}

fn get_documents(p: &Parameters<'_>, home: Option<&str>) -> Result<StoredQuery, TransactionError> {
    let uuids = p.list("$XDSDocumentEntryEntryUUID")?;
    let unique_ids = p.list("$XDSDocumentEntryUniqueId")?;
    let entries = match (uuids.is_empty(), unique_ids.is_empty()) {
        (false, true) => EntryRef::Uuids(parse_all("$XDSDocumentEntryEntryUUID", &uuids)?),
        (true, false) => EntryRef::UniqueIds(parse_all("$XDSDocumentEntryUniqueId", &unique_ids)?),
        (true, true) => {
            let names = "$XDSDocumentEntryEntryUUID or $XDSDocumentEntryUniqueId";
            return Err(missing(names));
        }
        (false, false) => {
            return Err(TransactionError::one(
                ErrorCode::XDSStoredQueryParamNumber,
                "$XDSDocumentEntryEntryUUID and $XDSDocumentEntryUniqueId exclude each other",
            ));
        }
    };
    let home: Option<HomeCommunityId> =
        home.filter(|h| !h.is_empty()).map(|h| parse_one("@home", h)).transpose()?;
    Ok(StoredQuery::GetDocuments(GetDocuments { entries, home_community_id: home }))
}

/// The slots of a query, read by the coding rules. ITI TF-2: 3.18.4.1.2.3.5.
struct Parameters<'a> {
    slots: &'a [Slot],
}

impl Parameters<'_> {
    /// Each slot of a name with all its values merged: OR inside, AND between.
    fn groups(&self, name: &str) -> Result<Vec<Vec<String>>, TransactionError> {
        self.slots
            .iter()
            .filter(|s| s.name == name)
            .map(|slot| {
                let mut all = Vec::new();
                for value in &slot.values {
                    all.extend(tokenize(value).ok_or_else(|| malformed(name))?);
                }
                Ok(all)
            })
            .collect()
    }

    fn list(&self, name: &str) -> Result<Vec<String>, TransactionError> {
        Ok(self.groups(name)?.concat())
    }

    fn one(&self, name: &str) -> Result<Option<String>, TransactionError> {
        let mut all = self.list(name)?;
        if all.len() > 1 {
            let what = format!("{name} takes one value");
            return Err(TransactionError::one(ErrorCode::XDSStoredQueryParamNumber, what));
        }
        Ok(all.pop())
    }

    fn required(&self, name: &str) -> Result<PatientId, TransactionError> {
        let value = self.one(name)?.ok_or_else(|| missing(name))?;
        parse_one(name, &value)
    }

    fn statuses(&self, name: &str) -> Result<Vec<AvailabilityStatus>, TransactionError> {
        let all: Vec<_> = self
            .list(name)?
            .iter()
            .filter_map(|s| AvailabilityStatus::from_urn(&lenient_status(s)))
            .collect();
        if all.is_empty() { Err(missing(name)) } else { Ok(all) }
    }

    fn types(&self) -> Result<Vec<DocumentEntryType>, TransactionError> {
        let name = "$XDSDocumentEntryType";
        let all = self.list(name)?;
        let parse = |t: &String| DocumentEntryType::from_urn(t).ok_or_else(|| malformed(name));
        all.iter().map(parse).collect()
    }

    fn codes(&self, name: &str) -> Result<CodeFilter, TransactionError> {
        let mut groups = Vec::new();
        for group in self.groups(name)? {
            let mut codes = Vec::new();
            for code in group {
                let parts: Vec<&str> = code.split("^^").collect();
                match parts.as_slice() {
                    [code, scheme] if !code.is_empty() && !scheme.is_empty() => {
                        codes.push(((*code).to_owned(), (*scheme).to_owned()));
                    }
                    _ => {
                        let what = format!("{name}: a code is not of the form code^^scheme");
                        return Err(TransactionError::one(ErrorCode::XDSRegistryError, what));
                    }
                }
            }
            groups.push(codes);
        }
        Ok(CodeFilter(groups))
    }

    fn range(&self, name: &str) -> Result<DtmRange, TransactionError> {
        let bound = |end: &str| -> Result<Option<Dtm>, TransactionError> {
            let name = format!("{name}{end}");
            self.one(&name)?.map(|v| parse_one(&name, &v)).transpose()
        };
        Ok(DtmRange { from: bound("From")?, to: bound("To")? })
    }
}

/// Takes a value apart: `'a'`, `2004`, `('a','b')`. Doubled quotes stand for one. Parentheses and
/// quotes that are missing are forgiven. `None` when quotes or parentheses do not close.
fn tokenize(value: &str) -> Option<Vec<String>> {
    let mut rest = value.trim();
    let list = rest.strip_prefix('(');
    if let Some(inner) = list {
        rest = inner.strip_suffix(')')?.trim();
    }
    let mut tokens = Vec::new();
    loop {
        let (token, after) = take_token(rest)?;
        tokens.push(token);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => return Some(tokens),
            None => return None,
        }
    }
}

fn take_token(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('\'') else {
        let end = text.find(',').unwrap_or(text.len());
        let token = text[..end].trim().trim_matches('"');
        return (!token.is_empty()).then(|| (token.to_owned(), &text[end..]));
    };
    let mut token = String::new();
    loop {
        let at = rest.find('\'')?;
        token.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                token.push('\'');
                rest = more;
            }
            None => return Some((token.trim().to_owned(), rest)),
        }
    }
}

/// The standard's own samples have the wrong URN.
fn lenient_status(urn: &str) -> String {
    urn.replace(":ResponseStatusType:", ":StatusType:")
}

fn parse_one<T: FromStr>(name: &str, value: &str) -> Result<T, TransactionError> {
    value.parse().map_err(|_| malformed(name))
}

fn parse_all<T: FromStr>(name: &str, values: &[String]) -> Result<Vec<T>, TransactionError> {
    values.iter().map(|v| parse_one(name, v)).collect()
}

fn malformed(name: &str) -> TransactionError {
    TransactionError::one(ErrorCode::XDSRegistryError, format!("{name} is malformed"))
}

fn missing(name: &str) -> TransactionError {
    let what = format!("{name} is required");
    TransactionError::one(ErrorCode::XDSStoredQueryMissingParam, what)
}

fn find_documents_slots(q: &FindDocuments) -> Vec<Slot> {
    let mut slots = vec![
        slot("$XDSDocumentEntryPatientId", quote(&q.patient_id.to_cx())),
        status_slot("$XDSDocumentEntryStatus", &q.status),
    ];
    slots.extend(type_slot(&q.entry_types));
    let codes = [
        ("$XDSDocumentEntryClassCode", &q.class_code),
        ("$XDSDocumentEntryTypeCode", &q.type_code),
        ("$XDSDocumentEntryPracticeSettingCode", &q.practice_setting_code),
        ("$XDSDocumentEntryHealthcareFacilityTypeCode", &q.healthcare_facility_type_code),
        ("$XDSDocumentEntryEventCodeList", &q.event_codes),
        ("$XDSDocumentEntryConfidentialityCode", &q.confidentiality_codes),
        ("$XDSDocumentEntryFormatCode", &q.format_code),
    ];
    slots.extend(codes.into_iter().flat_map(|(name, filter)| code_slots(name, filter)));
    let ranges = [
        ("$XDSDocumentEntryCreationTime", &q.creation_time),
        ("$XDSDocumentEntryServiceStartTime", &q.service_start_time),
        ("$XDSDocumentEntryServiceStopTime", &q.service_stop_time),
    ];
    for (name, range) in ranges {
        slots.extend(range.from.as_ref().map(|t| slot(&format!("{name}From"), t.to_string())));
        slots.extend(range.to.as_ref().map(|t| slot(&format!("{name}To"), t.to_string())));
    }
    if !q.author_person.is_empty() {
        slots.push(slot("$XDSDocumentEntryAuthorPerson", list(&q.author_person)));
    }
    slots
}

fn get_all_slots(q: &GetAll) -> Vec<Slot> {
    let mut slots = vec![
        slot("$patientId", quote(&q.patient_id.to_cx())),
        status_slot("$XDSDocumentEntryStatus", &q.document_entry_status),
        status_slot("$XDSSubmissionSetStatus", &q.submission_set_status),
        status_slot("$XDSFolderStatus", &q.folder_status),
    ];
    slots.extend(type_slot(&q.entry_types));
    slots.extend(code_slots("$XDSDocumentEntryFormatCode", &q.format_code));
    slots.extend(code_slots("$XDSDocumentEntryConfidentialityCode", &q.confidentiality_codes));
    slots
}

fn get_documents_slots(q: &GetDocuments) -> Vec<Slot> {
    let texts = |ids: &[String]| list(ids);
    match &q.entries {
        EntryRef::Uuids(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            vec![slot("$XDSDocumentEntryEntryUUID", texts(&ids))]
        }
        EntryRef::UniqueIds(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            vec![slot("$XDSDocumentEntryUniqueId", texts(&ids))]
        }
    }
}

fn slot(name: &str, value: String) -> Slot {
    Slot { name: name.to_owned(), values: vec![value] }
}

fn status_slot(name: &str, statuses: &[AvailabilityStatus]) -> Slot {
    let urns: Vec<String> = statuses.iter().map(|s| s.urn().to_owned()).collect();
    slot(name, list(&urns))
}

fn type_slot(types: &[DocumentEntryType]) -> Option<Slot> {
    let urns: Vec<String> = types.iter().map(|t| t.urn().to_owned()).collect();
    (!urns.is_empty()).then(|| slot("$XDSDocumentEntryType", list(&urns)))
}

fn code_slots(name: &str, filter: &CodeFilter) -> Vec<Slot> {
    let text = |(code, scheme): &(String, String)| format!("{code}^^{scheme}");
    let groups = filter.0.iter();
    groups.map(|g| slot(name, list(&g.iter().map(text).collect::<Vec<_>>()))).collect()
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|t| quote(t)).collect();
    format!("({})", quoted.join(","))
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
                self.slots.iter().try_for_each(|s| ebrim::write_slot(s, xml))
            })
        })
    }
}

impl AdhocQueryResponse {
    /// The answer with what was found.
    pub fn found(return_type: ReturnType, found: &FoundObjects) -> Self {
        let mut objects: Vec<RegistryObject> =
            found.document_entries.iter().map(ebrim::document_entry).collect();
        objects.extend(found.submission_sets.iter().map(ebrim::submission_set));
        objects.extend(found.folders.iter().map(ebrim::folder));
        objects.extend(found.associations.iter().map(ebrim::association));
        if return_type == ReturnType::ObjectRef {
            for object in &mut objects {
                *object =
                    RegistryObject::new(ObjectKind::ObjectRef, std::mem::take(&mut object.id));
            }
        }
        Self { status: ResponseStatus::Success, errors: Vec::new(), objects }
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
        find.author_person = vec!["%O'Neil%".into()];
        find.event_codes = CodeFilter(vec![
            vec![("A".into(), "s".into()), ("B".into(), "s".into())],
            vec![("C".into(), "s".into())],
        ]);
        find.creation_time.from = Some("2024".parse().unwrap());
        let uuid = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000001".parse().unwrap();
        let queries = [
            StoredQuery::FindDocuments(Box::new(find)),
            StoredQuery::GetAll(Box::new(GetAll::of(id.parse().unwrap()))),
            StoredQuery::GetDocuments(GetDocuments {
                entries: EntryRef::Uuids(vec![uuid]),
                home_community_id: None,
            }),
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
