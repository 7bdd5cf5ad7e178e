//! What documents say in coded entries. It is taken out when a document is indexed, kept as rows
//! beside it, and given to other roles of the deployment only, out of documents that they have
//! released: see `ElementQuestion`. IHE mXDE, Data Element Extractor.

mod answer;
pub(crate) mod rows;
mod take;
#[cfg(test)]
mod tests;

pub(crate) use rows::Taken;
pub(crate) use take::{take, unreadable};
