//! What a patient says with several limits or with exceptions: FHIR Consent, `provision`.

use serde_json::Value;

use super::wire::{list, text};

/// A rule and its exceptions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Terms {
    pub(crate) root: Term,
    pub(crate) exceptions: Vec<Term>,
}

/// A yes or a no, and its limits: of each list one is met. Organisations by ODS code.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Term {
    pub(crate) permits: bool,
    /// When an exception holds.
    pub(crate) applies: Option<Between>,
    pub(crate) recipients: Vec<String>,
    /// Only by those who have overridden what is closed.
    pub(crate) by_override: bool,
    pub(crate) authored: Option<Between>,
    pub(crate) sources: Vec<String>,
    /// How many documents are named.
    pub(crate) documents: usize,
    /// How many contacts with care are named.
    pub(crate) contacts: usize,
    pub(crate) classes: Vec<String>,
    pub(crate) labels: Vec<String>,
}

/// From when until when.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Between {
    pub(crate) from: Option<String>,
    pub(crate) until: Option<String>,
}

impl Terms {
    /// `None` for what has no exceptions, and one limit at most of the kinds that are said in a few
    /// words.
    pub(super) fn read(provision: &Value) -> Option<Self> {
        let exceptions = list(&provision["provision"]);
        let root = Term::read(provision);
        if exceptions.is_empty() && root.is_plain() {
            return None;
        }
        let applies = |exception: &Value| Between::read(&exception["period"]);
        let exceptions = exceptions
            .iter()
            .map(|exception| Term { applies: applies(exception), ..Term::read(exception) });
        Some(Self { root, exceptions: exceptions.collect() })
    }
}

impl Term {
    fn read(provision: &Value) -> Self {
        let organisation = |reference: &Value| {
            text(&reference["display"]).or_else(|| text(&reference["identifier"]["value"]))
        };
        let data = list(&provision["data"]);
        let of = |meaning: &str| {
            let meaning = meaning.to_owned();
            data.iter().filter(move |datum| datum["meaning"] == meaning)
        };
        let coded = |code: &str| {
            let purposes = list(&provision["purpose"]);
            purposes.iter().any(|purpose| purpose["code"] == code)
        };
        let actors = list(&provision["actor"]).iter();
        let classes = list(&provision["code"]).iter();
        let labels = list(&provision["securityLabel"]).iter();
        Self {
            permits: provision["type"] == "permit",
            applies: None,
            recipients: actors.filter_map(|actor| organisation(&actor["reference"])).collect(),
            by_override: coded("BTG") && !coded("TREAT"),
            authored: Between::read(&provision["dataPeriod"]),
            sources: of("authoredby").filter_map(|d| organisation(&d["reference"])).collect(),
            documents: of("instance").count(),
            contacts: of("related").count(),
            classes: classes.filter_map(|class| text(&class["coding"][0]["code"])).collect(),
            labels: labels.filter_map(|label| text(&label["code"])).collect(),
        }
    }

    fn is_plain(&self) -> bool {
        let about = self.sources.len() + self.documents + self.classes.len() + self.labels.len();
        let limits = self.recipients.len() + about;
        let plain = self.authored.is_none() && self.contacts == 0 && !self.by_override;
        plain && limits <= 1 && !(self.permits && about > 0)
    }
}

impl Between {
    fn read(period: &Value) -> Option<Self> {
        let (from, until) = (text(&period["start"]), text(&period["end"]));
        (from.is_some() || until.is_some()).then_some(Self { from, until })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_takes_more_words_is_told_from_what_does_not() {
        let from = |code: &str| json!({"meaning": "authoredby", "reference": {"identifier": {"value": code}}});
        for (provision, plain) in [
            (json!({"type": "deny"}), true),
            (json!({"type": "deny", "data": [from("ZEX01")]}), true),
            (json!({"type": "deny", "data": [from("ZEX01"), from("ZEX02")]}), false),
            (json!({"type": "permit", "data": [from("ZEX01")]}), false),
            (json!({"type": "permit", "purpose": [{"code": "TREAT"}]}), true),
            (json!({"type": "permit", "purpose": [{"code": "BTG"}]}), false),
            (json!({"type": "deny", "dataPeriod": {"end": "2022"}}), false),
            (json!({"type": "deny", "data": [{"meaning": "related"}]}), false),
            (json!({"type": "deny", "provision": [{"type": "permit"}]}), false),
        ] {
            assert_eq!(Terms::read(&provision).is_none(), plain, "{provision}");
        }
    }
}
