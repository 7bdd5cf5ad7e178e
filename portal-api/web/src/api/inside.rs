use serde_json::Value;

use super::Document;
use super::outcome::{self, Refusal, Source, coded};
use super::wire::{Bundle, list, text};

/// What a search inside documents gave, best first.
pub(crate) struct FoundInside {
    pub(crate) hits: Vec<Hit>,
    pub(crate) sources: Vec<Source>,
    pub(crate) withheld: Vec<Refusal>,
    /// What was not searched: the source and the API's words.
    pub(crate) gaps: Vec<(String, String)>,
}

/// A document that has the words.
pub(crate) struct Hit {
    pub(crate) document: Document,
    /// Places of its text, best first.
    pub(crate) places: Vec<Vec<Piece>>,
}

/// A piece of a place: plain text, and whether it is what was looked for.
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) is_match: bool,
}

impl FoundInside {
    pub(super) fn read(bundle: &Bundle) -> Self {
        let hit = |resource: &Value| {
            let places = list(&resource["extension"]).iter().filter(|e| e["url"] == SNIPPET);
            Some(Hit {
                document: Document::of(resource)?,
                places: places.take(MAX_PLACES).map(place).collect(),
            })
        };
        let issues: Vec<_> =
            bundle.resources("OperationOutcome").flat_map(outcome::issues).collect();
        let gap = |issue: &&Value| {
            coded(issue, SEARCH_STATE)?;
            Some((text(&issue["details"]["text"])?, text(&issue["diagnostics"])?))
        };
        Self {
            hits: bundle.resources("DocumentReference").filter_map(hit).collect(),
            sources: issues.iter().filter_map(Source::read).collect(),
            withheld: Refusal::all(&issues),
            gaps: issues.iter().filter_map(gap).collect(),
        }
    }
}

fn place(extension: &Value) -> Vec<Piece> {
    let piece = |part: &Value| {
        let text = part["valueString"].as_str()?;
        let text = text.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect();
        Some(Piece { text, is_match: part["url"] == "match" })
    };
    list(&extension["extension"]).iter().take(MAX_PIECES).filter_map(piece).collect()
}

const SNIPPET: &str = "urn:carerecord:snippet";
const SEARCH_STATE: &str = "urn:carerecord:search-state";
const MAX_PLACES: usize = 5;
const MAX_PIECES: usize = 100;
const MAX_CHARS: usize = 500;
