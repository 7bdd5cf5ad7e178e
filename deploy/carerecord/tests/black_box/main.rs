//! The binary from outside: what it promises holds in one process and with every role apart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access_packs;
mod apps;
mod audit_proofs;
mod audit_repository;
mod back_fill;
mod bad_input;
mod break_glass;
mod bypass;
mod citizens;
mod codes;
mod content;
mod contexts;
mod delegations;
mod disk_full;
mod doctor;
mod documentation;
mod doors;
mod elements;
mod encryption;
mod example;
mod feeds;
mod files;
mod guide;
mod identity;
mod integrity;
mod kills;
mod looking;
mod manifests;
mod may_see;
mod messages;
mod mhd;
mod migrate;
mod mock;
mod mock_node;
mod nodes;
mod oauth;
mod object_store;
mod objections;
mod on_demand;
mod over_tls;
mod paces;
mod people;
mod pictures;
mod policies;
mod publishing;
mod reads;
mod recorded;
mod relationships;
mod replicas;
mod reports;
mod retention;
mod routes;
mod scrub;
mod sensitivity;
mod sent;
mod shape;
mod sign_outs;
mod silent_sources;
mod smart;
mod submission_states;
mod third_party;
mod tls_scan;
mod tool;
mod xua;

use carerecord_testkit::Deployment;

/// One list of tests, for each way of deploying.
macro_rules! however_it_is_deployed {
    ($($module:ident :: $test:ident),+ $(,)?) => {
        mod one_process {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$module::$test(super::Deployment::one_process(super::BINARY)).await;
            })+
        }

        mod apart {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                // The one process is on SQLite, so here it is the other database, where there is one.
                let deployment = super::Deployment::apart_on_postgres(super::BINARY).await;
                let deployment = deployment.unwrap_or_else(|| super::Deployment::apart(super::BINARY));
                super::$module::$test(deployment).await;
            })+
        }
    };
}

however_it_is_deployed![
    publishing::what_is_published_is_in_the_next_answer_on_every_door,
    publishing::a_repeat_changes_nothing_and_other_bytes_are_refused,
    publishing::published_documents_survive_a_kill,
    publishing::submissions_that_meet_never_mix,
    kills::a_kill_at_any_point_loses_and_invents_nothing,
    integrity::a_damaged_document_is_refused_and_told_of,
    integrity::a_damaged_long_document_is_broken_off,
    reads::what_a_search_finds_is_read_by_its_address,
    reads::a_change_of_a_record_is_in_the_next_search,
    mhd::a_bundle_is_on_every_door_with_the_same_ids,
    mhd::both_doors_have_one_answer,
    mhd::a_document_by_itself_is_on_every_door,
    mhd::what_is_wrong_with_one_document_is_told,
    mhd::metadata_is_made_of_a_header,
    mhd::fhir_documents_are_entries,
    mhd::whatever_comes_by_one_door_is_found_by_the_other,
    mhd::relations_and_folders_are_as_over_soap,
    mhd::what_is_wrong_is_told_and_nothing_is_published,
    messages::messages_of_others_are_answered_and_recorded,
    submission_states::a_sender_can_look_up_what_became_of_it,
    tool::options_give_what_a_header_lacks,
    tool::a_header_that_replaces_does_so,
    tool::a_tool_that_is_killed_is_started_again,
    identity::a_merge_by_hl7_v3_holds_on_every_door,
    identity::what_hl7_v3_cannot_do_is_acknowledged_so,
    people::people_are_found_by_what_is_told_of_them,
    content::what_is_inside_is_found_until_it_may_not_be,
    elements::what_documents_say_is_seen_as_they_are,
    break_glass::a_closed_record_is_opened_with_a_reason_and_reviewed,
    break_glass::the_pages_ask_why_and_the_inbox_has_it,
    looking::who_looked_is_found_by_those_who_look_after_it,
    looking::the_pages_tell_who_looked,
    access_packs::an_officer_has_a_pack_made,
    access_packs::others_have_no_packs_made,
    access_packs::the_pages_give_packs,
    reports::rules_find_what_should_be_looked_at_twice,
    reports::the_pages_have_reports,
    feeds::what_sources_send_is_seen_by_who_runs_the_programme,
    feeds::uses_are_counted_for_who_runs_the_programme,
    feeds::what_the_registry_refused_is_tried_again,
    looking::who_may_not_look_learns_nothing,
    may_see::who_asks_gets_the_answer_that_the_doors_give,
    sensitivity::rules_label_and_withhold_on_every_door,
    citizens::a_proxy_ends_at_a_birthday,
    citizens::a_citizen_sees_their_own_record_and_nothing_else,
    citizens::a_proxy_sees_the_record_as_long_as_the_grant_holds,
    citizens::the_pages_of_citizens_show_their_own,
    delegations::a_node_gives_to_whom_the_portal_speaks_of,
    delegations::what_does_not_show_for_whom_is_refused,
    delegations::the_node_decides_again,
    smart::a_record_system_opens_the_patient_and_nobody_else,
    smart::what_is_wrong_with_a_launch_opens_nothing_and_is_recorded,
    contexts::a_system_is_asked_for_whom_it_opens_a_record,
    apps::an_app_reads_for_a_person_and_no_more,
    apps::an_app_gets_nothing_without_the_person,
    oauth::a_system_reads_by_a_token_of_its_own,
    oauth::a_system_publishes_by_a_token_of_its_own,
    oauth::each_way_of_publishing_goes_by_one_scope,
    oauth::scopes_hold_for_what_is_included,
    oauth::who_does_not_show_itself_gets_no_token,
    sign_outs::signing_out_at_the_provider_ends_everything_at_once,
    sign_outs::what_the_provider_has_not_signed_ends_nothing,
    sign_outs::a_person_signs_out_everywhere,
    objections::an_objection_holds_from_the_next_request_until_it_is_lifted,
    objections::an_objection_is_recorded_and_lifted_at_the_desk,
    objections::a_yes_is_asked_for_at_the_point_of_care,
    silent_sources::one_source_is_asked_and_no_other,
    bypass::stored_queries_tell_nothing_of_what_is_withheld,
    bypass::objects_by_id_tell_nothing_of_what_is_withheld,
    bypass::fhir_tells_nothing_of_what_is_withheld,
    bypass::other_doors_tell_nothing_of_what_is_withheld,
    bypass::time_tells_nothing_of_what_is_withheld,
    bypass::headers_of_a_proxy_say_nothing_of_who_calls,
    bypass::a_community_that_is_named_opens_nothing,
    pictures::what_was_shown_is_not_kept,
];

