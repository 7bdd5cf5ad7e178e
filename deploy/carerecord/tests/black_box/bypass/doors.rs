//! Nodes, web pages, the change feed and the routes of peers.

use std::time::{Duration, Instant};

use carerecord_testkit::{Browser, Deployment, Exchange, GP, NODES, Role};
use serde_json::json;

use super::asker::{Answer, Asker, Recorded, without_ids};
use super::world::{
    DOCUMENT, HIDDEN, HIDDEN_BEFORE, HIDDEN_CHILD, HIDDEN_DOCUMENTS, HIDDEN_LETTER, LETTER, SECRET,
    Side, WITH, WITHOUT,
};

/// ITI-43 by ids that were never queried: alone, beside one that is given, at another node.
pub async fn nodes_give_nothing_of_it(deployment: &Deployment, asker: &Asker) {
    for node in 0..NODES.len() {
        for repository in [NODES[node].0, NODES[(node + 1) % NODES.len()].0] {
            for object in HIDDEN_DOCUMENTS {
                for beside in [&[][..], &[LETTER], &[LETTER, DOCUMENT]] {
                    let what = format!("ITI-43 of {object} at {node}, {repository}, {beside:?}");
                    let mut answers = Vec::new();
                    for side in [WITH, WITHOUT] {
                        let objects = beside.iter().chain([&object]);
                        let ids: Vec<String> = objects.map(|o| side.unique_id(*o)).collect();
                        let is_it =
                            object == HIDDEN_LETTER && repository == NODES[0].0 && node == 0;
                        let recorded = match side.is_with() && is_it {
                            true => Recorded::Refusal,
                            false => Recorded::Attempt,
                        };
                        let url = deployment.url(Role::Node(node), "/xds/repository");
                        let request = asker.http().post(url).header("content-type", SOAP);
                        let request = request.body(retrieve(repository, &ids));
                        answers.push(asker.ask(&what, request, recorded).await);
                    }
                    let [with, without] = &answers[..] else { unreachable!() };
                    same_parts(with, without, &what);
                }
            }
        }
    }
}

/// ITI-43 of a community that the request names: alone, and beside one that is given.
pub async fn a_node_of_a_community(deployment: &Deployment, asker: &Asker, home: &str) {
    for beside in [&[][..], &[LETTER]] {
        let what = format!("ITI-43 of the community {home:?}, {beside:?}");
        let mut answers = Vec::new();
        for side in [WITH, WITHOUT] {
            let objects = beside.iter().chain(&[HIDDEN_LETTER]);
            let ids: Vec<String> = objects.map(|o| side.unique_id(*o)).collect();
            let community = format!("<x:HomeCommunityId>{home}</x:HomeCommunityId>");
            let body = retrieve(NODES[0].0, &ids);
            let named =
                body.replace("<x:DocumentRequest>", &format!("<x:DocumentRequest>{community}"));
            assert_ne!(named, body);
            let url = deployment.url(Role::Node(0), "/xds/repository");
            let request = asker.http().post(url).header("content-type", SOAP).body(named);
            answers.push(asker.ask(&what, request, Recorded::Attempt).await);
        }
        same_parts(&answers[0], &answers[1], &what);
    }
}

/// Nobody can ask to be told: there are no subscriptions, neither by SOAP (DSUB) nor by FHIR. Who
/// builds them has rows of their own to write.
pub async fn nobody_can_ask_to_be_told(deployment: &Deployment, asker: &Asker) {
    let gp = deployment.fhir().as_person(GP).await;
    let mut answers = Vec::new();
    for side in [WITH, WITHOUT] {
        let filter = format!(
            "<b:Subscribe xmlns:b=\"http://docs.oasis-open.org/wsn/b-2\"><b:Filter>{}</b:Filter>\
             </b:Subscribe>",
            side.patient
        );
        let action = "http://docs.oasis-open.org/wsn/bw-2/NotificationProducer/SubscribeRequest";
        let mut of_side = Vec::new();
        for (role, path) in [
            (Role::Registry, "/xds/registry"),
            (Role::Registry, "/xds/identity"),
            (Role::Node(0), "/xds/repository"),
        ] {
            let request = asker.http().post(deployment.url(role, path));
            let request = request.header("content-type", SOAP);
            let request = request.body(carerecord_testkit::envelope(action, &filter));
            let answer = asker.ask("Subscribe", request, Recorded::Attempt).await;
            assert!(answer.body.contains("Fault"), "{path}: {answer:?}");
            of_side.push(answer);
        }
        let fhir = deployment.url(Role::Portal, "/fhir");
        let criteria = format!("DocumentReference?patient.identifier={}", side.patient);
        let resource = json!({"resourceType": "Subscription", "criteria": criteria});
        let post = asker.http().post(format!("{fhir}/Subscription")).json(&resource);
        for request in [post, asker.http().get(format!("{fhir}/Subscription"))] {
            let request = request.bearer_auth(gp.token());
            let answer = asker.ask("Subscription", request, Recorded::Attempt).await;
            assert_eq!(answer.status, 404, "{answer:?}");
            of_side.push(answer);
        }
        answers.push(of_side);
    }
    for (with, without) in answers[0].iter().zip(&answers[1]) {
        with.assert_like(without, "a subscription");
    }
}

