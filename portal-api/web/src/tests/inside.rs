use http::StatusCode;

use super::browser::Browser;
use super::fake::uuid;

#[tokio::test]
async fn words_in_documents_are_marked_and_nothing_of_a_document_becomes_markup() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let search = format!("{patient}/search");

    let page = browser.submit(&patient, &search, &[("words", "<b>asthma</b>")]).await;

    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.title(), "Words in documents - Care Record");
    page.shows("1 document found. Only 1 of 2 sources answered: documents may be missing.");
    page.shows("known <mark>&#60;b&#62;asthma&#60;/b&#62;</mark> since 1999");
    page.shows(&format!("href=\"{patient}/document/{}\"", uuid(30)));
    page.hides("<script>known");
    page.hides("<b>asthma");
}

#[tokio::test]
async fn a_search_for_nothing_and_a_forged_one_ask_nobody() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let search = format!("{patient}/search");

    let empty = browser.submit(&patient, &search, &[("words", " * ")]).await;
    let forged = [("words", "asthma"), ("csrf", "x")];
    let headers = [("sec-fetch-site", "same-origin"), ("origin", "null")];
    let forged = browser.post(&search, &forged, &headers).await;

    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    empty.shows("Enter words to look for in the documents");
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    forged.hides("<mark>");
}
