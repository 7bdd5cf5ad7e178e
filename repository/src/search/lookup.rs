//! From what a user wants to what the index looks up.

use carerecord_model::{NhsNumber, UniqueId};
use tantivy::Term;
use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, FuzzyTermQuery, Occur, PhraseQuery, Query,
    TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::index::{Fields, key};
use super::query::{Find, Wanted};

impl Fields {
    /// What finds the documents among `ids`, kept under one of these numbers, with what is wanted.
    pub(super) fn query(
        &self,
        wanted: &Wanted,
        numbers: &[NhsNumber],
        ids: &[UniqueId],
    ) -> BooleanQuery {
        let f = self;
        let number = |n: &NhsNumber| Term::from_field_u64(f.patient, key(Some(*n)));
        let id = |id: &UniqueId| Term::from_field_text(f.unique_id, id.as_str());
        let filter = |terms: Vec<Term>| -> Box<dyn Query> {
            Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 0.0))
        };
        let mut parts = vec![
            (Occur::Must, filter(numbers.iter().map(number).collect())),
            (Occur::Must, filter(ids.iter().map(id).collect())),
        ];
        parts.extend(wanted.all.iter().map(|find| (Occur::Must, self.find(find))));
        parts.extend(wanted.none.iter().map(|find| (Occur::MustNot, self.find(find))));
        BooleanQuery::new(parts)
    }

    fn find(&self, find: &Find) -> Box<dyn Query> {
        let f = self;
        let any =
            |all: Vec<Box<dyn Query>>| -> Box<dyn Query> { Box::new(BooleanQuery::union(all)) };
        match find {
            Find::Word { stem, plain, slips } => {
                let mut all = self.in_both(|field| {
                    let term = Term::from_field_text(field, stem);
                    Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
                });
                if *slips > 0 {
                    let term = Term::from_field_text(f.plain, plain);
                    let near = Box::new(FuzzyTermQuery::new(term, *slips, true));
                    all.push(Box::new(ConstScoreQuery::new(near, WORTH_OF_SLIPS)));
                }
                any(all)
            }
            Find::Phrase(stems) => any(self.in_both(|field| {
                let term = |stem: &String| Term::from_field_text(field, stem);
                Box::new(PhraseQuery::new(stems.iter().map(term).collect()))
            })),
            Find::Prefix(prefix) => {
                let term = Term::from_field_text(f.plain, prefix);
                Box::new(ConstScoreQuery::new(
                    Box::new(FuzzyTermQuery::new_prefix(term, 0, true)),
                    WORTH_OF_PREFIXES,
                ))
            }
            Find::AllOf(all) => {
                let all = all.iter().map(|find| (Occur::Must, self.find(find))).collect();
                Box::new(BooleanQuery::new(all))
            }
            Find::AnyOf(all) => any(all
                .iter()
                .enumerate()
                .map(|(n, find)| -> Box<dyn Query> {
                    let worth = if n == 0 { 1.0 } else { WORTH_OF_SYNONYMS };
                    Box::new(BoostQuery::new(self.find(find), worth))
                })
                .collect()),
        }
    }

    fn in_both(&self, query: impl Fn(Field) -> Box<dyn Query>) -> Vec<Box<dyn Query>> {
        let headings = Box::new(BoostQuery::new(query(self.headings), WORTH_OF_HEADINGS));
        vec![query(self.text), headings]
    }
}

const WORTH_OF_HEADINGS: f32 = 2.0;
const WORTH_OF_SYNONYMS: f32 = 0.8;
const WORTH_OF_PREFIXES: f32 = 1.0;
const WORTH_OF_SLIPS: f32 = 0.2;
