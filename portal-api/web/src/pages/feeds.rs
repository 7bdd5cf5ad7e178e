//! How feeds and nodes do, for who runs the programme.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Form, State};
use axum::response::Html;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;
use uuid::Uuid;

use super::{Layout, page};
use crate::api::{Feed, FeedRefusal, FeedsOverview, NodeHealth, TriedAgain};
use crate::display::{clinical, counted};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "feeds.html")]
struct FeedsPage {
    layout: Layout,
    since: String,
    late: usize,
    feeds: Vec<FeedView>,
    refusals: Vec<RefusalView>,
    nodes: Vec<NodeView>,
    unmapped: Vec<(String, String, String, String, u64)>,
    missing: Vec<MissingView>,
    notes: Vec<String>,
    /// What came of trying something again.
    tried: Vec<String>,
}

struct FeedView {
    feed: Feed,
    name: String,
    what: &'static str,
    last: String,
    expected: String,
    /// One for each day, the oldest first.
    bars: Vec<Bar>,
    /// What the plot shows, in words.
    said: String,
}

/// A day of the plot: x, and height and top of what was taken and of what was not, in its units.
struct Bar {
    x: u32,
    taken: (u32, u32),
    refused: (u32, u32),
}

struct RefusalView {
    refusal: FeedRefusal,
    what: &'static str,
    examples: Vec<(String, Option<Uuid>)>,
    /// Until when the first of those can be tried again that can.
    until: Option<String>,
}

struct NodeView {
    node: NodeHealth,
    state: (&'static str, &'static str),
    last: String,
}

/// A node's entries and what they lack.
struct MissingView {
    node: String,
    attribute: String,
    missing: u64,
    of: u64,
    percent: u64,
}

/// Asks for another try of what was refused for a reason.
#[derive(Deserialize)]
pub(crate) struct AgainForm {
    csrf: String,
    /// Ids of requests, with spaces between them.
    requests: String,
}

/// Shows them.
pub(crate) async fn list(
    State(portal): SharedPortal,
    Caller(person): Caller,
) -> Result<Html<String>, Problem> {
    listed(&portal, person, Vec::new()).await
}

/// Tries again what was refused, and shows how feeds do then.
pub(crate) async fn try_again(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Form(form): Form<AgainForm>,
) -> Result<Html<String>, Problem> {
    person.check(&form.csrf)?;
    let caller = Caller(person);
    let requests: Vec<String> = form.requests.split_whitespace().map(str::to_owned).collect();
    let tried = portal.api.try_again(caller.asker(), &requests).await?;
    listed(&portal, caller.0, told(&tried)).await
}

fn told(tried: &TriedAgain) -> Vec<String> {
    let TriedAgain { registered, refused, gone, not_asked } = tried;
    let messages = |n: &usize| counted(*n, "message", "messages");
    let mut told = Vec::new();
    if *registered > 0 {
        told.push(format!("{} taken now.", messages(registered)));
    }
    if !refused.is_empty() {
        let reasons: BTreeSet<&str> = refused.iter().map(String::as_str).collect();
        let reasons = reasons.into_iter().collect::<Vec<_>>().join(", ");
        told.push(format!("{} refused again: {reasons}.", messages(&refused.len())));
    }
    if *gone > 0 {
        let words = "not kept any more, or sent again since";
        told.push(format!("{} {words}.", messages(gone)));
    }
    if *not_asked > 0 {
        told.push(format!("{} could not be tried just now.", messages(not_asked)));
    }
    told
}

async fn listed(
    portal: &Portal,
    person: Person,
    tried: Vec<String>,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&person));
    let all = portal.api.feeds(Caller(person).asker()).await?;
    let FeedsOverview { feeds, refusals, nodes, unmapped, missing, notes, since, until } = all;
    let day = |text: &str| {
        text.parse::<Timestamp>().map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date())
    };
    let (Ok(first), Ok(last)) = (day(&since), day(&until)) else {
        return Err(Problem::CouldNotAsk);
    };
    let feeds: Vec<FeedView> =
        feeds.into_iter().map(|feed| portal.feed_view(feed, first, last)).collect();
    let missing = missing.into_iter().filter(|(_, _, missing, _)| *missing > 0);
    let missing = missing.map(|(id, attribute, missing, of)| {
        let node = nodes.iter().find(|node| node.id == id);
        let name = node.map(|node| node.name.clone());
        lacking(name.unwrap_or(id), attribute, missing, of)
    });
    let missing: Vec<MissingView> = missing.collect();
    page(&FeedsPage {
        layout,
        since: clinical(&since, &portal.zone),
        late: feeds.iter().filter(|view| view.feed.late).count(),
        feeds,
        refusals: refusals.into_iter().map(|refusal| portal.refusal_view(refusal)).collect(),
        nodes: nodes.into_iter().map(|node| portal.node_view(node)).collect(),
        unmapped,
        missing,
        notes,
        tried,
    })
}

impl Portal {
    fn feed_view(&self, feed: Feed, first: Date, last: Date) -> FeedView {
        let never = || "Not in this time".to_owned();
        let (taken, refused) =
            feed.days.iter().fold((0, 0), |(taken, refused), day| (taken + day.1, refused + day.2));
        FeedView {
            name: feed.name.clone().unwrap_or_else(|| feed.system.clone()),
            what: transaction(&feed.transaction),
            last: feed.last_taken.as_ref().map_or_else(never, |at| clinical(at, &self.zone)),
            expected: match feed.every_hours {
                Some(1) => "Every hour".to_owned(),
                Some(24) => "Every day".to_owned(),
                Some(hours) => format!("Every {hours} hours"),
                None => "Nothing is set".to_owned(),
            },
            bars: bars(&feed, first, last),
            said: said(&feed, taken, refused),
            feed,
        }
    }