/// MTOM has boundaries of its own.
fn same_parts(with: &Answer, without: &Answer, what: &str) {
    with.assert_silent(what);
    let plain = |answer: &Answer| {
        let body = without_ids(&answer.body);
        let lines = body.lines().filter(|line| !line.starts_with("--"));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(with.status, without.status, "{what}");
    assert_eq!(plain(with), plain(without), "{what}");
}

fn retrieve(repository: &str, ids: &[String]) -> String {
    let requests: String = ids
        .iter()
        .map(|id| {
            format!(
                "<x:DocumentRequest><x:RepositoryUniqueId>{repository}</x:RepositoryUniqueId>\
                 <x:DocumentUniqueId>{id}</x:DocumentUniqueId></x:DocumentRequest>"
            )
        })
        .collect();
    carerecord_testkit::envelope(
        "urn:ihe:iti:2007:RetrieveDocumentSet",
        &format!(
            "<x:RetrieveDocumentSetRequest xmlns:x=\"urn:ihe:iti:xds-b:2007\">{requests}\
             </x:RetrieveDocumentSetRequest>"
        ),
    )
}

/// The pages: list, groups, filter, search inside, and a document by its address.
pub async fn pages_show_nothing_of_it(deployment: &Deployment) {
    let mut browser = Browser::sign_in(deployment, GP).await;
    let mut seen = Vec::new();
    for side in [WITH, WITHOUT] {
        let list = browser.find(side.patient).await;
        let mut pages = Vec::new();
        for path in PAGES {
            pages.push((path.to_owned(), browser.get(&format!("{list}{path}")).await));
        }
        for object in HIDDEN_DOCUMENTS.iter().chain(&[DOCUMENT]) {
            let compare = format!("/compare/{}", side.id(DOCUMENT));
            for part in ["", "/content", "/download", "/attachment/0", &compare] {
                if *object == DOCUMENT && !part.is_empty() {
                    continue;
                }
                let path = format!("{list}/document/{}{part}", side.id(*object));
                let page = browser.get(&path).await;
                let hidden = *object != DOCUMENT;
                assert!(!hidden || page.0 == 404, "{object}{part}: {} {}", page.0, page.1);
                pages.push((format!("{object}{part}"), page));
            }
            if *object != DOCUMENT {
                let path = format!("{list}/document/{}", side.id(*object));
                let copy = [("purpose", "direct-care"), ("copy", "original")];
                let page = browser.submit(&format!("{path}/download"), &copy).await;
                assert_eq!(page.0, 404, "a copy of {object}: {}", page.1);
                pages.push((format!("a copy of {object}"), page));
                // From the side of what may be seen.
                let path = format!("{list}/document/{}", side.id(DOCUMENT));
                let page = browser.get(&format!("{path}/compare/{}", side.id(*object))).await;
                assert_eq!(page.0, 404, "compared with {object}: {}", page.1);
                pages.push((format!("compared with {object}"), page));
            }
        }
        let inside = format!("{list}/search");
        for words in [SECRET, "pulse", "letter -pulse"] {
            let found = browser.submit(&inside, &[("words", words)]).await;
            assert_eq!(found.0, 200, "{}", found.1);
            // The page repeats what was asked, and nothing else of it.
            let page = found.1.replace(&words.replace('"', "&quot;"), "WORDS");
            pages.push((format!("inside {words}"), (found.0, page)));
        }
        let again = browser.submit(&format!("{list}/sources"), &[]).await;
        pages.push(("sources".to_owned(), again));
        let filter = [("class", "quetzal-class"), ("text", SECRET)];
        let answer = browser.submit(&format!("{list}/filter"), &filter).await;
        pages.push(("filter".to_owned(), (answer.0, answer.1.replace(SECRET, "WORDS"))));
        let filtered = browser.get(&list).await;
        pages.push(("filtered".to_owned(), (filtered.0, filtered.1.replace(SECRET, "WORDS"))));
        // Another person's document under this person's banner.
        let other = if side.is_with() { WITHOUT } else { WITH };
        for object in [DOCUMENT, HIDDEN, HIDDEN_CHILD] {
            let path = format!("{list}/document/{}", other.id(object));
            let (status, page) = browser.get(&path).await;
            assert_eq!(status, 404, "{page}");
            pages.push((format!("other's {object}"), (status, page)));
        }
        seen.push(pages);
    }
    let (with, without) = (&seen[0], &seen[1]);
    for ((what, a), (_, b)) in with.iter().zip(without) {
        let page = |(status, body): &(u16, String)| {
            let body = without_token(body);
            Answer { status: *status, headers: Vec::new(), body }
        };
        page(a).assert_like(&page(b), &format!("page {what}"));
    }
}

/// The faces of a record, with groups and pages that there are or are not.
const PAGES: [&str; 9] = [
    "",
    "?show=list",
    "?show=list&group=letters",
    "?show=timeline&page=2",
    "?show=overview&group=type",
    "?sort=oldest",
    "/restricted",
    "/summary",
    "/consent",
];

/// A page but for the secret of its form, and how long sources took.
fn without_token(page: &str) -> String {
    let mut pieces = page.split("name=\"csrf\" value=\"");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str(piece.split_once('"').map_or(piece, |(_, rest)| rest));
    }
    out
}

