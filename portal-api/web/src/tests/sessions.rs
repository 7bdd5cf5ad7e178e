//! Requests of one session at the same time.

use http::StatusCode;

use super::browser::Browser;

#[tokio::test]
async fn a_slow_page_does_not_bring_a_session_back_after_signing_out() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let mut tab = browser.second_tab();
    let gate = browser.fake.hold();

    let slow = tab.get(&patient);
    let sign_out = async {
        gate.arrived.notified().await;
        browser.submit("/search", "/sign-out", &[]).await;
        gate.open.notify_one();
    };
    tokio::join!(slow, sign_out);

    assert!(browser.rows.0.lock().unwrap().is_empty(), "the session is back");
    assert_eq!(tab.get("/search").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_slow_page_does_not_undo_the_choice_of_a_role() {
    let mut browser = Browser::open().await;
    browser.fake.state.lock().unwrap().two_roles = true;
    browser.sign_in().await;
    browser.submit("/role", "/role", &[("role", "111")]).await;
    let patient = browser.find("9990001006").await;
    let mut tab = browser.second_tab();
    let gate = browser.fake.hold();

    let slow = tab.get(&patient);
    let choose = async {
        gate.arrived.notified().await;
        browser.submit("/role", "/role", &[("role", "112")]).await;
        gate.open.notify_one();
    };
    let (page, ()) = tokio::join!(slow, choose);

    assert_eq!(page.status, StatusCode::NOT_FOUND, "what the role before saw is left behind");
    tab.get("/search").await.shows("Salaried General Practitioner, A20047");
}

#[tokio::test]
async fn a_slow_page_does_not_lose_a_patient_found_meanwhile() {
    let mut browser = Browser::signed_in().await;
    let first = browser.find("9990001006").await;
    let mut tab = browser.second_tab();
    let gate = browser.fake.hold();

    let slow = tab.get(&first);
    let find = async {
        gate.arrived.notified().await;
        let second = browser.find("9990001146").await;
        gate.open.notify_one();
        second
    };
    let (page, second) = tokio::join!(slow, find);

    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(browser.get(&second).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_asked_for_after_a_while_writes_only_what_it_changes() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    browser.get(&patient).await;
    browser.clock.forward_minutes(2);
    let mut tab = browser.second_tab();
    let gate = browser.fake.hold();

    let slow = tab.get(&patient);
    let sign_out = async {
        gate.arrived.notified().await;
        browser.submit("/search", "/sign-out", &[]).await;
        gate.open.notify_one();
    };
    tokio::join!(slow, sign_out);

    assert!(browser.rows.0.lock().unwrap().is_empty(), "the session is back");
}
