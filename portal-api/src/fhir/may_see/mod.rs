//! `Patient/$may-see`: "may A see B?", and "what would happen if?". What the answers rest on and who
//! gets which stands in `carerecord-access`.

mod read;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{Answers, Caller, Citizen, CitizenInquiry, Decision, Inquiry, Rule};
use carerecord_model::{
    DocumentEntry, EntryRef, EntryUuid, GetDocuments, MetadataLevel, NhsNumber, StoredQuery,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::input::Sent;
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;
use crate::opened::Opened;
use read::{Asked, Others};

/// Answers an inquiry.
pub(crate) async fn run(
    State(portal): State<Portal>,
    session: Session,
    Sent(sent): Sent,
) -> Result<Response, FhirError> {
    session.does("may see");
    let asked = Asked::read(&sent, &session, &portal)?;
    session.draft.fill(|event| event.subject = Some(asked.patient));
    let told = match (&asked.citizen, &asked.others) {
        (Some((citizen, at)), _) => portal.may_citizen_see(&session, &asked, citizen, *at).await,
        (None, None) => portal.may_i_see(&session, &asked).await,
        (None, Some(others)) => portal.may_others_see(&session, &asked, others).await,
    };
    let told = session.note(told)?;
    note(&session, &asked, &told);
    Ok(answer::resource(StatusCode::OK, told.resource()))
}

/// The decisions that are told.
struct Told {
    record: Option<Decision>,
    record_overridable: Option<bool>,
    /// Whether the relationship that is missing could be claimed.
    record_claimable: Option<bool>,
    /// In the order in which they were asked for; `None` for what is nothing to the one who asks.
    documents: Vec<(EntryUuid, Option<Decision>, Option<bool>)>,
}

impl Portal {
    /// About the one who asks: no more than a list tells.
    async fn may_i_see(&self, session: &Session, asked: &Asked) -> Result<Told, FhirError> {
        let opened = self.open(&session.caller, asked.purpose, asked.patient).await;
        let Opened { view, number, .. } = match opened {
            Ok(opened) => opened,
            Err(FhirError::Refused(refused)) if refused.may_be_told => {
                return Ok(Told::all(refused.decision, asked));
            }
            Err(error) => return Err(error),
        };
        session.draft.fill(|event| event.subject = Some(number));
        let entries = self.named(asked, number).await?;
        let told = |id: &EntryUuid| {
            let decision = entries.get(id).and_then(|entry| view.told_of(entry));
            (*id, decision, None)
        };
        let record = view.told_of_record();
        let unrelated = record.rule == Rule::NoRelationship;
        Ok(Told {
            record: Some(record),
            record_overridable: None,
            record_claimable: unrelated.then(|| self.access.may_claim(&session.caller).is_ok()),
            documents: asked.documents.iter().map(told).collect(),
        })
    }

    /// About another caller, another day or other facts, for those who may know.
    async fn may_others_see(
        &self,
        session: &Session,
        asked: &Asked,
        others: &Others,
    ) -> Result<Told, FhirError> {
        // Before anything that an error could tell of.
        self.access.may_ask_of_others(&session.caller)?;
        let person = self.person(asked.patient).await?;
        let number = person.as_ref().map_or(asked.patient, |person| person.nhs_number);
        session.draft.fill(|event| event.subject = Some(number));
        let mut supposed = others.supposed.clone();
        for record in &mut supposed {
            if record.patient != asked.patient && record.patient != number {
                return Err(FhirError::Body("suppose: a Consent of another patient".into()));
            }
            record.patient = number;
        }
        let mut related = others.related.clone();
        for relationship in &mut related {
            if relationship.patient != asked.patient && relationship.patient != number {
                return Err(FhirError::Body("suppose: an EpisodeOfCare of another patient".into()));
            }
            relationship.patient = number;
        }
        let answers = self.access.inquire(
            &session.caller,
            Inquiry {
                about: others.about.clone(),
                purpose: asked.purpose,
                patient: number,
                at: others.at,
                supposed,
                related,
                lifted: others.lifted.clone(),
            },
        );
        let answers = tokio::time::timeout(self.deadline(), answers).await;
        let answers =
            answers.map_err(|_| FhirError::Registry(carerecord_model::PortError::Late))??;
        let answers = answers.of_restricted(person.is_some_and(|person| person.restricted));
        if !answers.unknown().is_empty() {
            return Err(FhirError::Body(
                "lifted: no such Consent or EpisodeOfCare of this patient".into(),
            ));
        }
        let entries = self.named(asked, number).await?;
        Ok(Told::of(&answers, &entries, asked))
    }

    /// About a citizen, for systems that may know.
    async fn may_citizen_see(
        &self,
        session: &Session,
        asked: &Asked,
        citizen: &Citizen,
        at: Timestamp,
    ) -> Result<Told, FhirError> {
        self.access.may_ask_of_others(&session.caller)?;
        let person = self.person(asked.patient).await?;
        let number = person.as_ref().map_or(asked.patient, |person| person.nhs_number);
        session.draft.fill(|event| event.subject = Some(number));
        // Whoever asks for themselves asks for the survivor of a merge.
        let mut citizen = citizen.clone();
        citizen.number = self.surviving(citizen.number).await?;
        let inquiry = CitizenInquiry {
            citizen,
            patient: number,
            born: person.as_ref().and_then(|person| person.birth_date),
            restricted: person.as_ref().is_some_and(|person| person.restricted),
            at,
        };
        let answers = self.access.inquire_of_citizen(&session.caller, inquiry);
        let answers = tokio::time::timeout(self.deadline(), answers).await;
        let answers =
            answers.map_err(|_| FhirError::Registry(carerecord_model::PortError::Late))??;
        let entries = self.named(asked, number).await?;
        let document =
            |id: &EntryUuid| (*id, entries.get(id).and_then(|entry| answers.document(entry)), None);
        Ok(Told {
            record: Some(answers.record()),
            record_overridable: None,
            record_claimable: None,
            documents: asked.documents.iter().map(document).collect(),
        })
    }

    /// The documents of the patient that are asked about.
    async fn named(
        &self,
        asked: &Asked,
        number: NhsNumber,
    ) -> Result<HashMap<EntryUuid, Arc<DocumentEntry>>, FhirError> {
        if asked.documents.is_empty() {
            return Ok(HashMap::new());
        }
        let query = StoredQuery::GetDocuments(GetDocuments {
            level: MetadataLevel::Two,
            ..GetDocuments::of(EntryRef::Uuids(asked.documents.clone()))
        });
        let found = self.find(&query).await?;
        let own = found.document_entries.into_iter();
        let own = own.filter(|entry| entry.patient_id.nhs_number() == Some(number));
        Ok(own.filter_map(|entry| Some((entry.uuid()?, entry))).collect())
    }
}

impl Told {
    /// One decision about everything that is asked.
    fn all(decision: Decision, asked: &Asked) -> Self {
        let document = |id: &EntryUuid| (*id, Some(decision.clone()), None);
        Self {
            documents: asked.documents.iter().map(document).collect(),
            record: Some(decision),
            record_overridable: None,
            record_claimable: None,
        }
    }

    fn of(
        answers: &Answers,
        entries: &HashMap<EntryUuid, Arc<DocumentEntry>>,
        asked: &Asked,
    ) -> Self {
        let document = |id: &EntryUuid| {
            let entry = entries.get(id).map(Arc::as_ref);
            let decision = entry.and_then(|entry| answers.document(entry));
            let denied = decision.as_ref().is_some_and(|decision| !decision.is_permit());
            (*id, decision, denied.then(|| answers.overridable(entry)))
        };
        let record = answers.record();
        let denied = record.as_ref().is_some_and(|decision| !decision.is_permit());
        let unrelated = record.as_ref().is_some_and(|d| d.rule == Rule::NoRelationship);
        Self {
            record,
            record_overridable: denied.then(|| answers.overridable(None)),
            record_claimable: unrelated.then(|| answers.claimable()),
            documents: asked.documents.iter().map(document).collect(),
        }
    }

    fn resource(&self) -> Value {
        let mut parameter = Vec::new();
        if let Some(record) = &self.record {
            parameter.extend(parts(record, self.record_overridable));
            parameter.extend(
                self.record_claimable
                    .map(|claimable| json!({"name": "claimable", "valueBoolean": claimable})),
            );
        }
        for (id, decision, overridable) in &self.documents {
            let mut part = vec![json!({"name": "id", "valueId": id.uuid().to_string()})];
            match decision {
                Some(decision) => part.extend(parts(decision, *overridable)),
                None => part.extend(nothing()),
            }
            parameter.push(json!({"name": "document", "part": part}));
        }
        json!({"resourceType": "Parameters", "parameter": parameter})
    }
}

fn parts(decision: &Decision, overridable: Option<bool>) -> Vec<Value> {
    let outcome = if decision.is_permit() { "permit" } else { "deny" };
    let mut parts = vec![
        json!({"name": "decision", "valueCode": outcome}),
        json!({"name": "rule", "valueCode": decision.rule.id()}),
        json!({"name": "words", "valueString": decision.rule.explanation()}),
    ];
    if let Some(by) = &decision.set_by {
        parts.push(json!({"name": "set-by", "valueString": by}));
    }
    if let Some(since) = decision.since {
        parts.push(json!({"name": "since", "valueInstant": since.to_string()}));
    }
    let basis = decision.basis.iter();
    parts.extend(basis.map(|basis| json!({"name": "basis", "valueString": basis})));
    let owed = decision.obligations.iter();
    parts.extend(owed.map(|o| json!({"name": "obligation", "valueCode": o.code()})));
    if let Some(overridable) = overridable {
        parts.push(json!({"name": "overridable", "valueBoolean": overridable}));
    }
    parts
}

/// The same for what is not there and for what may not be told of.
fn nothing() -> [Value; 3] {
    [
        json!({"name": "decision", "valueCode": "deny"}),
        json!({"name": "rule", "valueCode": "not-found"}),
        json!({"name": "words", "valueString": "There is nothing under this id."}),
    ]
}

/// What was asked and answered, for the record: it is no listing of documents, so says so.
fn note(session: &Session, asked: &Asked, told: &Told) {
    let first = told.documents.iter().find_map(|(_, decision, _)| decision.as_ref());
    if let Some(decision) = told.record.as_ref().or(first) {
        session.draft.decision(decision);
    }
    let mut said = Vec::new();
    if let Some((_, at)) = &asked.citizen {
        said.push(format!("asked about a citizen at {at}"));
    }
    if let Some(Others { about, at, supposed, related, lifted }) = &asked.others {
        let who = match about {
            Caller::User(user) => format!("role {}", user.role),
            Caller::System(_) => "a system".to_owned(),
            Caller::Citizen(_) => "a citizen".to_owned(),
        };
        said.push(format!(
            "asked about {who} of {} for {} at {at}, {} supposed, {} lifted",
            about.organisation(),
            asked.purpose,
            supposed.len() + related.len(),
            lifted.len(),
        ));
    }
    said.extend(told.documents.iter().map(|(id, decision, _)| {
        let rule = decision.as_ref().map_or("not-found", |decision| decision.rule.id());
        format!("may see {}: {rule}", id.uuid())
    }));
    session.draft.fill(|event| event.listed = said);
}
