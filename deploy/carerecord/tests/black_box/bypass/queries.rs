//! The registry: every stored query with every parameter that any of them has.

use carerecord_codec::FOUND_MSGPACK;
use carerecord_model::QueryId;
use carerecord_registry::RECORD_MSGPACK;
use carerecord_testkit::{Deployment, Role, SOAP, query_message};

use super::asker::{Answer, Asker, Recorded};
use super::world::{
    AUTHOR, CHILD_OF_HIDDEN, DOCUMENT, FOLDER, HIDDEN, HIDDEN_BEFORE, HIDDEN_CHILD,
    HIDDEN_DOCUMENTS, HIDDEN_FOLDER, HIDDEN_LETTER, HIDDEN_SET, REFERENCE, REPLACEMENT, SET,
    SET_OF_BEFORE, SET_OF_CHILD, SET_OF_REPLACEMENT, Side, WITH, WITHOUT,
};

/// What a query needs, about a side.
struct Query {
    id: &'static str,
    /// About the patient, or by codes of what is hidden: what it takes, whatever else is asked.
    base: fn(Side) -> Parameters,
}

type Parameters = Vec<(&'static str, String)>;

pub async fn every_stored_query_with_every_parameter(deployment: &Deployment, asker: &Asker) {
    for query in QUERIES {
        for return_type in ["LeafClass", "ObjectRef"] {
            let what = format!("{} {return_type}", query.id);
            compare(deployment, asker, &what, query, return_type, |_| None).await;
        }
        for (name, value) in PARAMETERS {
            // Which of the objects are named has its own test.
            let what = format!("{} {name}", query.id);
            let more = |side: Side| Some((*name, value(side)));
            compare(deployment, asker, &what, query, "LeafClass", more).await;
        }
    }
}

async fn compare(
    deployment: &Deployment,
    asker: &Asker,
    what: &str,
    query: &Query,
    return_type: &str,
    more: impl Fn(Side) -> Option<(&'static str, String)>,
) {
    let mut answers = Vec::new();
    for side in [WITH, WITHOUT] {
        let mut parameters = (query.base)(side);
        if let Some((name, value)) = more(side) {
            // In place of what the query has, so that it is well formed.
            parameters.retain(|(other, _)| *other != name);
            parameters.push((name, value));
        }
        let message = message(query.id, return_type, &parameters);
        answers.push(ask(deployment, asker, what, message).await);
    }
    answers[0].assert_like(&answers[1], what);
}

/// Every stored query again, in the forms that roles of a deployment tell each other: whole records are
/// not for others, whatever they take.
pub async fn every_stored_query_in_messagepack(deployment: &Deployment, asker: &Asker) {
    for (query, accept) in QUERIES.iter().flat_map(|query| {
        [FOUND_MSGPACK.to_owned(), format!("{RECORD_MSGPACK}, {FOUND_MSGPACK}")].map(|a| (query, a))
    }) {
        let what = format!("{} as {accept}", query.id);
        for side in [WITH, WITHOUT] {
            let message = message(query.id, "LeafClass", &(query.base)(side));
            let url = deployment.url(Role::Registry, "/xds/registry");
            let request = asker.http().post(url).header("content-type", SOAP);
            let request = request.header("accept", &accept).body(message);
            let answer = asker.ask(&what, request, Recorded::Attempt).await;
            let is_in_it =
                |(name, value): &(String, String)| name == "content-type" && value == FOUND_MSGPACK;
            assert!(answer.headers.iter().any(is_in_it), "{what}: {answer:?}");
            answer.assert_silent(&what);
        }
    }
}

/// Every stored query again, of a community that the request names: it says what it says of none,
/// or that this is no community.
pub async fn every_stored_query_of_a_community(
    deployment: &Deployment,
    asker: &Asker,
    home: &str,
    is_one: bool,
) {
    for query in QUERIES {
        let what = format!("{} of the community {home:?}", query.id);
        let mut answers = Vec::new();
        for side in [WITH, WITHOUT] {
            let plain = message(query.id, "LeafClass", &(query.base)(side));
            let of_home = format!("<rim:AdhocQuery home=\"{home}\" ");
            let named = plain.replace("<rim:AdhocQuery ", &of_home);
            assert_ne!(named, plain);
            let answer = ask(deployment, asker, &what, named).await;
            if is_one {
                ask(deployment, asker, &what, plain).await.assert_like(&answer, &what);
            }
            answers.push(answer);
        }
        answers[0].assert_like(&answers[1], &what);
    }
}

fn message(id: &str, return_type: &str, parameters: &[(&str, String)]) -> String {
    let message = query_message(id, return_type, parameters);
    match MULTI_PATIENT.contains(&id) {
        true => message.replace("2007:RegistryStoredQuery", "2009:MultiPatientStoredQuery"),
        false => message,
    }
}

async fn ask(deployment: &Deployment, asker: &Asker, what: &str, message: String) -> Answer {
    let url = deployment.url(Role::Registry, "/xds/registry");
    let request = asker.http().post(url).header("content-type", SOAP).body(message);
    asker.ask(what, request, Recorded::Attempt).await
}

/// Each query that names objects: what is hidden is as an id of nobody; of what stands beside it
/// nothing tells of it.
pub async fn what_is_hidden_by_any_id(deployment: &Deployment, asker: &Asker) {
    for (id, name, single, objects) in BY_ID {
        for object in *objects {
            for (return_type, level) in
                [("LeafClass", "1"), ("LeafClass", "2"), ("ObjectRef", "1"), ("ObjectRef", "2")]
            {
                let what = format!("{id} {name} {object} {return_type} level {level}");
                // This one opens nothing but what is named.
                let opens = HIDDEN_DOCUMENTS.contains(object) || *id != QueryId::GET_DOCUMENTS;
                let mut answers = Vec::new();
                for side in [WITH, WITHOUT] {
                    let value = match name.ends_with("UniqueId") {
                        true => side.unique_id(*object),
                        false => side.urn(*object),
                    };
                    let value = if *single { format!("'{value}'") } else { format!("('{value}')") };
                    let mut parameters =
                        vec![(*name, value), ("$MetadataLevel", format!("'{level}'"))];
                    if *id == QueryId::GET_RELATED_DOCUMENTS {
                        parameters.push(("$AssociationTypes", RELATED.to_owned()));
                    }
                    let message = query_message(id, return_type, &parameters);
                    let url = deployment.url(Role::Registry, "/xds/registry");
                    let request = asker.http().post(url).header("content-type", SOAP);
                    let withheld = side.is_with() && opens;
                    let recorded = if withheld { Recorded::Refusal } else { Recorded::Attempt };
                    answers.push(asker.ask(&what, request.body(message), recorded).await);
                }
                answers[0].assert_like(&answers[1], &what);
            }
        }
    }
}

/// The stored queries that this asks, for the list of all there are.
pub fn asked_queries() -> Vec<&'static str> {
    QUERIES.iter().map(|q| q.id).collect()
}

/// The parameters that this asks with.
pub fn asked_parameters() -> Vec<&'static str> {
    let own = QUERIES.iter().flat_map(|q| (q.base)(WITH)).map(|(name, _)| name);
    let more = PARAMETERS.iter().map(|(name, _)| *name);
    let by_id = BY_ID.iter().map(|(_, name, ..)| *name);
    own.chain(more).chain(by_id).chain(["$MetadataLevel"]).collect()
}