/// The change feed and what peers ask is for roles of the deployment alone.
pub async fn feed_and_peers_are_closed(deployment: &Deployment, asker: &Asker) {
    let registry = |path: &str| deployment.url(Role::Registry, path);
    for query in ["", "?since=0", "?since=0&limit=1", "?since=3&wait=1", "?since=x", "?all=1"] {
        let request = asker.http().get(registry(&format!("/changes{query}")));
        let answer = asker.ask(&format!("changes{query}"), request, Recorded::Attempt).await;
        assert!(answer.status == 403 || answer.status == 400, "{answer:?}");
        assert!(!answer.body.contains("urn:uuid"), "{answer:?}");
    }
    for side in [WITH, WITHOUT] {
        let bodies = [
            ("/peer/consent", json!({"patient": side.patient})),
            ("/peer/consent/update", json!({"record": {}})),
            ("/peer/patient", json!({"number": side.patient})),
            ("/peer/identifier", json!({"id": side.cx()})),
            ("/peer/patient/search", json!({"family": ["Quetzal"]})),
        ];
        for (path, body) in bodies {
            let request = asker.http().post(registry(path)).json(&body);
            let answer = asker.ask(path, request, Recorded::Attempt).await;
            assert!([400, 403, 415, 422].contains(&answer.status), "{path}: {answer:?}");
            assert!(!answer.body.contains(side.patient), "{path}: {answer:?}");
        }
        let question = json!({"patient": side.patient, "words": SECRET,
            "documents": [side.unique_id(HIDDEN_LETTER), side.unique_id(LETTER)]});
        let url = deployment.url(Role::Node(0), "/peer/search");
        let request = asker.http().post(url).json(&question);
        let answer = asker.ask("search inside", request, Recorded::Refusal).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(!answer.body.contains(side.patient), "{answer:?}");
        answer.assert_silent("search inside");
        let question = json!({"patient": side.patient, "kinds": [],
            "documents": [side.unique_id(HIDDEN_LETTER), side.unique_id(LETTER)]});
        let url = deployment.url(Role::Node(0), "/peer/elements");
        let request = asker.http().post(url).json(&question);
        let answer = asker.ask("elements", request, Recorded::Refusal).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(!answer.body.contains(side.patient), "{answer:?}");
        answer.assert_silent("elements");
    }
}

/// Who publishes can name what it may not read, or a clinic could not replace its own withheld
/// letter. The answer tells that an id is in use and no more.
pub async fn writers_learn_no_more_than_that_an_id_is_taken(deployment: &Deployment) {
    let registry = deployment.registry();
    let told = |answer: &Exchange| {
        let text = answer.envelope.to_lowercase();
        for word in [SECRET, "termination", WITH.patient, WITHOUT.patient] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        without_ids(&answer.envelope)
    };
    // Another's folder, set or document cannot be added to, seen or not.
    let mut codes = Vec::new();
    for object in [super::world::FOLDER, super::world::HIDDEN_FOLDER] {
        let answer = registry.register(&super::world::into_folder_of(WITH, object)).await.unwrap();
        assert!(!answer.is_success(), "{}", answer.envelope);
        codes.push((answer.error_codes(), told(&answer)));
    }
    assert_eq!(codes[0], codes[1], "hidden or not");
    // An id that is in use, hidden or not.
    let mut taken = Vec::new();
    for object in [DOCUMENT, HIDDEN] {
        let answer = registry.register(&super::world::same_id_as(WITH, object)).await.unwrap();
        assert!(!answer.is_success(), "{}", answer.envelope);
        taken.push((answer.error_codes(), told(&answer)));
    }
    assert_eq!(taken[0], taken[1]);
    // What is replaced already, hidden or not.
    let answer = registry.register(&super::world::replacing(WITH, HIDDEN_BEFORE)).await.unwrap();
    assert!(!answer.is_success(), "{}", answer.envelope);
    told(&answer);
    let nobody = registry.register(&super::world::replacing(WITHOUT, HIDDEN)).await.unwrap();
    assert_eq!(nobody.error_codes(), ["UnresolvedReferenceException"]);
}

