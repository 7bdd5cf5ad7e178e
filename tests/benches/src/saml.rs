use std::hint::black_box;
use std::time::{Duration, Instant};

use carerecord_codec::saml::{Demands, SecurityHeader, SubjectMethod, TrustedKeys, verify};
use carerecord_testkit::saml::{Claims, Provider, security, with_header};
use carerecord_testkit::{PATIENT, patient_id, query_message};
use jiff::{SignedDuration, Timestamp};

/// Verifies the assertion of an ITI-18 message, from the bytes of the envelope to what it says, on
/// one core. Whether it was used before is not asked. The goal is 300 µs.
pub fn run() {
    let now: Timestamp = "2026-01-14T10:22:31Z".parse().expect("a time");
    let audience = "urn:oid:2.999.826.1";
    for provider in [Provider::new("https://sts.example"), Provider::on_p256("https://sts.example")]
    {
        let signed = provider.sign(&Claims::new("_96189571-c72c-4a10-8f1c", audience, now));
        let parameters = [("$XDSDocumentEntryPatientId", patient_id(PATIENT))];
        let query = query_message(QUERY, "LeafClass", &parameters);
        let message = with_header(&query, &security(&signed));
        let keys = TrustedKeys::new([provider.certificate_der.as_slice()]).expect("a certificate");
        let audiences = [audience.to_owned()];
        let demands = Demands {
            audiences: &audiences,
            skew: SignedDuration::from_secs(60),
            max_lifetime: SignedDuration::from_hours(1),
            methods: &[SubjectMethod::Bearer],
            certificate: None,
        };
        let took = median(|| {
            let header = SecurityHeader::find(&message).expect("it is read").expect("it is there");
            let assertion = verify(&header, now, demands.skew, |_| Some((&keys, false)));
            let assertion = assertion.expect("it is signed").expect("it is there");
            assertion.check(now, &demands).expect("it holds");
            black_box(assertion);
        });
        let algorithm = provider.algorithm.rsplit('#').next().unwrap_or_default();
        println!(
            "assertion of {} bytes, {algorithm}: {:.0} µs (goal 300 µs)",
            signed.len(),
            took.as_secs_f64() * 1e6
        );
    }
}

/// The middle of what it took a few thousand times.
fn median(mut work: impl FnMut()) -> Duration {
    let mut all: Vec<Duration> = (0..4000)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    all.sort();
    all[all.len() / 2]
}

const QUERY: &str = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d";