/// What only shows where a role can be stopped by itself.
macro_rules! apart {
    ($($module:ident :: $test:ident),+ $(,)?) => {
        mod apart_only {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$module::$test(super::Deployment::apart(super::BINARY)).await;
            })+
        }
    };
}

apart![
    mhd::a_node_that_is_down_is_told_of,
    recorded::every_route_leaves_one_record,
    sent::what_is_sent_is_recorded,
    sent::questions_to_the_sign_in_provider_are_recorded,
    content::an_index_is_built_again,
    elements::elements_are_taken_out_again,
    bad_input::nothing_sent_to_the_registry_hurts_it,
    encryption::keys_come_and_go_and_documents_stay,
    scrub::a_scrub_finds_what_differs,
    scrub::a_scrub_that_is_stopped_goes_on,
    scrub::without_a_registry_a_scrub_says_so,
    delegations::without_a_delegation_the_portals_door_opens_nothing,
    delegations::the_registry_is_told_for_whom_the_portal_asks,
    delegations::keys_are_changed_while_all_runs,
    doctor::the_doctor_says_what_is_wrong,
    looking::a_log_that_does_not_answer_is_told_of,
    looking::a_pack_has_what_is_held_and_who_looked,
    access_packs::a_pack_says_what_it_lacks_and_ends,
    messages::what_we_ask_has_the_standards_shape,
    nodes::the_directory_changes_without_a_restart,
    nodes::of_ill_nodes_the_truth_is_told_within_the_deadline,
    nodes::the_doctor_looks_at_every_node,
    silent_sources::a_stopped_node_is_told_of_and_others_answer,
    silent_sources::a_frozen_node_is_told_of_within_the_deadline,
    silent_sources::a_listener_that_never_answers_is_late,
    silent_sources::a_frozen_registry_does_not_hold_a_source,
    silent_sources::a_node_frozen_in_a_document_breaks_it_off,
    silent_sources::without_a_registry_nothing_looks_empty,
    on_demand::what_is_made_on_demand_has_an_id_of_its_own,
    retention::what_is_due_goes_and_what_is_held_stays,
    submission_states::what_is_kept_is_registered_when_the_registry_is_back,
    third_party::a_third_partys_documents_come_whole_or_not_at_all,
    third_party::a_second_endpoint_makes_up_for_the_first,
];

mod full_disk {
    use carerecord_testkit::Role;

