//! The pages against a fake API and a fake sign-in provider, both over HTTP.

mod account;
mod apps;
mod browser;
mod died;
mod documented;
mod documents;
mod fake;
mod inside;
mod launch;
mod opaque;
mod pages;
mod people;
mod providers;
mod record;
mod rows;
mod sessions;
mod sign_in;
mod sign_outs;
mod smart;
mod summary;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use carerecord_model::{Clock, SystemClock};
use jiff::Timestamp;
use uuid::Uuid;

use crate::api::{Coded, Document, DocumentStatus};

/// A document with nothing special about it.
pub(crate) fn document(n: u128) -> Document {
    Document {
        id: Uuid::from_u128(n),
        status: DocumentStatus::Current,
        version: None,
        kind: Coded::default(),
        class: Coded::default(),
        title: None,
        description: None,
        authors: Vec::new(),
        organisations: Vec::new(),
        source: Coded::default(),
        source_id: None,
        labels: Vec::new(),
        created: None,
        period: (None, None),
        setting: None,
        facility: None,
        mime: "text/plain".to_owned(),
        size: None,
        hash: None,
        url: String::new(),
        replaces: Vec::new(),
        known_as: Vec::new(),
        nhs_number: None,
        context: crate::api::Context::default(),
    }
}

/// The machine's clock, put forward as far as a test wants.
#[derive(Clone, Default)]
struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn forward_minutes(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now().as_second() + self.0.load(Ordering::SeqCst);
        Timestamp::from_second(now).unwrap()
    }
}
