use std::process::Output;

use carerecord_testkit::{Letter, NODES, PATIENT, postgres};

use crate::example::Example;

/// A deployment that is moved to PostgreSQL after a kill goes on with all that it had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_goes_on_where_it_was_on_postgresql() {
    let Some(url) = postgres::fresh_url().await else { return };
    let mut example = Example::start(|text| text);
    let letters: Vec<Letter> = (1..=3).map(|n| Letter::text(PATIENT, n)).collect();
    for letter in &letters {
        let answer = example.node().publish(letter).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
    }
    let (before, _) = example.registry().find_documents(PATIENT).await.unwrap();
    example.kill();

    let from = example.path("data/registry.db");
    let moved = example.run(&["migrate", "--from", &from, "--to", &url]);
    assert_succeeded(&moved);
    let again = example.run(&["migrate", "--from", &from, "--to", &url]);
    assert_succeeded(&again);
    assert_eq!(moved.stdout, again.stdout);
    std::fs::remove_file(&from).unwrap();
    example.start_again(|text| {
        text.replacen("[registry]\n", &format!("[registry]\ndatabase = \"{url}\"\n"), 1)
    });

    let (after, ids) = example.registry().find_documents(PATIENT).await.unwrap();
    assert_eq!(ids.len(), letters.len(), "{}", after.envelope);
    assert_eq!(objects(&before.envelope), objects(&after.envelope));
    for letter in &letters {
        // A repeat is known as such; the document is there.
        let repeat = example.node().publish(letter).await.unwrap();
        assert!(repeat.is_success(), "{}", repeat.envelope);
        let given = example.node().retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
        assert_eq!(given.documents[&letter.unique_id], letter.bytes);
    }
    let answer = example.node().publish(&Letter::text(PATIENT, 4)).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
    let (_, ids) = example.registry().find_documents(PATIENT).await.unwrap();
    assert_eq!(ids.len(), letters.len() + 1);
    assert_succeeded(&example.run(&["audit", "--verify", "--config", &example.config()]));
    assert!(!example.file("data/registry.db").exists());
}

/// The list of objects in an answer, without the message ids around it.
fn objects(envelope: &str) -> &str {
    let start = envelope.find("RegistryObjectList").expect("there are objects");
    &envelope[start..]
}

fn assert_succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