fn patient(name: &'static str, side: Side) -> (&'static str, String) {
    (name, format!("'{}'", side.cx()))
}

fn statuses(name: &'static str) -> (&'static str, String) {
    let urn = "urn:oasis:names:tc:ebxml-regrep:StatusType";
    (name, format!("('{urn}:Approved','{urn}:Deprecated')"))
}

fn documents(side: Side) -> Parameters {
    vec![
        patient("$XDSDocumentEntryPatientId", side),
        statuses("$XDSDocumentEntryStatus"),
        ("$XDSDocumentEntryReferenceIdList", reference(side)),
        ("$XDSDocumentEntryType", types(side)),
    ]
}

fn all_documents(side: Side) -> Parameters {
    documents(side).into_iter().filter(|(n, _)| *n != "$XDSDocumentEntryReferenceIdList").collect()
}

fn folders(side: Side) -> Parameters {
    vec![patient("$XDSFolderPatientId", side), statuses("$XDSFolderStatus")]
}

fn sets(side: Side) -> Parameters {
    vec![patient("$XDSSubmissionSetPatientId", side), statuses("$XDSSubmissionSetStatus")]
}

fn all(side: Side) -> Parameters {
    vec![
        patient("$patientId", side),
        statuses("$XDSDocumentEntryStatus"),
        statuses("$XDSSubmissionSetStatus"),
        statuses("$XDSFolderStatus"),
    ]
}

fn by_uuid(side: Side) -> Parameters {
    vec![(
        "$uuid",
        format!("('{}','{}','{}')", side.urn(HIDDEN), side.urn(HIDDEN_SET), side.urn(DOCUMENT)),
    )]
}

fn entry(side: Side) -> Parameters {
    vec![("$XDSDocumentEntryEntryUUID", format!("'{}'", side.urn(HIDDEN)))]
}

