//! Subject access packs: asked for, followed, fetched.

use carerecord_model::NhsNumber;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};
use reqwest::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::wire::{list, text};
use super::{ApiClient, ApiError, Asker, FHIR_JSON, NHS_NUMBER, body, refused};

/// A pack, as its asker is told of it.
pub(crate) struct AccessPack {
    pub(crate) id: Uuid,
    /// `making`, `ready`, `failed`, `broken-off`, `withdrawn`.
    pub(crate) state: String,
    pub(crate) asked: String,
    pub(crate) expires: String,
    pub(crate) reference: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) progress: Option<String>,
    pub(crate) documents: u64,
    pub(crate) contents: u64,
    pub(crate) accesses: u64,
    pub(crate) refused: u64,
    pub(crate) size: u64,
    /// What could not be had.
    pub(crate) missing: Vec<String>,
}

/// What became of asking for a pack.
pub(crate) enum PackAsked {
    /// It is being made.
    Taken(Uuid),
    /// The person, or all together, have too many, or there is no room for more.
    TooMany,
}

impl ApiClient {
    /// Asks for a pack about a person: why, and what the asker calls the matter, as far as they say so.
    pub(crate) async fn ask_for_pack(
        &self,
        asker: Asker<'_>,
        number: &NhsNumber,
        said: &[(&str, &str)],
    ) -> Result<PackAsked, ApiError> {
        let identifier = json!({"system": NHS_NUMBER, "value": number.digits()});
        let mut parameters = vec![json!({"name": "patient", "valueIdentifier": identifier})];
        let said = said.iter().map(|(name, text)| json!({"name": name, "valueString": text}));
        parameters.extend(said);
        let resource = json!({"resourceType": "Parameters", "parameter": parameters});
        let request = self
            .http
            .post(self.at("Patient/$access-pack")?)
            .timeout(self.deadline)
            .header(ACCEPT, FHIR_JSON)
            .header(CONTENT_TYPE, FHIR_JSON)
            .body(resource.to_string());
        let response = self.ask(request, asker).await?;
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS => Ok(PackAsked::TooMany),
            status if status.is_success() => {
                let pack = AccessPack::read(&body::json(response).await?["parameter"]);
                Ok(PackAsked::Taken(pack.ok_or(ApiError::Answer)?.id))
            }
            status => Err(refused(status, response).await),
        }
    }

    /// The packs that the person has asked for, the newest first.
    pub(crate) async fn packs(&self, asker: Asker<'_>) -> Result<Vec<AccessPack>, ApiError> {
        let request = self.http.get(self.at("Patient/$access-pack")?).timeout(self.deadline);
        let answer = body::json(self.send(request, asker).await?).await?;
        let packs = list(&answer["parameter"]).iter();
        Ok(packs.filter_map(|pack| AccessPack::read(&pack["part"])).collect())
    }

    /// How far a pack is; `None` of one that there will not be.
    pub(crate) async fn pack(
        &self,
        asker: Asker<'_>,
        id: Uuid,
    ) -> Result<Option<AccessPack>, ApiError> {
        let url = self.at(&format!("Patient/$access-pack/{id}"))?;
        let response = self.ask(self.http.get(url).timeout(self.deadline), asker).await?;
        match response.status() {
            StatusCode::GONE => Ok(None),
            status if status.is_success() => {
                let answer = body::json(response).await?;
                AccessPack::read(&answer["parameter"]).map(Some).ok_or(ApiError::Answer)
            }
            status => Err(refused(status, response).await),
        }
    }

    /// The bytes of a pack, as they flow; `None` of one that is not there any more.
    pub(crate) async fn pack_file(
        &self,
        asker: Asker<'_>,
        id: Uuid,
    ) -> Result<Option<Response>, ApiError> {
        let url = self.at(&format!("Patient/$access-pack/{id}/file"))?;
        let response = self.ask(self.http.get(url), asker).await?;
        match response.status() {
            StatusCode::GONE => Ok(None),
            status if status.is_success() => Ok(Some(response)),
            status => Err(refused(status, response).await),
        }
    }

    /// Removes a pack, or stops the making of it.
    pub(crate) async fn remove_pack(&self, asker: Asker<'_>, id: Uuid) -> Result<(), ApiError> {
        let url = self.at(&format!("Patient/$access-pack/{id}"))?;
        self.send(self.http.delete(url).timeout(self.deadline), asker).await.map(drop)
    }
}

impl AccessPack {
    fn read(parameters: &Value) -> Option<Self> {
        let all = list(parameters);
        let one = |name: &str| all.iter().find(|p| p["name"] == name);
        let instant = |name: &str| one(name).and_then(|p| text(&p["valueInstant"]));
        let words = |name: &str| one(name).and_then(|p| text(&p["valueString"]));
        let count = |name: &str| one(name).and_then(|p| p["valueUnsignedInt"].as_u64());
        let count = |name: &str| count(name).unwrap_or_default();
        let output = one("output").map_or(&[][..], |p| list(&p["part"]));
        let size = output.iter().find(|p| p["name"] == "size");
        let missing = all.iter().filter(|p| p["name"] == "missing");
        Some(Self {
            id: one("id")?["valueId"].as_str()?.parse().ok()?,
            state: text(&one("state")?["valueCode"])?,
            asked: instant("asked")?,
            expires: instant("expires")?,
            reference: words("reference"),
            reason: words("reason"),
            progress: words("progress"),
            documents: count("documents"),
            contents: count("contents"),
            accesses: count("accesses"),
            refused: count("refused"),
            size: size.and_then(|p| p["valueDecimal"].as_u64()).unwrap_or_default(),
            missing: missing.filter_map(|p| text(&p["valueString"])).collect(),
        })
    }
}
