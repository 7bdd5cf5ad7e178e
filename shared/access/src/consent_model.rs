use jiff::civil::Date;
use serde::Deserialize;

/// On what basis a group of users sees the record, for a time. One region runs several.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentModel {
    /// What the model is called; named in decisions.
    pub name: String,
    /// Whom it is for.
    pub applies_to: AppliesTo,
    /// Implied or explicit.
    pub basis: Basis,
    /// Whether the user may ask the patient and record the answer at the point of care.
    #[serde(default)]
    pub ask_at_view: bool,
    /// The first day it holds.
    pub from: Date,
    /// The last day it holds; `None` is without end.
    pub until: Option<Date>,
}

/// A group of users. Every list that is not empty must match.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppliesTo {
    /// ODS roles of the user's organisation, e.g. `RO76`.
    pub org_role: Vec<String>,
    /// ODS codes of the user's organisation.
    pub organisation: Vec<String>,
    /// Job roles, e.g. `R8014`.
    pub user_role: Vec<String>,
}

/// The basis of sharing under the duty of confidentiality.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Shared unless the patient objects.
    Implied,
    /// Shared only when the patient has said yes.
    Explicit,
}

impl ConsentModel {
    /// Whether the model holds on a day for a user of this kind.
    pub fn covers(&self, day: Date, org_roles: &[String], org: &str, role: Option<&str>) -> bool {
        let in_time = self.from <= day && self.until.is_none_or(|until| day <= until);
        in_time && self.applies_to.covers(org_roles, org, role)
    }

    /// How many kinds of condition it has: of two models that cover a user, the one that says more
    /// about the user is meant.
    pub fn specificity(&self) -> usize {
        self.applies_to.specificity()
    }
}

impl AppliesTo {
    /// Whether a user of this kind is of the group.
    pub(crate) fn covers(&self, org_roles: &[String], org: &str, role: Option<&str>) -> bool {
        (self.org_role.is_empty() || self.org_role.iter().any(|r| org_roles.contains(r)))
            && (self.organisation.is_empty() || self.organisation.iter().any(|o| o == org))
            && (self.user_role.is_empty()
                || role.is_some_and(|r| self.user_role.iter().any(|u| u == r)))
    }

    /// How many kinds of condition it has.
    pub(crate) fn specificity(&self) -> usize {
        let lists = [&self.org_role, &self.organisation, &self.user_role];
        lists.iter().filter(|list| !list.is_empty()).count()
    }
}
