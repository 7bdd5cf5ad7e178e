use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use carerecord_model::{OrganisationCode, RepositoryUniqueId};
use jiff::civil::Date;
use serde::Deserialize;

use crate::citizen::CitizenRules;
use crate::consent_model::ConsentModel;
use crate::relationship_rules::RelationshipRules;
use crate::sensitivity::SensitivityRules;
use crate::{Assurance, BreakGlassRules, Purpose, Rule, SharingAgreement};

/// The programme's rules, read once from a folder and checked as a whole:
///
/// - `access.toml`: minimum assurance, roles, which refusals are told, organisations, nodes, who needs
///   a relationship;
/// - `consent-models.toml`: the consent model of each group of users;
/// - `agreements/*.json`: the data sharing agreements;
/// - `sensitivity.toml`, if it is there: what raises labels, adds tags and withholds;
/// - `citizens.toml`, if it is there: what citizens may see, by age and as proxies.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) minimum_assurance: Assurance,
    pub(crate) reveal: HashSet<Rule>,
    pub(crate) roles: BTreeMap<String, RoleRule>,
    pub(crate) system_max_label: Label,
    pub(crate) organisations: BTreeMap<OrganisationCode, Organisation>,
    pub(crate) nodes: BTreeMap<RepositoryUniqueId, OrganisationCode>,
    pub(crate) consent_models: Vec<ConsentModel>,
    pub(crate) agreements: Vec<SharingAgreement>,
    pub(crate) break_glass: Option<BreakGlassRules>,
    pub(crate) systems: BTreeMap<String, SystemRule>,
    pub(crate) sensitivity: SensitivityRules,
    pub(crate) relationships: RelationshipRules,
    /// Without them no citizen sees anything.
    pub(crate) citizens: Option<CitizenRules>,
    pub(crate) audit: AuditRules,
}

/// The `[audit]` table: who reads the record of accesses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditRules {
    /// Organisations whose privacy officers read about every organisation of the region.
    #[serde(default)]
    whole_region: Vec<OrganisationCode>,
}

/// What a job role may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// What people call the role.
    pub name: String,
    /// Purposes for which it may open records.
    pub purposes: Vec<Purpose>,
    /// The highest confidentiality code it may see.
    pub max_label: String,
    /// Whether it may record and lift objections and permissions.
    #[serde(default)]
    pub may_record_consent: bool,
    /// Whether it may override what closes a record, with a reason and for a while.
    #[serde(default)]
    pub may_break_glass: bool,
    /// Whether it may claim to care for a patient, with a reason and for a while.
    #[serde(default)]
    pub may_claim_relationship: bool,
    /// Whether it may record who cares for a patient, and read it.
    #[serde(default)]
    pub may_record_relationships: bool,
    /// Whether it may see where a restricted (S-flagged) person is cared for.
    #[serde(default)]
    pub may_see_locations: bool,
    /// Whether it may have subject access packs made, as far as it may search the record of accesses.
    #[serde(default)]
    pub may_make_access_packs: bool,
    /// Whether it may see how feeds and nodes do, and what flows under agreements: nothing of patients.
    #[serde(default)]
    pub may_run_programme: bool,
}

/// What a system may do beyond what its rights say, by the name that it is known by.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemRule {
    /// Whether it may ask what others may see and why, and what would be if.
    #[serde(default)]
    pub may_ask_of_others: bool,
    /// Whether it may record who cares for a patient, and read it.
    #[serde(default)]
    pub may_record_relationships: bool,
}

/// An organisation of the programme.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Its name for people.
    pub name: String,
    /// Its ODS roles, e.g. `RO197`.
    #[serde(default)]
    pub org_roles: Vec<String>,
}

/// Why the rules cannot be used. Names file and key, so that a person can mend it.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(String, std::io::Error),
    /// A file does not have the right form.
    #[error("{0}: {1}")]
    Form(String, String),
    /// Files are right one by one, but not together.
    #[error("{0}")]
    Meaning(String),
}

/// The ladder of confidentiality codes, `U < L < M < N < R < V`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Label {
    Unrestricted,
    Low,
    Moderate,
    Normal,
    Restricted,
    VeryRestricted,
}

impl Label {
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        match code {
            "U" => Some(Self::Unrestricted),
            "L" => Some(Self::Low),
            "M" => Some(Self::Moderate),
            "N" => Some(Self::Normal),
            "R" => Some(Self::Restricted),
            "V" => Some(Self::VeryRestricted),
            _ => None,
        }
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Unrestricted => "U",
            Self::Low => "L",
            Self::Moderate => "M",
            Self::Normal => "N",
            Self::Restricted => "R",
            Self::VeryRestricted => "V",
        }
    }

    pub(crate) fn display(self) -> &'static str {
        match self {
            Self::Unrestricted => "unrestricted",
            Self::Low => "low",
            Self::Moderate => "moderate",
            Self::Normal => "normal",
            Self::Restricted => "restricted",
            Self::VeryRestricted => "very restricted",
        }
    }
}