    fn refusal_view(&self, refusal: FeedRefusal) -> RefusalView {
        let example = |(at, id): &(String, Option<String>)| {
            (clinical(at, &self.zone), id.as_ref().and_then(|id| id.parse().ok()))
        };
        RefusalView {
            what: transaction(&refusal.transaction),
            examples: refusal.examples.iter().map(example).collect(),
            until: refusal.until.as_ref().map(|until| clinical(until, &self.zone)),
            refusal,
        }
    }

    fn node_view(&self, node: NodeHealth) -> NodeView {
        let never = || "Not known".to_owned();
        NodeView {
            state: match node.state.as_str() {
                "answered" => ("Answers", "green"),
                "late" => ("Slow", "yellow"),
                "refused" => ("Refuses", "red"),
                "garbage" => ("Answers wrongly", "red"),
                "paused" => ("Left alone for a while", "orange"),
                _ => ("Does not answer", "red"),
            },
            last: node.last_good.as_ref().map_or_else(never, |at| clinical(at, &self.zone)),
            node,
        }
    }
}

fn lacking(node: String, attribute: String, missing: u64, of: u64) -> MissingView {
    let percent = (missing * 100).checked_div(of).unwrap_or_default();
    MissingView { node, attribute, missing, of, percent }
}

/// One for each day between the two, heights in twentieths of the highest.
fn bars(feed: &Feed, first: Date, last: Date) -> Vec<Bar> {
    let highest = feed.days.iter().map(|(_, taken, refused)| taken + refused).max().unwrap_or(0);
    let part = |n: u64| -> u32 {
        let height = (n * u64::from(HEIGHT)).checked_div(highest).unwrap_or_default();
        // What there is at all is seen.
        u32::try_from(height).unwrap_or(HEIGHT).max(u32::from(n > 0))
    };
    let mut bars = Vec::new();
    let mut day = first;
    while day <= last && bars.len() < MOST_DAYS {
        let text = day.to_string();
        let of = feed.days.iter().find(|(date, _, _)| *date == text);
        let (taken, refused) =
            of.map_or((0, 0), |(_, taken, refused)| (part(*taken), part(*refused)));
        let taken = taken.min(HEIGHT - refused.min(HEIGHT));
        bars.push(Bar {
            x: u32::try_from(bars.len()).unwrap_or_default() * STEP,
            taken: (taken, HEIGHT - taken),
            refused: (refused, HEIGHT - taken - refused.min(HEIGHT - taken)),
        });
        let Ok(next) = day.checked_add(1.day()) else { break };
        day = next;
    }
    bars
}

fn said(feed: &Feed, taken: u64, refused: u64) -> String {
    let busiest = feed.days.iter().max_by_key(|(_, taken, refused)| taken + refused);
    let busiest = busiest.map(|(date, taken, refused)| {
        let date: Option<Date> = date.parse().ok();
        let date = date.map(|d| d.strftime("%d-%b-%Y").to_string()).unwrap_or_default();
        format!(", most on {date}: {}", taken + refused)
    });
    format!("{taken} taken and {refused} not taken{}", busiest.unwrap_or_default())
}

/// What a transaction brings, in words.
fn transaction(code: &str) -> &'static str {
    match code {
        "ITI-8" | "ITI-44" => "People and their care",
        "ITI-41" => "Documents",
        "ITI-42" => "Registrations of documents",
        "ITI-57" => "Changes of what is known of documents",
        "ITI-61" => "Documents made on demand",
        "ITI-65" => "Documents by FHIR",
        _ => "Messages",
    }
}

/// Of a plot, in its units.
const HEIGHT: u32 = 20;
const STEP: u32 = 4;
const MOST_DAYS: usize = 93;

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(days: &[(&str, u64, u64)]) -> Feed {
        Feed {
            name: None,
            system: "lab".into(),
            organisation: None,
            transaction: "ITI-41".into(),
            to: "node".into(),
            late: false,
            every_hours: None,
            last_taken: None,
            days: days.iter().map(|(day, t, r)| ((*day).to_owned(), *t, *r)).collect(),
        }
    }

    #[test]
    fn a_plot_has_a_bar_a_day_and_says_the_same_in_words() {
        let feed = feed(&[("2026-11-01", 10, 0), ("2026-11-03", 15, 5), ("2026-11-04", 0, 1)]);

        let bars = bars(&feed, "2026-11-01".parse().unwrap(), "2026-11-05".parse().unwrap());

        let heights: Vec<_> = bars.iter().map(|b| (b.x, b.taken.0, b.refused.0)).collect();
        assert_eq!(heights, [(0, 10, 0), (4, 0, 0), (8, 15, 5), (12, 0, 1), (16, 0, 0)]);
        assert!(bars.iter().all(|b| b.refused.0 + b.refused.1 <= b.taken.1));
        assert_eq!(said(&feed, 25, 6), "25 taken and 6 not taken, most on 03-Nov-2026: 20");
        assert_eq!(said(&super::tests::feed(&[]), 0, 0), "0 taken and 0 not taken");
    }
}
