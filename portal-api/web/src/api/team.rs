use carerecord_model::NhsNumber;
use serde_json::Value;
use url::Url;

use super::wire::{list, text};
use super::{ApiClient, ApiError, Asker, NHS_NUMBER, PatientRecord, body, succeeded, wire};

/// A page of those for whom an organisation, and the person who asks, care now.
pub(crate) struct CaredFor {
    /// How many relationships there are on all pages; several may be with one person.
    pub(crate) total: u64,
    /// The people, by their newest relationship of the page.
    pub(crate) people: Vec<InCare>,
    /// What asks for the next page.
    pub(crate) next: Option<String>,
}

/// Somebody in care. No formatter prints it.
pub(crate) struct InCare {
    pub(crate) nhs_number: NhsNumber,
    pub(crate) record: Option<PatientRecord>,
    /// Kind, and since when as FHIR writes times.
    pub(crate) by: Vec<(String, String)>,
}

impl ApiClient {
    /// How many relationships hold now for an organisation, and for the person who asks.
    pub(crate) async fn cared_for_total(
        &self,
        asker: Asker<'_>,
        organisation: &str,
    ) -> Result<u64, ApiError> {
        let organisation = format!("{ODS}|{organisation}");
        let form = [
            ("organization.identifier", organisation.as_str()),
            ("status", "active"),
            ("_summary", "count"),
        ];
        Ok(self.ask_cared_for(asker, &form).await?.total)
    }

    /// A page of them, the newest first.
    pub(crate) async fn cared_for(
        &self,
        asker: Asker<'_>,
        organisation: &str,
        page: Option<&str>,
    ) -> Result<CaredFor, ApiError> {
        let organisation = format!("{ODS}|{organisation}");
        let first = [
            ("organization.identifier", organisation.as_str()),
            ("status", "active"),
            ("_include", "EpisodeOfCare:patient"),
        ];
        match page {
            Some(page) => self.ask_cared_for(asker, &[("_page", page)]).await,
            None => self.ask_cared_for(asker, &first).await,
        }
    }

    async fn ask_cared_for(
        &self,
        asker: Asker<'_>,
        form: &[(&str, &str)],
    ) -> Result<CaredFor, ApiError> {
        let answer =
            succeeded(self.ask_search("EpisodeOfCare/_search", asker, form).await?).await?;
        let answer = body::json(answer).await?;
        let total = answer["total"].as_u64().ok_or(ApiError::Answer)?;
        let next = list(&answer["link"]).iter().find(|link| link["relation"] == "next");
        let next = next.and_then(|link| page_of(link["url"].as_str()?));
        let bundle = wire::Bundle::read(answer)?;
        let known = bundle.resources("Patient").filter_map(PatientRecord::read);
        let mut known: Vec<PatientRecord> = known.collect();
        let mut people: Vec<InCare> = Vec::new();
        for (nhs_number, by) in bundle.resources("EpisodeOfCare").filter_map(relationship) {
            if let Some(one) = people.iter_mut().find(|one| one.nhs_number == nhs_number) {
                one.by.push(by);
                continue;
            }
            let at = known.iter().position(|record| record.nhs_number == Some(nhs_number));
            let record = at.map(|at| known.swap_remove(at));
            people.push(InCare { nhs_number, record, by: vec![by] });
        }
        Ok(CaredFor { total, people, next })
    }
}

fn relationship(episode: &Value) -> Option<(NhsNumber, (String, String))> {
    let identifier = &episode["patient"]["identifier"];
    let number = identifier["value"].as_str().filter(|_| identifier["system"] == NHS_NUMBER)?;
    let kind = text(&list(&list(&episode["type"]).first()?["coding"]).first()?["code"])?;
    let since = text(&episode["period"]["start"]).unwrap_or_default();
    Some((number.parse().ok()?, (kind, since)))
}

/// What a link to a further page asks for.
fn page_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    url.query_pairs().find(|(name, _)| name == "_page").map(|(_, page)| page.into_owned())
}

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
