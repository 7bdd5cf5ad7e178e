//! Nodes that are a third party's XDS.b repositories.

use std::time::{Duration, Instant};

use bytes::Bytes;
use carerecord_testkit::foreign::{ForeignRepository, Manner};
use carerecord_testkit::{Deployment, Letter, NODES, PATIENT, Role, SOURCE_DEADLINE};

use super::nodes::{SLACK, eventually, of_others, states, use_directory};

/// What a third party's repository gives is passed on byte for byte where it is merely odd, and
/// refused in words where it is not the document.
pub async fn a_third_partys_documents_come_whole_or_not_at_all(mut deployment: Deployment) {
    let node = ForeignRepository::start(NODES[2].0).await;
    let mut letter = Letter::text(PATIENT, 2);
    letter.bytes = tricky();
    let mut long = Letter::text(PATIENT, 3);
    long.bytes = tricky().repeat(4_000).into();
    for letter in [&letter, &long] {
        assert!(deployment.node(2).publish(letter).await.unwrap().is_success());
        node.put(&letter.unique_id, letter.bytes.clone());
    }
    deployment.kill(Role::Node(2));
    let once = "limits = { breaker_failures = 1000, attempts = 1 }\n";
    use_directory(&mut deployment, &of_others(NODES[2].0, NODES[2].2, &[node.url()], once));
    let fhir = deployment.fhir().as_system().await;
    let found = fhir.documents(PATIENT).await;
    let url = |letter: &Letter| {
        let attachment = &found[&letter.unique_id]["content"][0]["attachment"];
        attachment["url"].as_str().unwrap().to_owned()
    };

    for manner in Manner::ODD {
        node.behave(manner);
        for letter in [&letter, &long] {
            let (status, bytes) = fhir.get(&url(letter)).await.unwrap();
            assert_eq!(status, 200, "{manner:?}: {}", String::from_utf8_lossy(&bytes));
            assert!(bytes == letter.bytes, "{manner:?}: other bytes");
        }
        assert_eq!(states(&fhir).await[NODES[2].0], "answered", "{manner:?}");
    }
    for manner in Manner::LYING {
        node.behave(manner);
        let (status, bytes) = fhir.get(&url(&letter)).await.unwrap();
        let told = String::from_utf8(bytes.to_vec()).unwrap();
        // Who breaks off has not lied: it may be asked again.
        let (code, words) = match manner == Manner::CutOff {
            true => (503, "could not be asked"),
            false => (502, "gave something else"),
        };
        assert_eq!(status, code, "{manner:?}: {told}");
        assert!(told.contains(words) && told.contains("OperationOutcome"), "{manner:?}: {told}");
        let whole = fhir.get(&url(&long)).await;
        assert!(whole.is_err() || whole.unwrap().0 >= 500, "{manner:?}: as if it were whole");
    }
    for manner in [Manner::Hang, Manner::Fault, Manner::Unavailable, Manner::Redirect, Manner::Busy]
    {
        node.behave(manner);
        let begun = Instant::now();
        let (status, bytes) = fhir.get(&url(&letter)).await.unwrap();
        assert!(begun.elapsed() < SOURCE_DEADLINE + SLACK, "{manner:?}");
        let told = String::from_utf8_lossy(&bytes);
        assert_eq!(status, 503, "{manner:?}: {told}");
        assert!(!told.contains("Okafor"), "{manner:?}: {told}");
    }
    assert_eq!(node.complaints(), [""; 0], "we speak as strictly as the strictest wants");
    assert_eq!(node.strayed(), [""; 0], "nothing is fetched because an answer names it");
    let said = deployment.process(Role::Portal).said();
    assert!(!said.contains("Okafor") && !said.contains("9990001146"), "{said}");
    deployment.assert_no_panic();
}

/// Two endpoints of one node: a wrong document, a slow and a dead endpoint are made up for.
pub async fn a_second_endpoint_makes_up_for_the_first(mut deployment: Deployment) {
    let letter = Letter::text(PATIENT, 2);
    assert!(deployment.node(2).publish(&letter).await.unwrap().is_success());
    deployment.kill(Role::Node(2));
    let (first, second) =
        (ForeignRepository::start(NODES[2].0).await, ForeignRepository::start(NODES[2].0).await);
    for node in [&first, &second] {
        node.put(&letter.unique_id, letter.bytes.clone());
        node.wants("of-the-portal");
    }
    let more = "limits = { breaker_failures = 1000, hedge_after_ms = 200 }\n\
                credentials = { kind = \"bearer\", token_file = \"node.token\" }\n";
    std::fs::write(deployment.file("node.token"), "of-the-portal\n").unwrap();
    let endpoints = [first.url(), second.url()];
    use_directory(&mut deployment, &of_others(NODES[2].0, NODES[2].2, &endpoints, more));
    let fhir = deployment.fhir().as_system().await;
    let found = fhir.documents(PATIENT).await;
    let attachment = &found[&letter.unique_id]["content"][0]["attachment"];
    let url = attachment["url"].as_str().unwrap();

    for manner in [Manner::OtherBytes, Manner::Hang, Manner::Page, Manner::Unavailable] {
        for (ill, well) in [(&first, &second), (&second, &first)] {
            ill.behave(manner);
            well.behave(Manner::Plain);
            let begun = Instant::now();
            let (status, bytes) = fhir.get(url).await.unwrap();
            assert_eq!((status, &bytes), (200, &letter.bytes), "{manner:?}");
            assert!(begun.elapsed() < Duration::from_millis(200) + SLACK, "{manner:?}");
        }
    }
    std::fs::write(deployment.file("node.token"), "of somebody else\n").unwrap();
    eventually(async || states(&fhir).await[NODES[2].0] == "refused").await;
    deployment.assert_no_panic();
}

/// Bytes in which a careless reader finds boundaries, ends and entities.
fn tricky() -> Bytes {
    Bytes::from_static(
        b"\r\n--MIMEBoundary_9f\r\n--=_Part (7)+_,-./:=?'\r\n\r\n--\n--MIME\r\r\n\0\xff&amp;<x>\r\n",
    )
}
