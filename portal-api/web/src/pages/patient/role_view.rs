use carerecord_model::OrganisationCode;
use serde::Deserialize;

use super::groups::GROUPS;
use crate::config::WebConfig;
use crate::session::Role;

/// A `[[portal.view]]`: who gets a view, before what the code of their job role gives them. One code
/// can mean work in a hospital, a community team or a hospice: the organisation tells which.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewConfig {
    /// The view, e.g. `mental-health`.
    pub view: String,
    /// Codes of job roles, e.g. `R8001`; all unless given.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The organisations that they act for; all unless given.
    #[serde(default)]
    pub organisations: Vec<OrganisationCode>,
}

impl ViewConfig {
    /// Whether it names a view that there is, and for whom.
    ///
    /// # Errors
    /// Says in words what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !VIEWS.iter().any(|view| view.id == self.view) {
            let known: Vec<_> = VIEWS.iter().map(|view| view.id).collect();
            return Err(format!("is none of {}", known.join(", ")));
        }
        if self.roles.is_empty() && self.organisations.is_empty() {
            return Err("names neither roles nor organisations".to_owned());
        }
        Ok(())
    }

    fn takes(&self, role: &Role) -> bool {
        let is_of = |all: &OrganisationCode| all.as_str() == role.ods;
        (self.roles.is_empty() || self.roles.contains(&role.code))
            && (self.organisations.is_empty() || self.organisations.iter().any(is_of))
    }
}

/// What comes first for those who have a job role. NHS context 5.5.
///
/// A view orders and chooses for the overview; it hides nothing from the list and the summary, and
/// what may be seen at all is the API's to say.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct RoleView {
    /// Its name in a configuration.
    id: &'static str,
    /// Whom it is for, in words.
    pub(super) name: &'static str,
    /// The groups of the overview, in order.
    pub(super) groups: &'static [&'static str],
    /// The kinds of coded entries that come first on the overview, by their ids.
    pub(super) kinds: &'static [&'static str],
    /// The kinds that the overview leaves to the summary.
    pub(super) elsewhere: &'static [&'static str],
}

impl RoleView {
    /// The view for a role: as configured, else by its code; the one for clinicians unless there is
    /// another.
    pub(super) fn of(role: Option<&Role>, config: &WebConfig) -> &'static Self {
        let Some(role) = role else { return &CLINICAL };
        let configured = config.views.iter().find(|view| view.takes(role));
        let named = |id: &str| VIEWS.iter().copied().find(|view| view.id == id);
        configured.and_then(|view| named(&view.view)).unwrap_or_else(|| Self::of_code(&role.code))
    }

    /// By the code of a job role. NHS context 3.6.
    fn of_code(code: &str) -> &'static Self {
        let social_care = ("R9500"..="R9605").contains(&code) && code.len() == 5;
        match code {
            "R0260" | "R0270" => &GENERAL_PRACTICE,
            "R1070" => &URGENT_CARE,
            "R1290" => &MEDICINES,
            "R8005" => &RESULTS,
            "R8006" => &CORRESPONDENCE,
            "R8014" | "R1330" | "R1340" => &SOCIAL_CARE,
            "R8016" => &MIDWIFERY,
            "R8008" | "R8009" | "R8010" | "R8013" => &ADMINISTRATION,
            "R0001" | "R5100" | "R5105" => &PRIVACY,
            _ if social_care => &SOCIAL_CARE,
            _ => &CLINICAL,
        }
    }

    /// The place of a group in lists: those of the view first.
    pub(super) fn place(&self, group: &str) -> usize {
        let here = self.groups.iter().position(|known| *known == group);
        let all = || GROUPS.iter().position(|known| *known == group).unwrap_or(GROUPS.len());
        here.unwrap_or_else(|| self.groups.len() + all())
    }
}

