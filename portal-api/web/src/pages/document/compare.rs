//! Two versions of a document side by side.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use carerecord_clinical::{Change, Piece, Rendered, compare};
use uuid::Uuid;

use super::body::{View, apart, is_registered, rendered, text_bytes};
use super::{open, refused, whole_banner};
use crate::api::{ApiError, Document};
use crate::display::{Banner, clinical, counted};
use crate::pages::{Layout, page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::Caller;

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    /// The one to go back to.
    id: Uuid,
    older: Version,
    newer: Version,
    found: Found,
}

/// One of the two.
struct Version {
    id: Uuid,
    title: String,
    written: String,
}

enum Found {
    /// Why they cannot be compared.
    Cannot(String),
    Compared {
        summary: String,
        notes: Vec<&'static str>,
        rows: Vec<Row>,
    },
}

enum Row {
    /// A line of both.
    Same(String),
    /// So many lines of both that are not shown.
    Fold(String),
    Removed(String),
    Added(String),
    Altered(Vec<Piece>, Vec<Piece>),
}

/// Compares a document with another of the same patient.
pub(crate) async fn versions(
    State(portal): SharedPortal,
    caller: Caller,
    Path((handle, id, other)): Path<(Uuid, Uuid, Uuid)>,
) -> Result<Response, Problem> {
    let patient = caller.0.patient(handle)?;
    let ((banner, _), one, two) = tokio::join!(
        whole_banner(&portal, &caller, patient, handle),
        open(&portal, &caller, handle, id),
        open(&portal, &caller, handle, other),
    );
    let (older, newer) = in_order(one?, two?);
    let (old, new) = tokio::join!(
        text(&portal, &caller, handle, &older),
        text(&portal, &caller, handle, &newer)
    );
    let found = match (old?, new?) {
        (Ok(old), Ok(new)) => compared(old, new).await?,
        (Err(reason), _) | (_, Err(reason)) => Found::Cannot(reason),
    };
    let version = |document: &Document| Version {
        id: document.id,
        title: document.name().to_owned(),
        written: document
            .created
            .as_ref()
            .map_or_else(|| "date not known".to_owned(), |time| clinical(time, &portal.zone)),
    };
    page(&ComparePage {
        layout: portal.layout(Some(&caller.0)),
        banner,
        handle,
        id,
        older: version(&older),
        newer: version(&newer),
        found,
    })
    .map(IntoResponse::into_response)
}

/// The earlier one first: what one does to the other tells, else when they were written.
fn in_order(one: Document, two: Document) -> (Document, Document) {
    let comes_after = |a: &Document, b: &Document| {
        a.context.relates_to.iter().any(|r| r.document == b.id)
            || b.context.related_by.iter().any(|r| r.document == a.id)
    };
    if comes_after(&one, &two) {
        return (two, one);
    }
    let later = one.created.as_deref().map(crate::api::sort_key)
        > two.created.as_deref().map(crate::api::sort_key);
    if !comes_after(&two, &one) && later { (two, one) } else { (one, two) }
}

/// The text of a version, or why there is none.
async fn text(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
) -> Result<Result<Rendered, String>, Problem> {
    let name = document.name();
    if View::of(&document.mime) != View::Text {
        return Ok(Err(format!("“{name}” is not a text, so the two cannot be compared here.")));
    }
    let bytes = match text_bytes(portal, caller, document).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Err(format!("“{name}” is too large to be compared here."))),
        Err(ApiError::CouldNotAsk | ApiError::Answer | ApiError::NotFound) => {
            let source = &document.source.display;
            return Ok(Err(format!(
                "“{name}” could not be had from {source}: that source does not answer."
            )));
        }
        Err(error @ (ApiError::Refused(_) | ApiError::Unauthorized)) => {
            return Err(refused(error, handle));
        }
        Err(ApiError::NotGiven) => return Ok(Err(damaged(name))),
    };
    if is_registered(document, &bytes) == Some(false) {
        return Ok(Err(damaged(name)));
    }
    let rendered = rendered(bytes).await?;
    if rendered.sections.is_empty() {
        return Ok(Err(format!("“{name}” has no text to compare. {}", rendered.notes.join(" "))));
    }
    Ok(Ok(rendered))
}