    use super::{BINARY, Deployment, disk_full};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_one_process() {
        let deployment = Deployment::one_process_stopped(BINARY);
        disk_full::a_full_disk(deployment, Role::Node(0)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_a_node() {
        disk_full::a_full_disk(Deployment::apart_stopped(BINARY), Role::Node(0)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_the_registry() {
        disk_full::a_full_disk(Deployment::apart_stopped(BINARY), Role::Registry).await;
    }
}

/// Under rules of their own, so before their first start.
mod who_cares {
    use super::{BINARY, Deployment, relationships};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn in_one_process() {
        let deployment = Deployment::one_process_stopped(BINARY);
        relationships::only_those_who_care_for_a_patient_see_the_record(deployment).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn apart() {
        let deployment = Deployment::apart_stopped(BINARY);
        relationships::only_those_who_care_for_a_patient_see_the_record(deployment).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_pages_in_one_process() {
        let deployment = Deployment::one_process_stopped(BINARY);
        relationships::the_pages_offer_a_claim(deployment).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_pages_apart() {
        let deployment = Deployment::apart_stopped(BINARY);
        relationships::the_pages_offer_a_claim(deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_on_disk_count_whole_at_the_next_start() {
    policies::rules_on_disk_count_whole_at_the_next_start(Deployment::apart_stopped(BINARY)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_no_writes_gives_nothing() {
    let Some(deployment) = Deployment::apart_on_postgres(BINARY).await else { return };
    replicas::a_database_that_takes_no_writes_gives_nothing(deployment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_of_a_node_take_a_delegation_once() {
    let deployment = Deployment::apart_on_s3_and_postgres_stopped(BINARY).await;
    let Some(mut deployment) = deployment else { return };
    deployment.start_all();
    delegations::copies_of_a_node_take_a_delegation_once(deployment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_goes_on_postgres_too() {
    let Some(deployment) = Deployment::apart_on_postgres(BINARY).await else { return };
    retention::what_is_due_goes_and_what_is_held_stays(deployment).await;
}

/// What is about the store of documents, where that is an object store.
macro_rules! on_s3 {
    ($($module:ident :: $test:ident),+ $(,)?) => {
        mod on_s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let deployment = super::Deployment::apart_on_s3(super::BINARY).await;
                super::$module::$test(deployment).await;
            })+
        }
    };
}

on_s3![
    publishing::what_is_published_is_in_the_next_answer_on_every_door,
    publishing::a_repeat_changes_nothing_and_other_bytes_are_refused,
    publishing::published_documents_survive_a_kill,
    publishing::submissions_that_meet_never_mix,
    kills::a_kill_at_any_point_loses_and_invents_nothing,
    integrity::a_damaged_document_is_refused_and_told_of,
    integrity::a_damaged_long_document_is_broken_off,
    submission_states::what_is_kept_is_registered_when_the_registry_is_back,
    content::what_is_inside_is_found_until_it_may_not_be,
    object_store::a_store_that_fails_is_told_of_and_nothing_is_lost,
    object_store::answers_that_break_off_are_gone_on_with,
    object_store::the_doctor_asks_the_store,
    scrub::a_scrub_finds_what_differs,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_finds_what_differs_on_postgresql() {
    let deployment = Deployment::apart_on_postgres(BINARY).await;
    let Some(deployment) = deployment else { return };
    scrub::a_scrub_finds_what_differs(deployment).await;
}

#[tokio::test]
async fn a_first_start_that_is_killed_is_made_up_for() {
    kills::a_first_start_that_is_killed_is_made_up_for(BINARY).await;
}

/// The example of the configuration file runs as it stands, but for its ports and paths.
#[tokio::test]
async fn the_example_configuration_runs() {
    let example = example::Example::start(|text| text);

    let answer = reqwest::get(example.url(9, "/health/ready")).await.unwrap();

    assert!(answer.status().is_success(), "{}", example.said());
    assert!(example.file("data/registry.db").exists());
}

/// The registry and the nodes of one file are scrubbed while they serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_with_every_role_is_scrubbed() {
    let example = example::Example::start(|text| text);
    let letter = carerecord_testkit::Letter::text(carerecord_testkit::PATIENT, 1);
    let answer = example.node().publish(&letter).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);

    let scrub = || example.run(&["scrub", "--config", &example.config()]);
    let output = tokio::task::block_in_place(scrub);

    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains(": 1 documents") && said.matches("Node ").count() == 3, "{said}");
}

#[test]
fn a_listener_that_others_could_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("open.toml");
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy");
    let open = format!(
        "data = \"data\"\npolicy = \"{policy}\"\n[registry]\n[[registry.door]]\n\
         listen = {{ address = \"0.0.0.0:0\" }}\n\
         caller = {{ name = \"t\", organisation = \"ZEX09\", rights = [\"query\"] }}\n"
    );
    std::fs::write(&file, open).unwrap();

    let mut command = std::process::Command::new(BINARY);
    let output = command.args(["serve", "--config"]).arg(&file).output().unwrap();

    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("loopback"), "{said}");
}

const BINARY: &str = env!("CARGO_BIN_EXE_carerecord");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_file_is_sent_in_flat_memory() {
    tool::a_long_file_is_sent_in_flat_memory(Deployment::one_process(BINARY)).await;
}