impl Policy {
    /// Reads and checks the rules in a folder.
    ///
    /// # Errors
    /// `PolicyError` names the file and what is wrong; nothing is half-loaded.
    pub fn load(folder: &Path) -> Result<Self, PolicyError> {
        let access = read(&folder.join("access.toml"))?;
        let models = read(&folder.join("consent-models.toml"))?;
        let mut agreements = Vec::new();
        for path in files(&folder.join("agreements"), "json")? {
            agreements.push((path.display().to_string(), read(&path)?));
        }
        let mut policy = Self::parse(&access, &models, &agreements)?;
        let sensitivity = folder.join("sensitivity.toml");
        if sensitivity.exists() {
            policy = policy.with_sensitivity(&read(&sensitivity)?)?;
        }
        let citizens = folder.join("citizens.toml");
        if citizens.exists() {
            policy = policy.with_citizens(&read(&citizens)?)?;
        }
        Ok(policy)
    }

    /// The same with the rules of a `citizens.toml`.
    ///
    /// # Errors
    /// As `load`.
    pub fn with_citizens(self, text: &str) -> Result<Self, PolicyError> {
        Ok(Self { citizens: Some(CitizenRules::parse(text)?), ..self })
    }

    /// The same with the rules of a `sensitivity.toml`.
    ///
    /// # Errors
    /// As `load`.
    pub fn with_sensitivity(self, text: &str) -> Result<Self, PolicyError> {
        Ok(Self { sensitivity: SensitivityRules::parse(text)?, ..self })
    }

    /// Checks rules given as texts; `agreements` are pairs of file name and JSON.
    ///
    /// # Errors
    /// As `load`.
    pub fn parse(
        access: &str,
        consent_models: &str,
        agreements: &[(String, String)],
    ) -> Result<Self, PolicyError> {
        let form = |name: &str, e: &dyn std::fmt::Display| {
            PolicyError::Form(name.to_owned(), e.to_string())
        };
        let access: AccessFile = toml::from_str(access).map_err(|e| form("access.toml", &e))?;
        let models: ConsentModelFile =
            toml::from_str(consent_models).map_err(|e| form("consent-models.toml", &e))?;
        let agreements = agreements
            .iter()
            .map(|(name, text)| serde_json::from_str(text).map_err(|e| form(name, &e)))
            .collect::<Result<Vec<SharingAgreement>, _>>()?;
        Self::check(access, models.model, agreements)
    }

    fn check(
        access: AccessFile,
        consent_models: Vec<ConsentModel>,
        agreements: Vec<SharingAgreement>,
    ) -> Result<Self, PolicyError> {
        let label = |code: &str, place: &str| {
            Label::from_code(code).ok_or_else(|| {
                PolicyError::Meaning(format!("{place}: {code} is not one of U, L, M, N, R, V"))
            })
        };
        let mut reveal = HashSet::new();
        for id in &access.reveal {
            // That something is withheld is told to nobody.
            let rule = Rule::from_id(id).filter(|rule| *rule != Rule::Withheld);
            let rule = rule.ok_or_else(|| {
                PolicyError::Meaning(format!("access.toml: reveal: {id} is not a rule that denies"))
            })?;
            reveal.insert(rule);
        }
        for (role, rule) in &access.role {
            label(&rule.max_label, &format!("access.toml: role.{role}.max_label"))?;
        }
        for (repository, organisation) in &access.node {
            if !access.organisation.contains_key(organisation) {
                return Err(PolicyError::Meaning(format!(
                    "access.toml: node.{repository}: {organisation} is not among the organisations"
                )));
            }
        }
        if let Some(code) =
            access.audit.whole_region.iter().find(|o| !access.organisation.contains_key(*o))
        {
            return Err(PolicyError::Meaning(format!(
                "access.toml: audit.whole_region: {code} is not among the organisations"
            )));
        }
        check_agreements(&agreements)?;
        let break_glass = access.break_glass.map(BreakGlassFile::check).transpose()?;
        let relationships = access.relationships.unwrap_or_default().check()?;
        let system_max_label = label(&access.system_max_label, "access.toml: system_max_label")?;
        Ok(Self {
            minimum_assurance: access.minimum_assurance,
            reveal,
            roles: access.role,
            system_max_label,
            organisations: access.organisation,
            nodes: access.node,
            consent_models,
            agreements,
            break_glass,
            systems: access.system,
            sensitivity: SensitivityRules::default(),
            relationships,
            citizens: None,
            audit: access.audit,
        })
    }

    /// The rule of a job role, when the programme has one.
    pub fn role(&self, role: &str) -> Option<&RoleRule> {
        self.roles.get(role)
    }

    /// The weakest sign-in that opens records.
    pub fn minimum_assurance(&self) -> Assurance {
        self.minimum_assurance
    }

    /// The name of an organisation for people; its code when it is not in the files.
    pub fn organisation_name<'a>(&'a self, code: &'a OrganisationCode) -> &'a str {
        self.organisations.get(code).map_or(code.as_str(), |o| o.name.as_str())
    }

