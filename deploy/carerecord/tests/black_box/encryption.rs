use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use bytes::Bytes;
use carerecord_testkit::{Deployment, Letter, NODES, PATIENT, Role};

/// Documents are encrypted on the disk and given as they came; a new key takes over by `rewrap`
/// while the node serves, and the old one can go. Without its key a document is refused with the
/// reason, and given again when the key is back.
pub async fn keys_come_and_go_and_documents_stay(mut deployment: Deployment) {
    let letters = letters();
    let plain = Letter::text(PATIENT, 90);
    assert!(deployment.node(0).publish(&plain).await.unwrap().is_success());
    use_keys(&mut deployment, "key = 'first', keys = { first = 'first.key' }");
    for letter in &letters {
        assert!(deployment.node(0).publish(letter).await.unwrap().is_success());
    }
    let word = b"encrypted documents are not readable";
    let readable = |deployment: &Deployment| {
        let files = deployment.stored_objects(0).into_iter();
        files.filter(|f| contains(&std::fs::read(f).unwrap(), word)).count()
    };
    assert_eq!(readable(&deployment), 0);
    assert_given(&deployment, letters.iter().chain([&plain])).await;
    assert_range(&deployment, &letters[1]).await;

    let both = "key = 'second', keys = { first = 'first.key', second = 'second.key' }";
    use_keys(&mut deployment, both);
    assert_given(&deployment, letters.iter().chain([&plain])).await;
    let before: Vec<_> = contents(&deployment);
    let (done, text) = said(&rewrap(&deployment));
    assert!(done && text.contains(&format!("{} rewrapped", letters.len())), "{text}");
    let (done, text) = said(&rewrap(&deployment));
    assert!(done && text.contains(" 0 rewrapped"), "{text}");
    assert!(before == contents(&deployment), "an object was rewritten");

    use_keys(&mut deployment, "key = 'second', keys = { second = 'second.key' }");
    assert_given(&deployment, letters.iter().chain([&plain])).await;

    use_keys(&mut deployment, "key = 'first', keys = { first = 'first.key' }");
    let process = deployment.process(Role::Node(0));
    assert!(process.said().contains("encrypted with a key that is not configured"));
    let given = deployment.node(0).retrieve(NODES[0].0, &[&letters[0].unique_id]).await.unwrap();
    assert_eq!(given.exchange.error_codes(), ["XDSRepositoryError"]);
    assert!(given.exchange.envelope.contains("does not have the key"), "{:?}", given.exchange);
    let (done, text) = said(&rewrap(&deployment));
    assert!(!done && text.contains("2 left: there is no key named second"), "{text}");
    assert_given(&deployment, [&plain].into_iter()).await;

    use_keys(&mut deployment, both);
    assert_given(&deployment, letters.iter().chain([&plain])).await;
    deployment.assert_no_panic();
}

fn letters() -> [Letter; 2] {
    let line = "encrypted documents are not readable, and come back as they were\n";
    let text = |n: u32, lines: usize| Letter {
        bytes: Bytes::from(line.repeat(lines)),
        ..Letter::text(PATIENT, n)
    };
    [text(1, 3), text(2, 60_000)]
}

/// Starts the node again with these keys.
fn use_keys(deployment: &mut Deployment, keys: &str) {
    for (name, byte) in [("first.key", 1u8), ("second.key", 2)] {
        let file = deployment.file(name);
        std::fs::write(&file, [byte; 32]).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    deployment.kill(Role::Node(0));
    let file = deployment.file("node0.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("encryption = ")).collect();
    let section = lines.iter().position(|l| *l == "[[repository]]").unwrap();
    let line = format!("encryption = {{ {keys} }}");
    lines.insert(section + 1, &line);
    std::fs::write(&file, lines.join("\n")).unwrap();
    deployment.start_all();
}

async fn assert_given<'l>(deployment: &Deployment, letters: impl Iterator<Item = &'l Letter>) {
    for letter in letters {
        let node = deployment.node(0);
        let given = node.retrieve(NODES[0].0, &[&letter.unique_id]).await;
        let given = given.unwrap_or_else(|e| {
            panic!("{e:?}: {}", deployment.process(Role::Node(0)).said());
        });
        assert!(given.exchange.is_success(), "{}", given.exchange.envelope);
        assert!(given.documents[&letter.unique_id] == letter.bytes);
    }
}

/// A range of a long document, across the border of two encrypted pieces.
async fn assert_range(deployment: &Deployment, letter: &Letter) {
    let fhir = deployment.fhir().as_system().await;
    let found = fhir.documents(PATIENT).await;
    let url = found[&letter.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();
    let (status, bytes) = fhir.get_range(url, "bytes=65500-65600").await.unwrap();
    assert_eq!((status, &bytes[..]), (206, &letter.bytes[65_500..=65_600]));
}

fn rewrap(deployment: &Deployment) -> Output {
    let config = deployment.file("node0.toml");
    deployment.run(&["rewrap", "--config", config.to_str().unwrap()])
}

fn said(output: &Output) -> (bool, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
}

fn contents(deployment: &Deployment) -> Vec<Vec<u8>> {
    let mut files = deployment.stored_objects(0);
    files.sort();
    files.iter().map(|f| std::fs::read(f).unwrap()).collect()
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|w| w == word)
}
