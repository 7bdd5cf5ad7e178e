//! Questions about the agreements themselves: who shares with whom, what ends, under which clause.
//! NHS: 6.

use carerecord_model::OrganisationCode;
use jiff::civil::Date;

use crate::policy::Label;
use crate::{AgreementStatus, Flow, Policy, Purpose, SharingAgreement};

/// One direction of sharing in force: from whom, to whom, under what.
#[derive(Clone, Debug)]
pub struct Sharing<'p> {
    /// Whose documents.
    pub from: &'p OrganisationCode,
    /// Who may see them.
    pub to: &'p OrganisationCode,
    /// Agreements with the number of the clause, counted from 1; empty where nothing is shared.
    pub under: Vec<(&'p SharingAgreement, usize)>,
}

/// What is asked of the agreements.
#[derive(Clone, Debug)]
pub struct FlowQuestion {
    /// Whose documents.
    pub from: OrganisationCode,
    /// Who would see them.
    pub to: OrganisationCode,
    /// classCode; none is any.
    pub class: Option<String>,
    /// typeCode; none is any that no clause leaves out.
    pub r#type: Option<String>,
    /// The confidentiality code.
    pub label: String,
    /// The job role; none is a system.
    pub role: Option<String>,
    /// What for.
    pub purpose: Purpose,
    /// When.
    pub on: Date,
}

impl Policy {
    /// Every agreement, in the order of the files.
    pub fn agreements(&self) -> &[SharingAgreement] {
        &self.agreements
    }

    /// Every pair of organisations of the programme, and under what they share on a day.
    pub fn sharing(&self, day: Date, purpose: Purpose) -> Vec<Sharing<'_>> {
        let mut all = Vec::new();
        for from in self.organisations.keys() {
            for to in self.organisations.keys().filter(|to| *to != from) {
                let under = self.flows(from, to, day, purpose);
                all.push(Sharing { from, to, under: under.map(|(a, n, _)| (a, n)).collect() });
            }
        }
        all
    }

    /// The first clause in force that lets a flow be.
    pub fn clause(&self, asked: &FlowQuestion) -> Option<(&SharingAgreement, usize)> {
        let label = Label::from_code(&asked.label);
        let fits = |flow: &Flow| {
            let class = asked.class.as_ref();
            let kind = asked.r#type.as_ref();
            (flow.classes.is_empty() || class.is_some_and(|class| flow.classes.contains(class)))
                && kind.map_or(flow.types_excluded.is_empty(), |kind| {
                    !flow.types_excluded.contains(kind)
                })
                && label.is_some()
                && label <= Label::from_code(&flow.sensitivity_max)
                && asked.role.as_ref().is_none_or(|role| {
                    flow.recipient_roles.is_empty() || flow.recipient_roles.contains(role)
                })
        };
        let mut flows = self.flows(&asked.from, &asked.to, asked.on, asked.purpose);
        flows.find(|(_, _, flow)| fits(flow)).map(|(agreement, n, _)| (agreement, n))
    }

    /// Agreements in force on a day that will not be on a later one, soonest first.
    pub fn stops_before(&self, day: Date, before: Date) -> Vec<&SharingAgreement> {
        let mut stops: Vec<&SharingAgreement> =
            self.agreements_in_force(day).filter(|a| a.effective.to < before).collect();
        stops.sort_by_key(|a| a.effective.to);
        stops
    }

    fn flows<'p, 'q>(
        &'p self,
        from: &'q OrganisationCode,
        to: &'q OrganisationCode,
        day: Date,
        purpose: Purpose,
    ) -> impl Iterator<Item = (&'p SharingAgreement, usize, &'p Flow)> {
        let bound = move |a: &&SharingAgreement| a.serves(purpose) && a.binds(from) && a.binds(to);
        self.agreements_in_force(day).filter(bound).flat_map(move |agreement| {
            let flows = agreement.provides.iter().enumerate();
            let links = move |flow: &Flow| flow.from.contains(from) && flow.to.contains(to);
            flows
                .filter(move |(_, flow)| links(flow))
                .map(move |(n, flow)| (agreement, n + 1, flow))
        })
    }
}

impl SharingAgreement {
    /// What somebody should look at on a day; empty when all is well.
    pub fn warnings(&self, day: Date) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut say = |what: String| warnings.push(format!("agreement {}: {what}", self.name()));
        if self.status != AgreementStatus::InForce {
            return warnings;
        }
        for party in self.unsigned() {
            say(format!("{} has not signed, so nothing flows", party.ods));
        }
        if self.effective.to < day {
            say(format!("ended on {}, and still says in-force", self.effective.to));
        } else if self.effective.review_by.is_some_and(|by| by < day) {
            let by = self.effective.review_by.map(|by| by.to_string()).unwrap_or_default();
            say(format!("was to be reviewed by {by}"));
        }
        warnings
    }
}
