use carerecord_model::OrganisationCode;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::Purpose;

/// A data sharing agreement in the form of the handbook's repository of agreements. Versions are
/// immutable: a change is a new file with the next version.
///
/// Members that take no part in the decision yet (legal basis, rights, retention) are read and
/// kept in `rest`, so that one file serves the register and the decision.
#[derive(Clone, Debug, Deserialize)]
pub struct SharingAgreement {
    /// The agreement's id; named in decisions.
    pub id: String,
    /// Counted from 1.
    pub version: u32,
    /// Where it stands.
    pub status: AgreementStatus,
    /// What it is called.
    #[serde(default)]
    pub title: String,
    /// Who is in it. A flow needs all of them signed.
    pub parties: Vec<Party>,
    /// What it may be used for.
    pub purpose: Vec<PurposeCode>,
    /// What flows.
    pub provides: Vec<Flow>,
    /// When it holds.
    pub effective: Effective,
    /// Everything else the file says.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

/// Where an agreement stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgreementStatus {
    /// Being written.
    Draft,
    /// Being read by the parties.
    InReview,
    /// Signed by all, not yet begun.
    Signed,
    /// In force within its dates.
    InForce,
    /// Halted for the time being.
    Suspended,
    /// Past its end.
    Expired,
    /// Ended early.
    Terminated,
}

/// A party to an agreement.
#[derive(Clone, Debug, Deserialize)]
pub struct Party {
    /// The organisation.
    pub ods: OrganisationCode,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// `controller` or `processor`.
    pub role: String,
    /// Who signed; empty when nobody has.
    #[serde(default)]
    pub signed_by: String,
    /// When.
    pub signed_on: Option<Date>,
}

/// A purpose, by code; the system is not compared.
#[derive(Clone, Debug, Deserialize)]
pub struct PurposeCode {
    /// The code, e.g. `TREAT` or `directcare`.
    pub code: String,
}

/// One direction of sharing within an agreement.
#[derive(Clone, Debug, Deserialize)]
pub struct Flow {
    /// Whose documents.
    pub from: Vec<OrganisationCode>,
    /// Who may see them.
    pub to: Vec<OrganisationCode>,
    /// Class codes covered; empty is all.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Type codes left out.
    #[serde(default)]
    pub types_excluded: Vec<String>,
    /// The highest confidentiality code that flows; absent is `N`.
    #[serde(default = "normal")]
    pub sensitivity_max: String,
    /// Handling tags that do not flow.
    #[serde(default)]
    pub tags_excluded: Vec<String>,
    /// Job roles that may see them; empty is all.
    #[serde(default)]
    pub recipient_roles: Vec<String>,
    /// Everything else the file says of the flow.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

/// When an agreement holds.
#[derive(Clone, Debug, Deserialize)]
pub struct Effective {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// When it is due for review; a warning, not an end.
    pub review_by: Option<Date>,
    /// Days of notice to end it.
    pub notice_days: Option<u32>,
}

impl SharingAgreement {
    /// The day by which agreements hold at a time: that of UTC.
    pub fn day(at: Timestamp) -> Date {
        at.to_zoned(TimeZone::UTC).date()
    }

    /// The agreement and its version, as decisions name it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.id, self.version)
    }

    /// Whether it holds on a day: in force, within its dates, every controller signed.
    pub fn in_force(&self, day: Date) -> bool {
        self.status == AgreementStatus::InForce
            && (self.effective.from..=self.effective.to).contains(&day)
            && self.unsigned().next().is_none()
    }

    /// Controllers who have not signed. A processor acts under its controllers' signatures.
    pub(crate) fn unsigned(&self) -> impl Iterator<Item = &Party> {
        self.parties.iter().filter(|p| p.role != "processor" && !p.signed())
    }

    /// Whether it is for this purpose.
    pub fn serves(&self, purpose: Purpose) -> bool {
        self.purpose.iter().any(|p| Purpose::from_code(&p.code) == Some(purpose))
    }

    /// Whether the organisation has signed it or is its processor.
    pub fn binds(&self, organisation: &OrganisationCode) -> bool {
        self.parties.iter().any(|p| p.ods == *organisation && (p.signed() || p.role == "processor"))
    }
}

impl Party {
    fn signed(&self) -> bool {
        !self.signed_by.is_empty() && self.signed_on.is_some()
    }
}

fn normal() -> String {
    "N".to_owned()
}
