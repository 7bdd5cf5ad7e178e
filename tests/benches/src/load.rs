use std::time::Instant;

use carerecord_audit::AuditEvent;
use carerecord_model::{
    Clock, DocumentEntryType, IdSource, NhsNumber, PatientId, RandomIds, SystemClock,
};
use carerecord_service::AuditDraft;
use carerecord_testkit::submission::Builder;
use futures_util::{StreamExt, stream};

use crate::product::Product;

/// Fills the registry, a hundred entries for each patient, twenty in each submission. Entries a
/// second.
///
/// # Errors
/// When a submission is refused.
pub async fn entries(product: &Product, count: u32) -> anyhow::Result<f64> {
    let patients = count.div_ceil(PER_PATIENT);
    let start = Instant::now();
    let work = (0..patients).flat_map(|p| (0..PER_PATIENT / TOGETHER).map(move |part| (p, part)));
    let mut running =
        stream::iter(work).map(|(patient, part)| one(product, patient, part)).buffer_unordered(64);
    while let Some(done) = running.next().await {
        done?;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

async fn one(product: &Product, patient: u32, part: u32) -> anyhow::Result<()> {
    if part == 0 {
        product.add_patient(number(patient)).await?;
    }
    let mut builder = Builder::of(&patient_cx(patient).to_cx());
    let mut s = builder.empty();
    s.submission_set.unique_id = format!("1.2.42.1.{patient}.{part}").parse()?;
    for n in 0..TOGETHER {
        builder.add_document(&mut s);
        let place = part * TOGETHER + n;
        let entry = s.document_entries.last_mut().expect("one was added");
        entry.unique_id = format!("1.2.42.2.{patient}.{place}").parse()?;
        entry.creation_time = Some(creation_time(place).parse()?);
    }
    let event = AuditEvent::incoming(RandomIds.ordered(), SystemClock.now(), "bench", "bench");
    let draft = AuditDraft::detached(event);
    let stable = DocumentEntryType::Stable;
    let (registry, caller) = (&product.registry, &product.caller);
    registry.register_document_set(caller, s, stable, &draft).await.map_err(|error| {
        let errors = error.into_transaction_error();
        anyhow::anyhow!("refused: {:?}", errors.0.iter().map(|e| &e.context).collect::<Vec<_>>())
    })?;
    Ok(())
}

/// The nth hour of a year.
pub fn creation_time(n: u32) -> String {
    format!("2025{:02}{:02}{:02}0000", 1 + n / 28 % 12, 1 + n % 28, n % 24)
}

/// The patient with this place, under a synthetic NHS Number.
pub fn patient_cx(place: u32) -> PatientId {
    PatientId::from_nhs_number(number(place))
}

/// A valid number of the range for tests. Places without one are passed over.
pub fn number(place: u32) -> NhsNumber {
    let mut n = place;
    loop {
        let digits = format!("999{n:06}");
        let weights = (2..=10u32).rev();
        let sum: u32 = digits.bytes().zip(weights).map(|(d, w)| u32::from(d - b'0') * w).sum();
        let check = (11 - sum % 11) % 11;
        if check < 10 {
            return format!("{digits}{check}").parse().expect("the check digit is right");
        }
        // Far above every place that is used.
        n = (n + 500_009) % 1_000_000;
    }
}

const PER_PATIENT: u32 = 100;
const TOGETHER: u32 = 20;
