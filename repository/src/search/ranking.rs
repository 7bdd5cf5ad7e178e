use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{Result, Term};

/// Statistics that are the same whatever is in the index, so that the score of a document follows
/// from its own text and the question alone. Real ones would tell how often a word stands in
/// documents that the reader may not see, of this patient and of others; and scores of two nodes
/// could not be compared.
pub(super) struct OwnText;

impl Bm25StatisticsProvider for OwnText {
    fn total_num_tokens(&self, _: Field) -> Result<u64> {
        Ok(DOCUMENTS * WORDS)
    }

    fn total_num_docs(&self) -> Result<u64> {
        Ok(DOCUMENTS)
    }

    fn doc_freq(&self, _: &Term) -> Result<u64> {
        Ok(DOCUMENTS / 100)
    }
}

const DOCUMENTS: u64 = 100_000;
/// Of a letter of usual length.
const WORDS: u64 = 400;
