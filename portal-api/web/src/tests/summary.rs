use http::StatusCode;

use super::browser::Browser;
use super::fake::uuid;

#[tokio::test]
async fn what_contradicts_stands_side_by_side_with_the_documents_that_say_it() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;

    let page = browser.get(&format!("{patient}/summary")).await;

    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.title(), "Summary - Care Record");
    page.shows("2 sources answered.");
    page.shows("2 entries are contradicted by another one.");
    page.shows("Penicillin &#60;b&#62;V&#60;/b&#62;");
    page.shows("Reaction: Rash");
    page.shows("nhsuk-tag--blue\">Active<");
    page.shows("nhsuk-tag--grey\">Resolved<");
    page.shows("href=\"#allergies-1\">by entry 2");
    page.shows(&format!("href=\"{patient}/document/{}#section-2\">Care plan, Allergies", uuid(1)));
    page.shows("nhsuk-tag--grey\">Not taken<");
    page.shows("2.5 mg once a day");
    page.shows("No problem is in the coded entries that were read. This does not mean");
    page.hides("<b>V");
    page.shows("MMR");
    page.shows("nhsuk-tag--grey\">Not given<");
    page.shows("Results (200)");
    page.shows("These are the newest 200. 5 older entries are in the documents only.");
    page.shows("&#60; 5.40 mmol/L");
    page.shows("Part: clear");
    page.shows("6 more in the document");
    page.shows("Interpretation: Low");
    page.shows("Reference range: 133 to 146 &#60;b&#62;");
    page.shows("nhsuk-tag--grey\">Said not to be there<");
    let place = |words: &str| page.body.find(words).unwrap();
    assert!(place("02-Jan-2026") < place("Said not to be there"), "the newest first");
    assert!(place("<strong>Ward stay") < place("<strong>Clinic"), "the newest first");
    let list = browser.get(&patient).await;
    list.shows(&format!("href=\"{patient}/summary\""));
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_rest() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001022").await;

    let page = browser.get(&format!("{patient}/summary")).await;

    page.shows("Penicillin");
    page.shows("2 sources answered.");
    assert_eq!(page.body.matches("Not all of these could be read just now.").count(), 1);
    page.hides("No encounter is in");
}

#[tokio::test]
async fn nothing_never_looks_like_none_known() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001146").await;

    let page = browser.get(&format!("{patient}/summary")).await;

    page.shows("Only 1 of 3 sources answered: entries may be missing.");
    page.shows("No allergy is in the coded entries that were read. Not all sources answered.");
    let closed = browser.find("9990001049").await;
    let closed = browser.get(&format!("{closed}/summary")).await;
    assert_eq!(closed.status, StatusCode::FORBIDDEN);
    closed.shows("The patient has objected to sharing their record.");
}

#[tokio::test]
async fn the_overview_has_the_summary_in_brief() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;

    let page = browser.get(&format!("{patient}?show=overview")).await;

    page.shows("Allergies and intolerances (2)");
    page.shows("<strong>Penicillin &#60;b&#62;V&#60;/b&#62;</strong>, Reaction: Rash");
    page.shows("nhsuk-tag--red\">Contradicted<");
    page.shows("Results (205)");
    page.shows(&format!("href=\"{patient}/summary#results\">All 205"));
    page.shows(&format!("href=\"{patient}/document/{}#section-2\">Care plan", uuid(1)));
    assert_eq!(page.body.matches("<strong>Sodium").count(), 5, "the newest");
    page.hides("<b>V");
    let list = browser.get(&format!("{patient}?show=list")).await;
    list.hides("What the documents state");
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_overview() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001022").await;
    let page = browser.get(&format!("{patient}?show=overview")).await;
    assert_eq!(page.body.matches("Not all of these could be read just now.").count(), 1);
    page.shows("2 sources answered.");

    let patient = browser.find("9990001006").await;
    browser.fake.state.lock().unwrap().no_elements = true;
    let page = browser.get(&format!("{patient}?show=overview")).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("The coded entries of the documents could not be read just now.");
    page.shows("Not available from the sources");
    page.shows("Plans (1)");
}

#[tokio::test]
async fn the_banner_says_what_documents_state_of_allergies() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let document = format!("{patient}/document/{}", uuid(1));

    for page in [patient.clone(), format!("{patient}/summary"), document] {
        let page = browser.get(&page).await;
        page.shows(&format!("href=\"{patient}/summary#allergies\">Penicillin &#60;b&#62;V"));
        page.shows("(documents differ)");
    }
    let words = [("words", "pulse")];
    let inside = browser.submit(&patient, &format!("{patient}/search"), &words).await;
    inside.shows("Penicillin &#60;b&#62;V");
    let unread = browser.find("9990001146").await;
    browser.get(&unread).await.shows("Not available from every source");
}

#[tokio::test]
async fn the_banner_counts_its_alerts() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001073").await;
    browser.submit(&format!("{patient}/died"), &format!("{patient}/died"), &[]).await;

    let page = browser.get(&patient).await;

    page.shows("1 alert<");
    page.shows("This person has died");
    let other = browser.find("9990001006").await;
    browser.get(&other).await.hides("1 alert");
}