    /// The organisation that runs a repository node.
    pub fn node_organisation(&self, node: &RepositoryUniqueId) -> Option<&OrganisationCode> {
        self.nodes.get(node)
    }

    /// Whether the privacy officers of an organisation read about every organisation.
    pub(crate) fn watches_region(&self, organisation: &OrganisationCode) -> bool {
        self.audit.whole_region.contains(organisation)
    }

    /// Whether a refusal by this rule may be told. Others look like "there is nothing".
    pub fn reveals(&self, rule: Rule) -> bool {
        rule.is_about_the_session() || self.reveal.contains(&rule)
    }

    /// Agreements in force on a day.
    pub(crate) fn agreements_in_force(&self, day: Date) -> impl Iterator<Item = &SharingAgreement> {
        self.agreements.iter().filter(move |a| a.in_force(day))
    }
}

fn check_agreements(agreements: &[SharingAgreement]) -> Result<(), PolicyError> {
    let mut seen = HashSet::new();
    for agreement in agreements {
        let name = agreement.name();
        if !seen.insert(name.clone()) {
            return Err(PolicyError::Meaning(format!("agreement {name} is there twice")));
        }
        if agreement.effective.to < agreement.effective.from {
            return Err(PolicyError::Meaning(format!("agreement {name} ends before it begins")));
        }
        for flow in &agreement.provides {
            if Label::from_code(&flow.sensitivity_max).is_none() {
                return Err(PolicyError::Meaning(format!(
                    "agreement {name}: sensitivity_max {} is not one of U, L, M, N, R, V",
                    flow.sensitivity_max
                )));
            }
            let stranger = flow
                .from
                .iter()
                .chain(&flow.to)
                .find(|o| !agreement.parties.iter().any(|p| p.ods == **o));
            if let Some(stranger) = stranger {
                return Err(PolicyError::Meaning(format!(
                    "agreement {name}: {stranger} takes part in a flow but is not a party"
                )));
            }
        }
    }
    Ok(())
}

pub(crate) fn read(path: &Path) -> Result<String, PolicyError> {
    std::fs::read_to_string(path).map_err(|e| PolicyError::Read(path.display().to_string(), e))
}

/// The files of a kind in a folder, by name.
pub(crate) fn files(folder: &Path, kind: &str) -> Result<Vec<std::path::PathBuf>, PolicyError> {
    let failed = |e| PolicyError::Read(folder.display().to_string(), e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == kind) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessFile {
    #[serde(default = "aal2")]
    minimum_assurance: Assurance,
    #[serde(default)]
    reveal: Vec<String>,
    #[serde(default = "normal")]
    system_max_label: String,
    #[serde(default)]
    role: BTreeMap<String, RoleRule>,
    #[serde(default)]
    organisation: BTreeMap<OrganisationCode, Organisation>,
    #[serde(default)]
    node: BTreeMap<RepositoryUniqueId, OrganisationCode>,
    break_glass: Option<BreakGlassFile>,
    relationships: Option<RelationshipRules>,
    #[serde(default)]
    system: BTreeMap<String, SystemRule>,
    #[serde(default)]
    audit: AuditRules,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakGlassFile {
    rules: Vec<String>,
    #[serde(default = "restricted")]
    max_label: String,
    activity: Option<String>,
    #[serde(default = "one")]
    hours: u8,
    #[serde(default = "five")]
    review_days: u16,
    #[serde(default)]
    tell_sources: bool,
}

impl BreakGlassFile {
    fn check(self) -> Result<BreakGlassRules, PolicyError> {
        let wrong =
            |what: String| PolicyError::Meaning(format!("access.toml: break_glass: {what}"));
        let rules: Result<HashSet<Rule>, _> = self
            .rules
            .iter()
            .map(|id| {
                // Who asks, and for what, is nobody's to override; nor is an agreement between
                // organisations.
                let rule = Rule::from_id(id).filter(|rule| rule.is_about_the_patient());
                rule.ok_or_else(|| wrong(format!("{id} is not a rule that may be overridden")))
            })
            .collect();
        let max_label = Label::from_code(&self.max_label)
            .ok_or_else(|| wrong(format!("max_label {} is not on the ladder", self.max_label)))?;
        if !(1..=24).contains(&self.hours) {
            return Err(wrong("hours are from 1 to 24".to_owned()));
        }
        Ok(BreakGlassRules {
            rules: rules?,
            max_label,
            activity: self.activity,
            hours: self.hours,
            review_days: self.review_days,
            tell_sources: self.tell_sources,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentModelFile {
    #[serde(default)]
    model: Vec<ConsentModel>,
}

fn aal2() -> Assurance {
    Assurance::Aal2
}

fn restricted() -> String {
    "R".to_owned()
}

fn one() -> u8 {
    1
}

fn five() -> u16 {
    5
}

fn normal() -> String {
    "N".to_owned()
}
