//! What is taken out of documents: counted against the corpus by paths written here, and looked at
//! in documents made for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod corpus;
mod made;
mod paths;
