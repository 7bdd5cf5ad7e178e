//! The agreements, and what flows under them.

use serde_json::Value;

use super::wire::{Bundle, list, text};
use super::{ApiClient, ApiError, Asker, body};

/// One version of an agreement.
pub(crate) struct Agreement {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) state: String,
    pub(crate) in_force: bool,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) review_by: Option<String>,
    /// Name, and whether it has signed or need not.
    pub(crate) parties: Vec<(String, bool)>,
    pub(crate) warnings: Vec<String>,
}

/// Who shares with whom.
pub(crate) struct SharingMatrix {
    pub(crate) pairs: Vec<Pair>,
    /// Agreements that end before `stops_before`: name, title, last day.
    pub(crate) stops: Vec<(String, String, String)>,
    pub(crate) stops_before: String,
}

/// One direction between two organisations.
pub(crate) struct Pair {
    /// Code and name.
    pub(crate) from: (String, String),
    pub(crate) to: (String, String),
    /// Agreement and clause; none where nothing is shared.
    pub(crate) under: Vec<(String, u64)>,
    /// Whether all of it stops soon.
    pub(crate) stops: bool,
}

impl ApiClient {
    /// Every agreement.
    pub(crate) async fn agreements(&self, asker: Asker<'_>) -> Result<Vec<Agreement>, ApiError> {
        let request = self.http.get(self.at("Contract")?).timeout(self.deadline);
        let bundle = Bundle::read(body::json(self.send(request, asker).await?).await?)?;
        Ok(bundle.resources("Contract").filter_map(Agreement::read).collect())
    }

    /// Who shares with whom today, and what stops by the end of next month.
    pub(crate) async fn sharing(&self, asker: Asker<'_>) -> Result<SharingMatrix, ApiError> {
        let request = self.http.get(self.at("Contract/$sharing")?).timeout(self.deadline);
        let answer = body::json(self.send(request, asker).await?).await?;
        let all = list(&answer["parameter"]);
        let before = all.iter().find(|p| p["name"] == "stops-before");
        let stops = all.iter().filter(|p| p["name"] == "stops").filter_map(|p| {
            let of = |name: &str| part(p, name);
            Some((
                text(&of("agreement")?["valueString"])?,
                text(&of("title")?["valueString"])?,
                text(&of("ends")?["valueDate"])?,
            ))
        });
        Ok(SharingMatrix {
            pairs: all.iter().filter(|p| p["name"] == "sharing").filter_map(Pair::read).collect(),
            stops: stops.collect(),
            stops_before: before.and_then(|p| text(&p["valueDate"])).ok_or(ApiError::Answer)?,
        })
    }
}

impl Pair {
    fn read(parameter: &Value) -> Option<Self> {
        let side = |name: &str| {
            let reference = &part(parameter, name)?["valueReference"];
            Some((text(&reference["identifier"]["value"])?, text(&reference["display"])?))
        };
        let under = list(&parameter["part"]).iter().filter(|p| p["name"] == "under");
        let clause = |p: &Value| {
            let agreement = text(&part(p, "agreement")?["valueString"])?;
            Some((agreement, part(p, "clause")?["valueUnsignedInt"].as_u64()?))
        };
        Some(Self {
            from: side("from")?,
            to: side("to")?,
            under: under.filter_map(clause).collect(),
            stops: part(parameter, "stops").is_some_and(|p| p["valueBoolean"] == true),
        })
    }
}

impl Agreement {
    fn read(resource: &Value) -> Option<Self> {
        let extensions = || list(&resource["extension"]).iter();
        let one = |url: &str| extensions().find(|e| e["url"] == url);
        let signers: Vec<&str> = list(&resource["signer"])
            .iter()
            .filter_map(|s| s["party"]["identifier"]["value"].as_str())
            .collect();
        let party = |reference: &Value| {
            let code = reference["identifier"]["value"].as_str()?;
            let processor = list(&reference["extension"])
                .iter()
                .any(|e| e["url"] == PARTY_ROLE && e["valueCode"] == "processor");
            let name = text(&reference["display"]).unwrap_or_else(|| code.to_owned());
            Some((name, processor || signers.contains(&code)))
        };
        let id = text(&resource["identifier"][0]["value"])?;
        let warnings = extensions().filter(|e| e["url"] == WARNING);
        Some(Self {
            name: format!("{id}, version {}", text(&resource["version"])?),
            title: text(&resource["title"])?,
            state: text(&resource["legalState"]["coding"][0]["code"])?,
            in_force: one(IN_FORCE).is_some_and(|e| e["valueBoolean"] == true),
            from: text(&resource["applies"]["start"])?,
            to: text(&resource["applies"]["end"])?,
            review_by: one(REVIEW_BY).and_then(|e| text(&e["valueDate"])),
            parties: list(&resource["authority"]).iter().filter_map(party).collect(),
            warnings: warnings.filter_map(|e| text(&e["valueString"])).collect(),
        })
    }
}

fn part<'v>(parameter: &'v Value, name: &str) -> Option<&'v Value> {
    list(&parameter["part"]).iter().find(|p| p["name"] == name)
}

const IN_FORCE: &str = "urn:carerecord:in-force";
const REVIEW_BY: &str = "urn:carerecord:review-by";
const WARNING: &str = "urn:carerecord:warning";
const PARTY_ROLE: &str = "urn:carerecord:party-role";
