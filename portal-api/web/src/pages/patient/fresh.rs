//! What has come to a record since the reader last looked.

use std::collections::{HashMap, HashSet};

use carerecord_model::NhsNumber;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::api::{Document, sort_key};
use crate::display::clinical;
use crate::looks::{Look, LookRowsError};
use crate::portal::Portal;
use crate::session::{Person, SeenBefore};

/// What is new to a reader, for the page.
pub(super) struct Fresh {
    pub(super) ids: HashSet<Uuid>,
    /// What is said of it.
    pub(super) words: String,
}

/// Tells what was not in the list when the person looked before this session, and keeps what is in
/// it now. What comes while the session lasts is new, too, and stays so until its end.
pub(super) async fn look(
    portal: &Portal,
    person: &Person,
    before: Option<&SeenBefore>,
    whose: &NhsNumber,
    documents: &[Document],
) -> Result<SeenBefore, LookRowsError> {
    let now = portal.clock.now();
    let last = portal.looks.last(person, whose, now).await?;
    let look = Look::new(now.as_second(), documents.iter().map(|document| document.id));
    let seen = match (&last, before) {
        (last, None) => SeenBefore::first(last.as_ref(), documents),
        (Some(last), Some(before)) => before.with(last, documents),
        // It has gone meanwhile; who looked before this session still did.
        (None, Some(before)) => before.clone(),
    };
    let same = last.is_some_and(|last| before.is_some() && last.is_of_the_same(&look));
    if !same {
        portal.looks.keep(person, whose, &look, now).await?;
    }
    Ok(seen)
}

impl SeenBefore {
    fn first(last: Option<&Look>, documents: &[Document]) -> Self {
        let Some(last) = last else { return Self::default() };
        let fresh = documents.iter().filter(|d| !last.has(d.id)).map(|d| d.id).collect();
        Self::bounded(Some(last.at), fresh, documents)
    }

    fn with(&self, last: &Look, documents: &[Document]) -> Self {
        let known: HashSet<Uuid> = self.fresh.iter().copied().collect();
        let more = documents.iter().filter(|d| !last.has(d.id) && !known.contains(&d.id));
        let more: Vec<Uuid> = more.map(|d| d.id).collect();
        // To whom the record is new, nothing in it is.
        if more.is_empty() || self.last.is_none() {
            return self.clone();
        }
        let fresh = more.into_iter().chain(self.fresh.iter().copied()).collect();
        let Self { last, fresh, more } = Self::bounded(self.last, fresh, documents);
        Self { last, fresh, more: more || self.more }
    }

    /// The newest that a session has room for.
    fn bounded(last: Option<i64>, mut fresh: Vec<Uuid>, documents: &[Document]) -> Self {
        let more = fresh.len() > MAX_FRESH;
        if more {
            let created: HashMap<Uuid, String> = documents
                .iter()
                .map(|d| (d.id, d.created.as_deref().map(sort_key).unwrap_or_default()))
                .collect();
            fresh.sort_by(|a, b| created.get(b).cmp(&created.get(a)));
            fresh.truncate(MAX_FRESH);
        }
        Self { last, fresh, more }
    }
}

impl Fresh {
    /// For the page; `None` is that it cannot be told.
    pub(super) fn new(seen: Option<&SeenBefore>, zone: &TimeZone) -> Self {
        let Some(seen) = seen else {
            let words = "What is new since you last looked cannot be told at the moment.";
            return Self { ids: HashSet::new(), words: words.to_owned() };
        };
        let ids: HashSet<Uuid> = seen.fresh.iter().copied().collect();
        let at = seen.last.and_then(|last| Timestamp::from_second(last).ok());
        let at = at.map(|at| clinical(&at.to_string(), zone));
        let words = match (at, ids.len()) {
            (None, _) => "You have not looked at this record in the last 6 months.".to_owned(),
            (Some(at), 0) => format!("Nothing new since you last looked, {at}."),
            (Some(at), 1) => format!("1 document is new since you last looked, {at}."),
            (Some(at), n) if seen.more => {
                format!(
                    "More than {n} documents are new since you last looked, {at}; the newest {n} are marked."
                )
            }
            (Some(at), n) => format!("{n} documents are new since you last looked, {at}."),
        };
        Self { ids, words }
    }
}

/// A session has room for so many of each patient.
const MAX_FRESH: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::document;

    fn ids(seen: &SeenBefore) -> Vec<u128> {
        seen.fresh.iter().map(Uuid::as_u128).collect()
    }

    #[test]
    fn new_is_what_was_not_in_the_list() {
        let all = [document(1), document(2), document(3)];
        let last = Look::new(7, all[..1].iter().map(|d| d.id));

        let seen = SeenBefore::first(Some(&last), &all);

        assert_eq!((seen.last, ids(&seen)), (Some(7), vec![2, 3]));
    }

    #[test]
    fn to_whom_a_record_is_new_nothing_in_it_is() {
        let all = [document(1), document(2)];
        let seen = SeenBefore::first(None, &all);
        let now = Look::new(9, all[..1].iter().map(|d| d.id));

        let later = seen.with(&now, &all);

        assert_eq!((later.last, ids(&later)), (None, vec![]));
    }

    #[test]
    fn what_comes_in_a_session_is_new_too() {
        let all = [document(1), document(2), document(3)];
        let before = SeenBefore { last: Some(7), fresh: vec![all[1].id], more: false };
        let last = Look::new(9, all[..2].iter().map(|d| d.id));

        let seen = before.with(&last, &all);

        assert_eq!((seen.last, ids(&seen)), (Some(7), vec![3, 2]));
    }

    #[test]
    fn of_very_many_the_newest_are_marked() {
        let mut all: Vec<Document> = (1..=600).map(document).collect();
        for (n, document) in all.iter_mut().enumerate() {
            document.created = Some(format!("{}-01-01", 1400 + n));
        }
        let last = Look::new(7, std::iter::empty::<Uuid>());

        let seen = SeenBefore::first(Some(&last), &all);

        assert!(seen.more);
        assert_eq!((seen.fresh.len(), seen.fresh[0]), (500, Uuid::from_u128(600)));
        let words = Fresh::new(Some(&seen), &TimeZone::UTC).words;
        assert!(words.starts_with("More than 500 documents are new"), "{words}");
    }
}
