//! A registry whose database is as a replica is: it can be read, and is behind perhaps.

use std::time::{Duration, Instant};

use carerecord_testkit::{Browser, Deployment, GP, Letter, NODES, PATIENT, Role};

/// Every answer needs a record that is durable first, so that a database which takes no writes,
/// whatever it knows of consent, gives nothing by any door. When it takes them again, all goes on.
pub async fn a_database_that_takes_no_writes_gives_nothing(deployment: Deployment) {
    let letter = Letter { title: "Quetzal letter".to_owned(), ..Letter::text(PATIENT, 1) };
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let gp = deployment.fhir().as_person(GP).await;
    let mut browser = Browser::sign_in(&deployment, GP).await;
    let list = browser.find(PATIENT).await;
    let id = gp.documents(PATIENT).await[&letter.unique_id]["id"].as_str().unwrap().to_owned();

    deployment.let_database_write(Role::Registry, false);

    let (answer, ids) = match deployment.registry().find_documents(PATIENT).await {
        Ok((answer, ids)) => (answer.envelope, ids),
        Err(error) => (error.to_string(), Vec::new()),
    };
    assert!(ids.is_empty() && answer.contains("Fault"), "{answer}");
    let (status, bundle) = gp.search("DocumentReference", PATIENT, "status=current").await;
    assert!(status >= 400, "{status} {bundle}");
    let (status, inside) = gp.search_inside(PATIENT, "_content=pulse").await;
    assert!(status >= 400, "{status} {inside}");
    for kind in ["DocumentReference", "Binary"] {
        let (status, bytes) = gp.get(&format!("{kind}/{id}")).await.unwrap();
        assert!(status >= 400, "{kind}: {status} {}", String::from_utf8_lossy(&bytes));
    }
    let given = deployment.node(0).retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
    assert!(given.documents.is_empty() && !given.exchange.is_success());
    let (status, page) = browser.get(&list).await;
    assert!(status >= 400, "{page}");
    let said = [answer, bundle.to_string(), inside.to_string(), given.exchange.envelope, page];
    for text in said {
        assert!(!text.contains(&letter.title), "{text}");
        assert!(!text.contains("No documents"), "{text}");
    }

    deployment.let_database_write(Role::Registry, true);
    let since = Instant::now();
    loop {
        let (status, bundle) = gp.search("DocumentReference", PATIENT, "status=current").await;
        if status == 200 {
            assert_eq!(bundle["total"], 1, "{bundle}");
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{bundle}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    deployment.assert_no_panic();
}
