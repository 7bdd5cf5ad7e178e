//! How feeds do: what each source has sent, when last, whether it is late, what was refused and why;
//! and how the nodes do. Nothing of it is about a patient.

mod again;
mod rules;

use std::collections::{BTreeMap, HashSet};

use carerecord_audit::{
    AuditSource, FeedDay, FeedQuestion, FeedRefusal, FeedReport, MissingAttribute, UnmappedUse,
};
use carerecord_fhir::SourceState;
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::Portal;
use crate::federation::NodeState;
use crate::looking::LogState;
pub(crate) use again::Again;
use rules::ExpectedFeed;
pub use rules::{FeedRules, FeedRulesError};

/// All of it.
pub(crate) struct Overview {
    pub feeds: Vec<Feed>,
    pub refusals: Vec<Refusals>,
    pub nodes: Vec<NodeState>,
    pub unmapped: Vec<UnmappedUse>,
    pub missing: Vec<MissingAttribute>,
    pub logs: Vec<LogState>,
}

/// What a system sends to a role by a transaction.
pub(crate) struct Feed {
    /// What people call it, where it is expected.
    pub name: Option<String>,
    pub system: String,
    pub organisation: String,
    pub transaction: String,
    /// The role that it is sent to.
    pub to: String,
    pub days: Vec<FeedDay>,
    pub last: Option<Timestamp>,
    pub last_taken: Option<Timestamp>,
    pub every_hours: Option<u32>,
    pub late: bool,
}

/// Messages of a feed that were not taken for one reason, the newest first.
pub(crate) struct Refusals {
    pub system: String,
    pub transaction: String,
    pub to: String,
    pub reason: String,
    pub examples: Vec<FeedRefusal>,
    /// The requests among them whose submissions can be tried again, the oldest first.
    pub again: Vec<String>,
    /// Until when the first of these can.
    pub until: Option<Timestamp>,
}

impl Portal {
    /// How everything does, counted since an instant.
    pub(crate) async fn feeds(&self, since: Timestamp, now: Timestamp) -> Overview {
        let question = FeedQuestion { since, until: now };
        let (reports, nodes, kept) = tokio::join!(
            self.reports(&question),
            self.federation.probe_all(),
            self.kept_refusals()
        );
        let (reports, logs) = reports;
        let mut feeds: BTreeMap<(String, String, String, String), Vec<FeedDay>> = BTreeMap::new();
        let mut refusals: BTreeMap<(String, String, String, String), Vec<FeedRefusal>> =
            BTreeMap::new();
        let (mut unmapped, mut missing) = (Vec::new(), Vec::new());
        for (to, report) in reports {
            for day in report.days {
                let (by, what) = (day.by.clone(), day.transaction.clone());
                let key = (to.clone(), by, what, day.organisation.clone());
                feeds.entry(key).or_default().push(day);
            }
            for refusal in report.refusals {
                let (by, what) = (refusal.by.clone(), refusal.transaction.clone());
                let key = (to.clone(), by, what, refusal.reason.clone());
                refusals.entry(key).or_default().push(refusal);
            }
            unmapped.extend(report.unmapped);
            missing.extend(report.missing);
        }
        let expected = &self.feed_rules.feeds;
        let mut feeds: Vec<Feed> =
            feeds.into_iter().map(|(key, days)| Feed::of(key, days, expected, now)).collect();
        let silent = expected
            .iter()
            .filter(|e| !feeds.iter().any(|f| e.is(&f.system, &f.transaction, &f.to)));
        let silent: Vec<Feed> = silent.map(Feed::silent).collect();
        feeds.extend(silent);
        // What needs somebody stands first.
        feeds.sort_by_key(|feed| !feed.late);
        let refusals = refusals.into_iter().map(|((to, system, transaction, reason), examples)| {
            let requests = examples.iter().rev().filter_map(|example| example.request.as_ref());
            let mut again: Vec<String> = Vec::new();
            for id in requests.filter(|id| kept.contains_key(*id)) {
                if !again.contains(id) {
                    again.push(id.clone());
                }
            }
            let until = again.iter().filter_map(|id| kept.get(id)).map(|kept| kept.until).min();
            Refusals { system, transaction, to, reason, examples, again, until }
        });
        Overview { feeds, refusals: refusals.collect(), nodes, unmapped, missing, logs }
    }

    /// What each role was sent, by the role's name; roles that share a log once.
    async fn reports(&self, question: &FeedQuestion) -> (Vec<(String, FeedReport)>, Vec<LogState>) {
        let members = self.federation.members();
        let nodes = members.iter().map(|n| (n.name.clone(), n.log.clone()));
        let own = self.audit_logs.iter().map(|log| (log.name.clone(), Some(log.source.clone())));
        let asked = own.chain(nodes).map(|(name, source)| async move {
            let Some(source) = source else { return (name, None) };
            let asked: &dyn AuditSource = source.as_ref();
            let report = self.within(asked.feeds(question)).await;
            (name, Some(report))
        });
        let (mut reports, mut logs) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for (name, report) in join_all(asked).await {
            match report {
                None => logs.push(LogState::of(&name, SourceState::NotConnected)),
                Some(Ok(report)) => {
                    let mut state = LogState::of(&name, SourceState::Answered);
                    state.behind = report.behind;
                    logs.push(state);
                    if report.log.is_none_or(|log| seen.insert(log)) {
                        reports.push((name, report));
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, log = name, "what was sent could not be counted");
                    logs.push(LogState::of(&name, SourceState::Down));
                }
            }
        }
        (reports, logs)
    }
}

impl Feed {
    fn of(
        (to, system, transaction, organisation): (String, String, String, String),
        mut days: Vec<FeedDay>,
        expected: &[ExpectedFeed],
        now: Timestamp,
    ) -> Self {
        days.sort_by_key(|day| day.day);
        let rule = expected.iter().find(|e| e.is(&system, &transaction, &to));
        let last_taken = days.iter().filter_map(|day| day.last_taken).max();
        Self {
            name: rule.map(|rule| rule.name.clone()),
            last: days.iter().map(|day| day.last).max(),
            every_hours: rule.map(|rule| rule.every_hours),
            late: rule.is_some_and(|rule| rule.is_late(last_taken, now)),
            system,
            organisation,
            transaction,
            to,
            days,
            last_taken,
        }
    }

    /// One that is expected, of which nothing came.
    fn silent(rule: &ExpectedFeed) -> Self {
        Self {
            name: Some(rule.name.clone()),
            system: rule.system.clone(),
            organisation: String::new(),
            transaction: rule.transaction.clone(),
            to: rule.to.clone(),
            days: Vec::new(),
            last: None,
            last_taken: None,
            every_hours: Some(rule.every_hours),
            late: true,
        }
    }
}
