//! Ways past what a patient or a rule has closed: `table.rs` has them one by one. Two people have the
//! same record, but that one of them has documents which nobody may see: whatever is asked, the
//! answers about them are the same, and the record of accesses knows better.

mod asker;
mod doors;
mod fhir;
mod meta;
mod queries;
mod table;
mod world;

use carerecord_testkit::Deployment;

use asker::Asker;

pub async fn stored_queries_tell_nothing_of_what_is_withheld(deployment: Deployment) {
    let asker = opened(&deployment).await;
    queries::every_stored_query_with_every_parameter(&deployment, &asker).await;
    queries::every_stored_query_in_messagepack(&deployment, &asker).await;
    asker.check_record(&deployment);
    deployment.assert_no_panic();
}

pub async fn objects_by_id_tell_nothing_of_what_is_withheld(deployment: Deployment) {
    let asker = opened(&deployment).await;
    queries::what_is_hidden_by_any_id(&deployment, &asker).await;
    doors::writers_learn_no_more_than_that_an_id_is_taken(&deployment).await;
    asker.check_record(&deployment);
    deployment.assert_no_panic();
}

pub async fn a_community_that_is_named_opens_nothing(deployment: Deployment) {
    let asker = opened(&deployment).await;
    for (home, is_one) in COMMUNITIES {
        queries::every_stored_query_of_a_community(&deployment, &asker, home, is_one).await;
        doors::a_node_of_a_community(&deployment, &asker, home).await;
    }
    asker.check_record(&deployment);
    deployment.assert_no_panic();
}

/// Communities that a request may name: none, that of the documents, another, spellings and nonsense;
/// and whether they are one.
const COMMUNITIES: [(&str, bool); 6] = [
    ("", true),
    ("urn:oid:2.999.826.1", true),
    ("urn:oid:2.999.77", true),
    ("URN:OID:2.999.826.1", false),
    ("2.999.826.1", false),
    ("urn:oid:2.999.826.1&apos; OR &apos;1", false),
];

pub async fn fhir_tells_nothing_of_what_is_withheld(deployment: Deployment) {
    let asker = opened(&deployment).await;
    fhir::every_search_and_every_read(&deployment, &asker).await;
    fhir::breaking_the_glass_opens_nothing_of_it(&deployment, &asker).await;
    asker.check_record(&deployment);
    doors::metrics_and_logs_have_nothing_of_it(&deployment).await;
    deployment.assert_no_panic();
}

pub async fn other_doors_tell_nothing_of_what_is_withheld(deployment: Deployment) {
    let asker = opened(&deployment).await;
    doors::nodes_give_nothing_of_it(&deployment, &asker).await;
    doors::feed_and_peers_are_closed(&deployment, &asker).await;
    doors::nobody_can_ask_to_be_told(&deployment, &asker).await;
    asker.check_record(&deployment);
    doors::pages_show_nothing_of_it(&deployment).await;
    deployment.assert_no_panic();
}

pub async fn time_tells_nothing_of_what_is_withheld(deployment: Deployment) {
    opened(&deployment).await;
    doors::it_takes_as_long_as_what_is_absent(&deployment).await;
}

async fn opened(deployment: &Deployment) -> Asker {
    world::publish(deployment).await;
    Asker::new()
}

/// Whoever says by headers that a proxy has let them in is who the connection says.
pub async fn headers_of_a_proxy_say_nothing_of_who_calls(deployment: Deployment) {
    let asker = opened(&deployment).await;
    doors::headers_say_nothing_of_who_calls(&deployment, &asker).await;
    asker.check_record(&deployment);
}