/// What proxies tell those behind them is read from nobody.
pub async fn headers_say_nothing_of_who_calls(deployment: &Deployment, asker: &Asker) {
    let portal = deployment.url(Role::Portal, "/fhir");
    let changes = deployment.url(Role::Registry, "/changes");
    let before = deployment.audit(Role::Portal).len();
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.77"),
        ("forwarded", "for=192.0.2.77;proto=https"),
        ("x-real-ip", "192.0.2.77"),
        ("x-forwarded-user", GP),
        ("x-remote-user", GP),
        ("x-ssl-client-verify", "SUCCESS"),
        ("x-ssl-client-s-dn", "CN=portal"),
        ("x-client-cert", "MIIB"),
        ("x-organisation", "ZEX01"),
    ] {
        let what = format!("{name}: {value}");
        let request = asker.http().get(format!("{portal}/Binary/{}", WITH.id(LETTER)));
        let answer = asker.ask(&what, request.header(name, value), Recorded::Refusal).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        let request = asker.http().get(&changes).header(name, value);
        let answer = asker.ask(&what, request, Recorded::Refusal).await;
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
    }
    let events = deployment.audit(Role::Portal);
    assert!(events.len() > before);
    for event in &events {
        let peer = event["peer"].as_str().unwrap_or("127.0.0.1:0");
        assert!(peer.starts_with("127.0.0.1:"), "{event}");
        assert!(!event.to_string().contains("192.0.2.77"), "{event}");
    }
}

/// Neither metrics nor logs have anything of a patient.
pub async fn metrics_and_logs_have_nothing_of_it(deployment: &Deployment) {
    let roles = [Role::Registry, Role::Node(0), Role::Portal];
    let roles = if deployment.is_apart() { &roles[..] } else { &roles[..1] };
    for role in roles {
        let url = format!("http://127.0.0.1:{}/metrics", deployment.admin_port(*role));
        let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
        let said = deployment.process(*role).said();
        for text in [metrics.to_lowercase(), said.to_lowercase()] {
            for side in [WITH, WITHOUT] {
                let ids = [side.id(HIDDEN), side.unique_id(HIDDEN_LETTER), side.id(DOCUMENT)];
                let words = [SECRET.to_owned(), "termination".to_owned(), side.patient.to_owned()];
                for word in ids.iter().chain(&words) {
                    assert!(!text.contains(word.as_str()), "{role:?}: {word}");
                }
            }
        }
    }
}

/// How long a refusal takes tells nothing: forbidden and absent take the same, as far as a busy
/// machine can say. Several rounds, of which one must be quiet enough.
pub async fn it_takes_as_long_as_what_is_absent(deployment: &Deployment) {
    let gp = deployment.fhir().as_person(GP).await;
    let portal = deployment.url(Role::Portal, "/fhir");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut said = Vec::new();
    for _ in 0..ROUNDS {
        let mut took: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
        for n in 0..TURNS * 2 {
            // In turns, so that what else the machine does is shared.
            let side: Side = if n % 2 == 0 { WITH } else { WITHOUT };
            let request = http.get(format!("{portal}/Binary/{}", side.id(HIDDEN_LETTER)));
            let began = Instant::now();
            let status = request.bearer_auth(gp.token()).send().await.unwrap().status();
            took[n % 2].push(began.elapsed());
            assert_eq!(status, 404);
        }
        let [with, without] = took.map(|mut all| {
            all.sort_unstable();
            all[all.len() / FASTEST].as_secs_f64()
        });
        let apart = (with - without).abs() / without;
        said.push(apart);
        if apart < NEAR {
            return;
        }
    }
    panic!("forbidden and absent can be told apart by time: {said:?}");
}

const TURNS: usize = 100;
const ROUNDS: usize = 8;
/// What is compared: the slowest of the fastest tenth. Other tests run beside this one, and what they take away
/// decides over the rest.
const FASTEST: usize = 10;
/// The goal is 5 %, on a machine that does nothing else.
const NEAR: f64 = 0.15;
const SOAP: &str = carerecord_testkit::SOAP;
