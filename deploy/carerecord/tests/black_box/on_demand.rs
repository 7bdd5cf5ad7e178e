use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use carerecord_model::DocumentEntryType;
use carerecord_testkit::submission::Builder;
use carerecord_testkit::{Deployment, GP, NODES, PATIENT, Role, SOAP, Xds, register_message};

/// An on-demand document is made when it is asked for: the same bytes have the same id, other
/// bytes another; what is to be kept is registered before the answer, and can be had again.
pub async fn what_is_made_on_demand_has_an_id_of_its_own(mut deployment: Deployment) {
    let producer = Producer::start().await;
    let kept = producer.entry(&deployment, "2.999.826.9.7.1", "kept").await;
    let passing = producer.entry(&deployment, "2.999.826.9.7.2", "passing").await;
    let refused = producer.entry(&deployment, "2.999.826.9.7.3", "nobody").await;
    set_up(&mut deployment, &producer.url);
    let node = deployment.node(0);

    producer.says(Some("Summary, first state."));
    let first = made(&node, &kept).await;
    let same = made(&node, &kept).await;
    producer.says(Some("Summary, second state."));
    let second = made(&node, &kept).await;
    let other = made(&node, &passing).await;

    assert_eq!(first.bytes, "Summary, first state.");
    assert_eq!(first, same);
    assert_eq!(second.bytes, "Summary, second state.");
    assert_ne!(first.id, second.id);
    assert_eq!(first.repository.as_deref(), Some(NODES[0].0));
    assert_eq!((other.bytes.as_str(), &other.repository), ("Summary, second state.", &None));
    assert_ne!(other.id, second.id, "another entry");
    for (id, bytes) in [(&first.id, &first.bytes), (&second.id, &second.bytes)] {
        let again = node.retrieve(NODES[0].0, &[id]).await.unwrap();
        assert_eq!(&again.documents[id], bytes, "of what was kept nothing changes");
    }
    let stable = deployment.registry().find_documents(PATIENT).await.unwrap().1;
    assert_eq!(stable.len(), 2, "each state once: {stable:?}");
    assert!(stable.contains(&first.id) && stable.contains(&second.id));

    let gp = deployment.fhir().as_person(GP).await;
    let found = gp.documents(PATIENT).await;
    let url = found[&passing]["content"][0]["attachment"]["url"].as_str().unwrap();
    let (status, bytes) = gp.get(url).await.unwrap();
    assert_eq!((status, &bytes[..]), (200, other.bytes.as_bytes()));

    let none = node.retrieve(NODES[0].0, &[&refused]).await.unwrap();
    assert_eq!(none.exchange.error_codes(), ["XDSRepositoryError"], "no producer is for its type");
    producer.says(None);
    let none = node.retrieve(NODES[0].0, &[&kept]).await.unwrap();
    assert_eq!(none.exchange.error_codes(), ["XDSRepositoryError"], "the producer fails");
    assert_eq!(deployment.stored_objects(0).len(), 2, "nothing is left of what was not kept");
    deployment.assert_no_panic();
}

/// What one answer gives.
#[derive(Debug, PartialEq)]
struct Made {
    id: String,
    repository: Option<String>,
    bytes: String,
}

async fn made(node: &Xds, id: &str) -> Made {
    let given = node.retrieve(NODES[0].0, &[id]).await.unwrap();
    let tree = given.exchange.tree();
    let text = |local: &str| {
        let found = tree.root().descendants().find(|e| e.local() == local);
        found.map(|e| e.text().clone())
    };
    Made {
        id: text("NewDocumentUniqueId").unwrap_or_else(|| panic!("{}", given.exchange.envelope)),
        repository: text("NewRepositoryUniqueId"),
        bytes: String::from_utf8(given.documents[id].to_vec()).unwrap(),
    }
}

/// The node asks the producer for two types, and keeps what it makes of one of them.
fn set_up(deployment: &mut Deployment, url: &str) {
    let file = deployment.file("node0.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let producers = format!(
        "[[repository]]\non_demand = [\
         {{ url = \"{url}\", types = [\"kept\"], persist = true }}, \
         {{ url = \"{url}\", types = [\"passing\"] }}]\n"
    );
    std::fs::write(&file, config.replacen("[[repository]]\n", &producers, 1)).unwrap();
    deployment.kill(Role::Node(0));
    deployment.start(Role::Node(0));
}

/// Makes a text for whoever asks, or fails.
struct Producer {
    url: String,
    text: Arc<Mutex<Option<&'static str>>>,
    /// It ends with the test.
    _tasks: tokio::task::JoinSet<std::io::Result<()>>,
}

impl Producer {
    async fn start() -> Self {
        let text: Arc<Mutex<Option<&'static str>>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/make", listener.local_addr().unwrap());
        let route = axum::routing::post(produce);
        let router = axum::Router::new().route("/make", route).with_state(text.clone());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await });
        Self { url, text, _tasks: tasks }
    }

    fn says(&self, text: Option<&'static str>) {
        *self.text.lock().unwrap() = text;
    }

    /// Registers an on-demand entry of a type; its uniqueId.
    async fn entry(&self, deployment: &Deployment, id: &str, type_code: &str) -> String {
        let mut submission =
            Builder::of(&format!("{PATIENT}^^^&2.16.840.1.113883.2.1.4.1&ISO")).document();
        submission.submission_set.unique_id = format!("{id}.1").parse().unwrap();
        let entry = &mut submission.document_entries[0];
        entry.entry_type = DocumentEntryType::OnDemand;
        entry.unique_id = id.parse().unwrap();
        entry.repository_unique_id = Some(NODES[0].0.parse().unwrap());
        (entry.hash, entry.size, entry.creation_time) = (None, None, None);
        type_code.clone_into(&mut entry.type_code.code);
        let body = register_message(&submission);
        let (from, to) =
            ("iti:2007:RegisterDocumentSet-b", "iti:2010:RegisterOnDemandDocumentEntry");
        let body = body.replace(from, to);
        let answer = deployment.registry().send(SOAP, body).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        id.to_owned()
    }
}

async fn produce(
    State(text): State<Arc<Mutex<Option<&'static str>>>>,
    question: axum::Json<serde_json::Value>,
) -> Response {
    assert!(question["patientId"].as_str().unwrap().starts_with(PATIENT));
    match *text.lock().unwrap() {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
