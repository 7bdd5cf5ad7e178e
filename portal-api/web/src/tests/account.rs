use http::StatusCode;

use super::browser::Browser;

#[tokio::test]
async fn the_account_says_who_one_is_here() {
    let mut browser = Browser::open().await;
    browser.fake.state.lock().unwrap().two_roles = true;
    browser.sign_in().await;

    let page = browser.get("/account").await;

    assert_eq!((page.status, page.title()), (StatusCode::OK, "My account - Care Record"));
    page.shows("Dr Tomasz Wren");
    page.shows("555021900100");
    page.shows("NHS staff account");
    page.shows("Salaried General Practitioner");
    page.shows("or after 15 minutes without use");
    page.hides("Acting as");
    browser.submit("/role", "/role", &[("role", "112")]).await;
    browser.get("/account").await.shows("Acting as");
}

#[tokio::test]
async fn signing_out_everywhere_takes_a_form_of_ours() {
    let mut browser = Browser::signed_in().await;

    let forged = browser.post("/sign-out/everywhere", &[("csrf", "x")], &[]).await;

    assert!(forged.status.is_client_error(), "{}", forged.status);
    assert!(browser.fake.state.lock().unwrap().asked_to_end.is_empty());
    assert_eq!(browser.get("/search").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_patients_of_the_session_are_on_the_first_page() {
    let mut browser = Browser::signed_in().await;

    browser.get("/search").await.shows("You have not opened a record since you signed in.");
    let patient = browser.find("9990001006").await;
    browser.get(&patient).await;
    let page = browser.get("/search").await;

    page.shows("Recent patients");
    page.shows(&format!("<a href=\"{patient}\">OKAFOR, Ada (Dr)</a>"));
    page.shows("14-Jul-1945");
    page.hides("Privacy alerts");
}

#[tokio::test]
async fn those_in_care_are_counted_on_the_first_page_and_listed_when_asked_for() {
    let mut browser = Browser::signed_in().await;

    let home = browser.get("/search").await;
    let team = browser.get("/team").await;
    let further = browser.get("/team?page=sealed-2").await;

    home.shows("My teams");
    home.shows("<a href=\"/team\">Patients of Royal Example Hospital</a>");
    home.shows("3 open episodes of care");
    home.hides("OKAFOR");
    assert_eq!(team.title(), "My team's patients - Care Record");
    assert_eq!(team.body.matches("<td class=\"nhsuk-table__cell\"").count(), 5, "one person");
    team.shows("Admitted or seen since 20-Nov-2026 09:30<br>Referred since 02-Nov-2026 09:30");
    team.shows("name=\"nhs_number\" value=\"9990001006\"");
    team.shows("<a href=\"/team?page=sealed-2\">Next page</a>");
    further.shows("999 000 1049");
    further.shows("On a caseload since");
    further.hides("Next page");
    assert_eq!(browser.get("/team?page=other").await.status, StatusCode::NOT_FOUND);
}
