//! How the portal is used, for who runs the programme. Nothing on it is about a patient.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};
use serde::Deserialize;

use super::{Layout, page};
use crate::api::{Told, Usage, UsedBy};
use crate::display::clinical_date;
use crate::portal::SharedPortal;
use crate::problem::Problem;
use crate::session::Caller;

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    layout: Layout,
    from: String,
    to: String,
    /// How many days can be chosen, and whether they are.
    choices: Vec<(u32, bool)>,
    plot: Plot,
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// Records opened by day.
struct Plot {
    /// x, height and top of each, in units of the plot.
    bars: Vec<(u32, u32, u32)>,
    width: u32,
    /// The same in words.
    said: String,
}

/// What was done in a role at an organisation.
struct Row {
    role: String,
    organisation: String,
    records: String,
    documents: String,
    per_record: String,
    launches: String,
    overrides: String,
    refusals: String,
}

/// The counts of a row.
#[derive(Default)]
struct Sums {
    records: Told,
    documents: Told,
    launches: Told,
    overrides: Told,
    refusals: Told,
}

/// For how many days.
#[derive(Deserialize)]
pub(crate) struct Asked {
    days: Option<u32>,
}

/// Shows it, of the last days.
pub(crate) async fn show(
    State(portal): SharedPortal,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Problem> {
    let days = asked.days.filter(|days| CHOICES.contains(days)).unwrap_or(USUAL);
    let layout = portal.layout(Some(&caller.0));
    let to = portal.clock.now().to_zoned(TimeZone::UTC).date();
    let from = to.checked_sub(Span::new().days(i64::from(days) - 1)).unwrap_or(to);
    let usage = portal.api.usage(caller.asker(), (from, to)).await?;
    page(&UsagePage {
        layout,
        from: clinical_date(usage.from),
        to: clinical_date(usage.to),
        choices: CHOICES.iter().map(|choice| (*choice, *choice == days)).collect(),
        plot: plot(&usage),
        rows: rows(&usage.used),
        notes: usage.notes,
    })
}

/// By organisation and role, over all days.
fn rows(used: &[UsedBy]) -> Vec<Row> {
    let mut all: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for by in used {
        let sums = all.entry((&by.organisation, &by.role)).or_default();
        sums.records = sums.records.and(by.records);
        sums.documents = sums.documents.and(by.documents);
        sums.launches = sums.launches.and(by.launches);
        sums.overrides = sums.overrides.and(by.overrides);
        sums.refusals = sums.refusals.and(by.refusals);
    }
    let row = |((organisation, role), sums): ((&str, &str), Sums)| Row {
        role: role_words(role).to_owned(),
        organisation: organisation.to_owned(),
        records: words(sums.records),
        documents: words(sums.documents),
        per_record: ratio(sums.documents, sums.records),
        launches: words(sums.launches),
        overrides: words(sums.overrides),
        refusals: words(sums.refusals),
    };
    all.into_iter().map(row).collect()
}

/// Who has no job role.
fn role_words(role: &str) -> &str {
    match role {
        "citizen" => "Citizens",
        "launching-system" => "Systems that people come from",
        "system" => "Systems",
        role => role,
    }
}

fn words(told: Told) -> String {
    if told.exact { told.least.to_string() } else { format!("at least {}", told.least) }
}

/// How many of the one come to one of the other, with one digit; nothing of counts that are not exact.
fn ratio(of: Told, to: Told) -> String {
    if !of.exact || !to.exact || to.least == 0 {
        return "Not known".to_owned();
    }
    let tenths = (of.least * 10 + to.least / 2) / to.least;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn plot(usage: &Usage) -> Plot {
    let mut days: BTreeMap<Date, Told> = BTreeMap::new();
    for by in &usage.used {
        let day = days.entry(by.date).or_default();
        *day = day.and(by.records);
    }
    let highest = days.values().map(|told| told.least).max().unwrap_or_default();
    let mut bars = Vec::new();
    let (mut day, mut x) = (usage.from, 0);
    while day <= usage.to && x < MOST_DAYS * STEP {
        let count = days.get(&day).map_or(0, |told| told.least);
        let height = (count * u64::from(HEIGHT)).checked_div(highest).unwrap_or_default();
        // What there is at all is seen.
        let height = u32::try_from(height).unwrap_or(HEIGHT).max(u32::from(count > 0));
        bars.push((x, height, HEIGHT - height));
        x += STEP;
        let Ok(next) = day.checked_add(1.day()) else { break };
        day = next;
    }
    Plot { bars, width: x.max(STEP), said: said(&days) }
}

fn said(days: &BTreeMap<Date, Told>) -> String {
    let all = days.values().fold(Told::default(), |sum, told| sum.and(*told));
    let busiest = days.iter().max_by_key(|(_, told)| told.least).filter(|(_, t)| t.least > 0);
    let busiest = busiest
        .map(|(day, told)| format!(", most on {}: {}", clinical_date(*day), words(*told)))
        .unwrap_or_default();
    format!("Records opened: {}{busiest}", words(all))
}

/// Days that can be chosen; the API counts 92 at most.
const CHOICES: [u32; 3] = [7, 31, 92];
const USUAL: u32 = 31;
/// Of the plot, in its units.
const HEIGHT: u32 = 40;
const STEP: u32 = 6;
const MOST_DAYS: u32 = 92;

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(least: u64) -> Told {
        Told { least, exact: true }
    }

    const FEW: Told = Told { least: 1, exact: false };

    fn used(date: &str, role: &str, records: Told, documents: Told) -> UsedBy {
        UsedBy {
            date: date.parse().unwrap(),
            role: role.to_owned(),
            organisation: "Royal Example Hospital".to_owned(),
            records,
            documents,
            launches: Told::default(),
            overrides: FEW,
            refusals: Told::default(),
        }
    }

    #[test]
    fn days_are_added_up_and_a_few_are_not_told() {
        let all = [
            used("2026-11-01", "Nurse", exactly(20), exactly(31)),
            used("2026-11-02", "Nurse", exactly(10), exactly(14)),
            used("2026-11-02", "citizen", FEW, exactly(6)),
        ];

        let rows = rows(&all);

        let told = |row: &Row| {
            let Row { role, records, documents, per_record, overrides, .. } = row;
            [role, records, documents, per_record, overrides].map(String::clone)
        };
        assert_eq!(told(&rows[0]), ["Nurse", "30", "45", "1.5", "at least 2"]);
        assert_eq!(told(&rows[1]), ["Citizens", "at least 1", "6", "Not known", "at least 1"]);
        assert_eq!(rows[0].launches, "0");
    }

    #[test]
    fn a_plot_has_a_bar_a_day_and_says_the_same_in_words() {
        let (from, to) = ("2026-11-01".parse().unwrap(), "2026-11-04".parse().unwrap());
        let used = vec![
            used("2026-11-01", "Nurse", exactly(10), exactly(1)),
            used("2026-11-03", "Nurse", exactly(19), exactly(1)),
            used("2026-11-03", "Doctor", FEW, exactly(1)),
        ];
        let shown = plot(&Usage { from, to, used, notes: Vec::new() });

        assert_eq!(shown.bars, [(0, 20, 20), (6, 0, 40), (12, 40, 0), (18, 0, 40)]);
        let said = "Records opened: at least 30, most on 03-Nov-2026: at least 20";
        assert_eq!((shown.width, shown.said.as_str()), (24, said));
        let none = plot(&Usage { from, to, used: Vec::new(), notes: Vec::new() });
        assert_eq!(none.said, "Records opened: 0");
    }
}