fn related(side: Side) -> Parameters {
    let mut parameters = entry(side);
    parameters.push(("$AssociationTypes", RELATED.to_owned()));
    parameters
}

fn a_folder(side: Side) -> Parameters {
    vec![("$XDSFolderEntryUUID", format!("'{}'", side.urn(HIDDEN_FOLDER)))]
}

fn a_set(side: Side) -> Parameters {
    vec![("$XDSSubmissionSetEntryUUID", format!("'{}'", side.urn(HIDDEN_SET)))]
}

fn types(_: Side) -> String {
    let urn = |id: &str| format!("'urn:uuid:{id}'");
    format!(
        "({},{})",
        urn("7edca82f-054d-47f2-a032-9b2a5b5186c1"),
        urn("34268e47-fdf5-41a6-ba33-82133c465248")
    )
}

fn reference(_: Side) -> String {
    format!("('{REFERENCE}')")
}

fn code(kind: &str) -> String {
    format!("('quetzal-{kind}^^2.999.9')")
}

const QUERIES: &[Query] = &[
    Query { id: QueryId::FIND_DOCUMENTS, base: all_documents },
    Query { id: QueryId::FIND_DOCUMENTS_BY_REFERENCE_ID, base: documents },
    Query { id: QueryId::FIND_SUBMISSION_SETS, base: sets },
    Query { id: QueryId::FIND_FOLDERS, base: folders },
    Query { id: QueryId::GET_ALL, base: all },
    Query { id: QueryId::GET_DOCUMENTS, base: entry },
    Query { id: QueryId::GET_FOLDERS, base: a_folder },
    Query { id: QueryId::GET_ASSOCIATIONS, base: by_uuid },
    Query { id: QueryId::GET_DOCUMENTS_AND_ASSOCIATIONS, base: entry },
    Query { id: QueryId::GET_SUBMISSION_SETS, base: by_uuid },
    Query { id: QueryId::GET_SUBMISSION_SET_AND_CONTENTS, base: a_set },
    Query { id: QueryId::GET_FOLDER_AND_CONTENTS, base: a_folder },
    Query { id: QueryId::GET_FOLDERS_FOR_DOCUMENT, base: entry },
    Query { id: QueryId::GET_RELATED_DOCUMENTS, base: related },
    Query { id: QueryId::FIND_DOCUMENTS_FOR_MULTIPLE_PATIENTS, base: all_documents },
    Query { id: QueryId::FIND_DOCUMENTS_BY_REFERENCE_ID_FOR_MULTIPLE_PATIENTS, base: documents },
    Query { id: QueryId::FIND_FOLDERS_FOR_MULTIPLE_PATIENTS, base: folders },
];

/// Every parameter of any query, with a value that what is hidden has.
#[expect(clippy::type_complexity, reason = "a table")]
const PARAMETERS: &[(&str, fn(Side) -> String)] = &[
    ("$MetadataLevel", |_| "'2'".to_owned()),
    ("$XDSAssociationStatus", |_| statuses("").1),
    ("$XDSDocumentEntryType", types),
    ("$XDSDocumentEntryReferenceIdList", reference),
    ("$XDSDocumentEntryClassCode", |_| code("class")),
    ("$XDSDocumentEntryTypeCode", |_| code("type")),
    ("$XDSDocumentEntryFormatCode", |_| code("format")),
    ("$XDSDocumentEntryPracticeSettingCode", |_| code("setting")),
    ("$XDSDocumentEntryHealthcareFacilityTypeCode", |_| code("facility")),
    ("$XDSDocumentEntryEventCodeList", |_| code("event")),
    ("$XDSDocumentEntryConfidentialityCode", |_| "('N^^2.16.840.1.113883.5.25')".to_owned()),
    ("$XDSDocumentEntryCreationTimeFrom", |_| "'2018'".to_owned()),
    ("$XDSDocumentEntryCreationTimeTo", |_| "'2020'".to_owned()),
    ("$XDSDocumentEntryServiceStartTimeFrom", |_| "'2018'".to_owned()),
    ("$XDSDocumentEntryServiceStartTimeTo", |_| "'2020'".to_owned()),
    ("$XDSDocumentEntryServiceStopTimeFrom", |_| "'2018'".to_owned()),
    ("$XDSDocumentEntryServiceStopTimeTo", |_| "'2020'".to_owned()),
    ("$XDSDocumentEntryAuthorPerson", |_| format!("('{AUTHOR}')")),
    ("$XDSDocumentEntryDocumentAvailability", |_| {
        "('urn:ihe:iti:2010:DocumentAvailability:Online')".to_owned()
    }),
    ("$XDSSubmissionSetSourceId", |_| "('2.999.88.1')".to_owned()),
    ("$XDSSubmissionSetSubmissionTimeFrom", |_| "'2018'".to_owned()),
    ("$XDSSubmissionSetSubmissionTimeTo", |_| "'2020'".to_owned()),
    ("$XDSSubmissionSetAuthorPerson", |_| format!("('{AUTHOR}')")),
    ("$XDSSubmissionSetContentType", |_| code("content")),
    ("$XDSFolderLastUpdateTimeFrom", |_| "'2018'".to_owned()),
    ("$XDSFolderLastUpdateTimeTo", |_| "'2999'".to_owned()),
    ("$XDSFolderCodeList", |_| code("folder")),
];