fn damaged(name: &str) -> String {
    format!("“{name}” is damaged: it is not what was registered.")
}

async fn compared(old: Rendered, new: Rendered) -> Result<Found, Problem> {
    let has_files = !old.attachments.is_empty() || !new.attachments.is_empty();
    let comparison = apart(move || compare(&old, &new)).await?;
    let changed = comparison.changes.iter().filter(|c| !matches!(c, Change::Same(_))).count();
    let summary = match changed {
        0 => "The texts are the same.".to_owned(),
        n => format!("{} changed.", counted(n, "line has", "lines have")),
    };
    let (rows, is_cut) = rows(comparison.changes);
    let notes = [
        (has_files, "Pictures and files inside the documents are not compared."),
        (
            comparison.is_coarse,
            "The two are too long or too different to compare every line: some that are shown as \
             changed may not be.",
        ),
        (is_cut, "There are more changes than are shown. Open the documents to read all of them."),
    ];
    let notes = notes.into_iter().filter_map(|(is_so, words)| is_so.then_some(words)).collect();
    Ok(Found::Compared { summary, notes, rows })
}

/// Rows with long stretches of what is the same folded; and whether there are more than are shown.
fn rows(changes: Vec<Change>) -> (Vec<Row>, bool) {
    let changed: Vec<bool> = changes.iter().map(|c| !matches!(c, Change::Same(_))).collect();
    let is_near = |n: usize| {
        let from = n.saturating_sub(CONTEXT);
        changed.iter().skip(from).take(n - from + CONTEXT + 1).any(|c| *c)
    };
    let (mut rows, mut folded) = (Vec::new(), 0usize);
    let fold = |folded: &mut usize, rows: &mut Vec<Row>| {
        if *folded > 0 {
            rows.push(Row::Fold(counted(*folded, "line is the same", "lines are the same")));
            *folded = 0;
        }
    };
    for (n, change) in changes.into_iter().enumerate() {
        if rows.len() >= MAX_ROWS {
            return (rows, true);
        }
        if !is_near(n) {
            folded += 1;
            continue;
        }
        fold(&mut folded, &mut rows);
        rows.push(match change {
            Change::Same(line) => Row::Same(line),
            Change::Removed(line) => Row::Removed(line),
            Change::Added(line) => Row::Added(line),
            Change::Altered { older, newer } => Row::Altered(older, newer),
        });
    }
    fold(&mut folded, &mut rows);
    (rows, false)
}

/// Lines around a change that are shown.
const CONTEXT: usize = 2;
const MAX_ROWS: usize = 4000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_folded_but_around_changes() {
        let same = |n: usize| Change::Same(format!("line {n}"));
        let mut changes: Vec<Change> = (0..10).map(same).collect();
        changes.push(Change::Added("new".to_owned()));
        changes.extend((10..13).map(same));

        let (rows, is_cut) = rows(changes);

        assert!(!is_cut);
        assert!(matches!(&rows[0], Row::Fold(words) if words == "8 lines are the same"));
        assert!(matches!(&rows[1], Row::Same(line) if line == "line 8"));
        assert!(matches!(&rows[3], Row::Added(line) if line == "new"));
        assert!(matches!(&rows[6], Row::Fold(words) if words == "1 line is the same"));
        assert_eq!(rows.len(), 7);
    }

    #[test]
    fn more_rows_than_a_page_can_hold_are_told() {
        let many = (0..MAX_ROWS + 5).map(|n| Change::Added(n.to_string())).collect();

        let (rows, is_cut) = rows(many);

        assert!(is_cut);
        assert_eq!(rows.len(), MAX_ROWS);
    }
}