static VIEWS: [&RoleView; 13] = [
    &CLINICAL,
    &GENERAL_PRACTICE,
    &URGENT_CARE,
    &COMMUNITY,
    &MENTAL_HEALTH,
    &SOCIAL_CARE,
    &MEDICINES,
    &MIDWIFERY,
    &HOSPICE,
    &RESULTS,
    &CORRESPONDENCE,
    &ADMINISTRATION,
    &PRIVACY,
];
static CLINICAL: RoleView = RoleView {
    id: "hospital",
    name: "clinicians",
    groups: &["Alerts", "Summaries", "Plans", "Discharge", "Letters", "Results", "Medicines"],
    kinds: &["allergies", "medicines", "problems", "results", "encounters"],
    elsewhere: &[],
};
static GENERAL_PRACTICE: RoleView = RoleView {
    id: "general-practice",
    name: "general practice",
    groups: &["Alerts", "Discharge", "Letters", "Results", "Plans", "Medicines"],
    kinds: &["allergies", "problems", "medicines", "results", "immunisations"],
    elsewhere: &[],
};
static URGENT_CARE: RoleView = RoleView {
    id: "urgent-care",
    name: "urgent care",
    groups: &["Alerts", "Plans", "Summaries", "Medicines", "Discharge"],
    kinds: &["medicines", "allergies", "encounters", "problems"],
    elsewhere: &[],
};
static COMMUNITY: RoleView = RoleView {
    id: "community",
    name: "community services and therapies",
    groups: &["Alerts", "Plans", "Discharge", "Referrals", "Assessments", "Notes", "Medicines"],
    kinds: &["allergies", "problems", "medicines", "encounters"],
    elsewhere: &[],
};
static MENTAL_HEALTH: RoleView = RoleView {
    id: "mental-health",
    name: "mental health services",
    groups: &["Alerts", "Plans", "Legal and consent", "Assessments", "Discharge", "Medicines"],
    kinds: &["allergies", "medicines", "problems", "encounters"],
    elsewhere: &[],
};
/// No letters and results unless asked for.
static SOCIAL_CARE: RoleView = RoleView {
    id: "social-care",
    name: "social care",
    groups: &["Alerts", "Plans", "Discharge", "Assessments", "Legal and consent"],
    kinds: &["encounters", "allergies", "problems", "medicines"],
    elsewhere: &["results"],
};
static MEDICINES: RoleView = RoleView {
    id: "pharmacy",
    name: "pharmacy",
    groups: &["Alerts", "Medicines", "Discharge", "Summaries", "Results"],
    kinds: &["medicines", "allergies", "results", "problems", "immunisations"],
    elsewhere: &[],
};
static MIDWIFERY: RoleView = RoleView {
    id: "midwifery",
    name: "midwifery",
    groups: &["Alerts", "Summaries", "Plans", "Notes", "Results", "Images", "Letters"],
    kinds: &["allergies", "problems", "medicines", "results", "immunisations"],
    elsewhere: &[],
};
static HOSPICE: RoleView = RoleView {
    id: "hospice",
    name: "hospices and care homes",
    groups: &["Alerts", "Plans", "Legal and consent", "Medicines", "Summaries", "Discharge"],
    kinds: &["allergies", "medicines", "problems", "encounters"],
    elsewhere: &[],
};
static RESULTS: RoleView = RoleView {
    id: "laboratories",
    name: "laboratories",
    groups: &["Results", "Orders", "Images"],
    kinds: &["results", "allergies", "medicines"],
    elsewhere: &[],
};
static CORRESPONDENCE: RoleView = RoleView {
    id: "correspondence",
    name: "correspondence",
    groups: &["Letters", "Discharge", "Referrals"],
    kinds: &["encounters", "allergies"],
    elsewhere: &[],
};
/// Who somebody is and when they come; nothing clinical but what may harm them.
static ADMINISTRATION: RoleView = RoleView {
    id: "administration",
    name: "administration",
    groups: &["Administrative", "Legal and consent"],
    kinds: &["encounters", "allergies"],
    elsewhere: &["medicines", "problems", "immunisations", "results"],
};
static PRIVACY: RoleView = RoleView {
    id: "privacy",
    name: "privacy officers",
    groups: &["Legal and consent", "Administrative"],
    kinds: &["allergies"],
    elsewhere: &["medicines", "problems", "immunisations", "results", "encounters"],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::summary::is_kind;

    fn role(code: &str, ods: &str) -> Role {
        let text = str::to_owned;
        Role {
            id: text("1"),
            name: text("A role"),
            organisation: text("An organisation"),
            ods: text(ods),
            code: text(code),
        }
    }

    fn view(view: &str, roles: &[&str], organisations: &[&str]) -> ViewConfig {
        ViewConfig {
            view: view.to_owned(),
            roles: roles.iter().copied().map(str::to_owned).collect(),
            organisations: organisations.iter().map(|code| code.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn each_role_has_its_view() {
        for (codes, id) in [
            (&["R8000", "R8001", "R8003", "R0050", "R95", "R9606", ""][..], "hospital"),
            (&["R0260", "R0270"], "general-practice"),
            (&["R1070"], "urgent-care"),
            (&["R1290"], "pharmacy"),
            (&["R8016"], "midwifery"),
            (&["R8014", "R1330", "R1340", "R9500", "R9535", "R9605"], "social-care"),
            (&["R8005"], "laboratories"),
            (&["R8006"], "correspondence"),
            (&["R8008", "R8009", "R8010", "R8013"], "administration"),
            (&["R0001", "R5100", "R5105"], "privacy"),
        ] {
            for code in codes {
                assert_eq!(RoleView::of_code(code).id, id, "{code}");
            }
        }
    }

    #[test]
    fn a_configured_view_comes_before_that_of_the_code() {
        let url = |text: &str| text.parse().unwrap();
        let mut config = WebConfig::new(
            url("http://127.0.0.1:8080"),
            url("http://127.0.0.1:8080/fhir"),
            url("http://127.0.0.1:8085"),
            "portal",
        );
        config.views = vec![
            view("mental-health", &["R8001", "R8003"], &["ZEX03"]),
            view("community", &[], &["ZEX02"]),
            view("hospice", &["R8002"], &[]),
        ];
        let id = |code, ods| RoleView::of(Some(&role(code, ods)), &config).id;

        assert_eq!(id("R8001", "ZEX03"), "mental-health");
        assert_eq!(id("R1290", "ZEX03"), "pharmacy", "the rule names other roles");
        assert_eq!(id("R1290", "ZEX02"), "community");
        assert_eq!(id("R8002", "ZEX01"), "hospice");
        assert_eq!(id("R8001", "ZEX01"), "hospital");
        assert_eq!(RoleView::of(None, &config).id, "hospital");
        config.validate().unwrap();
        for wrong in [view("zebras", &["R8001"], &[]), view("hospice", &[], &[])] {
            config.views = vec![wrong];
            assert!(config.validate().is_err());
        }
    }

    #[test]
    fn the_groups_and_kinds_of_a_view_come_first_and_none_is_lost() {
        for view in VIEWS {
            let mut places: Vec<usize> = GROUPS.iter().map(|group| view.place(group)).collect();
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), GROUPS.len(), "{}", view.id);
            assert!(view.groups.iter().all(|group| GROUPS.contains(group)), "{}", view.id);
            let mut kinds = view.kinds.iter().chain(view.elsewhere);
            assert!(kinds.all(|kind| is_kind(kind)), "{}", view.id);
            assert!(view.kinds.iter().take(2).any(|kind| *kind == "allergies"), "{}", view.id);
            assert!(!view.elsewhere.iter().any(|kind| view.kinds.contains(kind)), "{}", view.id);
        }
        assert!(URGENT_CARE.place("Plans") < URGENT_CARE.place("Letters"));
    }
}