const ENTRIES: &[u8] =
    &[HIDDEN, HIDDEN_BEFORE, HIDDEN_LETTER, HIDDEN_CHILD, DOCUMENT, CHILD_OF_HIDDEN, REPLACEMENT];
const FOLDERS: &[u8] = &[HIDDEN_FOLDER, FOLDER];
const SETS: &[u8] = &[HIDDEN_SET, SET_OF_BEFORE, SET, SET_OF_CHILD, SET_OF_REPLACEMENT];
const ANY: &[u8] = &[
    HIDDEN,
    HIDDEN_CHILD,
    HIDDEN_FOLDER,
    HIDDEN_SET,
    HIDDEN_BEFORE,
    DOCUMENT,
    FOLDER,
    CHILD_OF_HIDDEN,
    REPLACEMENT,
];

/// Query, parameter, whether it takes one value, and what it is asked about.
const BY_ID: &[(&str, &str, bool, &[u8])] = &[
    (QueryId::GET_DOCUMENTS, "$XDSDocumentEntryEntryUUID", false, ENTRIES),
    (QueryId::GET_DOCUMENTS, "$XDSDocumentEntryUniqueId", false, ENTRIES),
    (QueryId::GET_DOCUMENTS, "$XDSDocumentEntryLogicalID", false, ENTRIES),
    (QueryId::GET_FOLDERS, "$XDSFolderEntryUUID", false, FOLDERS),
    (QueryId::GET_FOLDERS, "$XDSFolderUniqueId", false, FOLDERS),
    (QueryId::GET_FOLDERS, "$XDSFolderLogicalID", false, FOLDERS),
    (QueryId::GET_ASSOCIATIONS, "$uuid", false, ANY),
    (QueryId::GET_DOCUMENTS_AND_ASSOCIATIONS, "$XDSDocumentEntryEntryUUID", false, ENTRIES),
    (QueryId::GET_DOCUMENTS_AND_ASSOCIATIONS, "$XDSDocumentEntryUniqueId", false, ENTRIES),
    (QueryId::GET_SUBMISSION_SETS, "$uuid", false, ANY),
    (QueryId::GET_SUBMISSION_SET_AND_CONTENTS, "$XDSSubmissionSetEntryUUID", true, SETS),
    (QueryId::GET_SUBMISSION_SET_AND_CONTENTS, "$XDSSubmissionSetUniqueId", true, SETS),
    (QueryId::GET_FOLDER_AND_CONTENTS, "$XDSFolderEntryUUID", true, FOLDERS),
    (QueryId::GET_FOLDER_AND_CONTENTS, "$XDSFolderUniqueId", true, FOLDERS),
    (QueryId::GET_FOLDERS_FOR_DOCUMENT, "$XDSDocumentEntryEntryUUID", true, ENTRIES),
    (QueryId::GET_FOLDERS_FOR_DOCUMENT, "$XDSDocumentEntryUniqueId", true, ENTRIES),
    (QueryId::GET_RELATED_DOCUMENTS, "$XDSDocumentEntryEntryUUID", true, ENTRIES),
    (QueryId::GET_RELATED_DOCUMENTS, "$XDSDocumentEntryUniqueId", true, ENTRIES),
];

const RELATED: &str = "('urn:ihe:iti:2007:AssociationType:APND',\
    'urn:ihe:iti:2007:AssociationType:RPLC','urn:ihe:iti:2007:AssociationType:XFRM',\
    'urn:ihe:iti:2007:AssociationType:XFRM_RPLC')";
const MULTI_PATIENT: [&str; 3] = [
    QueryId::FIND_DOCUMENTS_FOR_MULTIPLE_PATIENTS,
    QueryId::FIND_DOCUMENTS_BY_REFERENCE_ID_FOR_MULTIPLE_PATIENTS,
    QueryId::FIND_FOLDERS_FOR_MULTIPLE_PATIENTS,
];
