//! The agreements: who shares with whom, what stops soon, and how each stands.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use jiff::civil::Date;

use super::{Layout, page};
use crate::api::{Agreement, Pair, SharingMatrix};
use crate::portal::SharedPortal;
use crate::problem::Problem;
use crate::session::Caller;

#[derive(Template)]
#[template(path = "agreements.html")]
struct AgreementsPage {
    layout: Layout,
    /// Code and name, in the order of rows and columns.
    organisations: Vec<(String, String)>,
    rows: Vec<Row>,
    stops_before: String,
    /// Agreement, title, last day.
    stops: Vec<(String, String, String)>,
    agreements: Vec<AgreementView>,
}

/// What an organisation gives to each of the others.
struct Row {
    from: String,
    cells: Vec<Cell>,
}

enum Cell {
    Itself,
    Nothing,
    /// Under these agreements and clauses, and whether all of it stops soon.
    Shares(Vec<String>, bool),
}

struct AgreementView {
    agreement: Agreement,
    state: &'static str,
    from: String,
    to: String,
    review_by: Option<String>,
    unsigned: Vec<String>,
}

/// Shows them.
pub(crate) async fn list(
    State(portal): SharedPortal,
    Caller(person): Caller,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let (agreements, sharing) =
        tokio::join!(portal.api.agreements(caller.asker()), portal.api.sharing(caller.asker()),);
    let (agreements, sharing) = (agreements?, sharing?);
    let SharingMatrix { pairs, stops, stops_before } = sharing;
    let organisations = organisations(&pairs);
    let rows = organisations.iter().map(|from| row(from, &organisations, &pairs));
    let stops = stops.into_iter().map(|(name, title, ends)| (name, title, day(&ends)));
    page(&AgreementsPage {
        rows: rows.collect(),
        stops: stops.collect(),
        stops_before: day(&stops_before),
        agreements: agreements.into_iter().map(view).collect(),
        organisations,
        layout,
    })
}

fn organisations(pairs: &[Pair]) -> Vec<(String, String)> {
    let mut all: Vec<_> = pairs.iter().flat_map(|p| [p.from.clone(), p.to.clone()]).collect();
    all.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    all.dedup();
    all
}

fn row(from: &(String, String), to: &[(String, String)], pairs: &[Pair]) -> Row {
    let cell = |to: &(String, String)| {
        if to == from {
            return Cell::Itself;
        }
        let pair = pairs.iter().find(|p| p.from.0 == from.0 && p.to.0 == to.0);
        let Some(pair) = pair.filter(|pair| !pair.under.is_empty()) else { return Cell::Nothing };
        let under = pair.under.iter().map(|(name, clause)| format!("{name}, clause {clause}"));
        Cell::Shares(under.collect(), pair.stops)
    };
    Row { from: from.1.clone(), cells: to.iter().map(cell).collect() }
}

fn view(agreement: Agreement) -> AgreementView {
    AgreementView {
        state: match agreement.state.as_str() {
            "draft" => "Draft",
            "in-review" => "In review",
            "signed" => "Signed",
            "in-force" if agreement.in_force => "In force",
            "in-force" => "Not in force today",
            "suspended" => "Suspended",
            "expired" => "Expired",
            "terminated" => "Ended",
            _ => "Not known",
        },
        from: day(&agreement.from),
        to: day(&agreement.to),
        review_by: agreement.review_by.as_deref().map(day),
        unsigned: agreement
            .parties
            .iter()
            .filter(|(_, signed)| !signed)
            .map(|(name, _)| name.clone())
            .collect(),
        agreement,
    }
}

/// A day as people write it.
fn day(text: &str) -> String {
    let day = text.parse::<Date>().map(|day| day.strftime("%d-%b-%Y").to_string());
    day.unwrap_or_else(|_| "Not known".to_owned())
}
