//! The faces of a record, what is new in it, and its sources.

use carerecord_model::Clock;
use http::StatusCode;

use super::browser::Browser;
use super::fake::uuid;

#[tokio::test]
async fn list_and_timeline_are_two_faces_of_one_set() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;

    let short = browser.get(&patient).await;
    let overview = browser.get(&format!("{patient}?show=overview")).await;
    let list = browser.get(&format!("{patient}?show=list")).await;
    let timeline = browser.get(&format!("{patient}?show=timeline")).await;
    let again = browser.get(&patient).await;

    assert_eq!(short.title(), list.title(), "a short record is shown whole");
    assert_eq!(overview.title(), "Overview of the record - Care Record");
    overview.shows("Chosen for clinicians.");
    overview.shows("Plans (1)");
    assert_eq!(list.title(), "Documents - Care Record");
    assert_eq!(timeline.title(), "Timeline of documents - Care Record");
    timeline.shows("<h2 class=\"nhsuk-heading-m nhsuk-u-margin-bottom-2\" id=\"m2026-11\">November 2026 (6)</h2>");
    timeline.shows("March 2026 (1)");
    for page in [&list, &timeline] {
        page.shows("7 documents.");
        let links = page.body.matches("class=\"cr-title\"").count();
        assert_eq!(links, 7, "each document once");
    }
    assert_eq!(again.title(), timeline.title(), "the face stays");
    timeline.shows("<a class=\"cr-faces__link\" href=\"");
    timeline.shows("aria-current=\"page\">Timeline</a>");
}

#[tokio::test]
async fn a_group_stands_alone_and_the_filter_stays_with_it() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let alone = format!("{patient}?show=list&group=letters");

    let letters = browser.get(&alone).await;
    let fields = [("text", "outpatient"), ("show", "list"), ("group", "letters")];
    let set = browser.submit(&alone, &format!("{patient}/filter"), &fields).await;
    let filtered = browser.get(set.location().split('#').next().unwrap()).await;
    let nonsense = browser.get(&format!("{patient}?show=x&group=y")).await;

    letters.shows("Letters: 5 of 7 documents.");
    letters.hides("Care plan</a>");
    letters.shows("All groups");
    assert_eq!(set.location(), format!("{patient}?show=list&group=letters#documents"));
    filtered.shows("1 of 7 documents match the filter in Letters.");
    filtered.shows("value=\"outpatient\"");
    assert_eq!(nonsense.status, StatusCode::OK);
}

#[tokio::test]
async fn the_last_filter_is_used_again_and_says_so() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let to = format!("{patient}/filter");
    let list = |patient: &str| format!("{patient}?show=list");
    let again = "This is the filter that you last used";

    let fields = [("class", "823751000000102"), ("text", "outpatient")];
    browser.submit(&list(&patient), &to, &fields).await;
    let set = browser.get(&list(&patient)).await;
    // Another session, and then another patient: whole words are not kept, the class is.
    browser.sign_in().await;
    let patient = browser.find("9990001006").await;
    let same = browser.get(&list(&patient)).await;
    let long = browser.find("9990001111").await;
    let other = browser.get(&list(&long)).await;
    let overview = browser.get(&format!("{patient}?show=overview")).await;

    set.shows("1 of 7 documents match the filter.");
    set.hides(again);
    same.shows("5 of 7 documents match the filter.");
    same.shows(again);
    same.shows("<option value=\"823751000000102\" selected>");
    same.hides("value=\"outpatient\"");
    other.shows("450 of 450 documents match the filter.");
    overview.shows("your filter works there, not here");
    // Taken off, it stays off; and it is nobody else's, nor of another role.
    browser.submit(&list(&patient), &format!("{patient}/filter"), &[("clear", "yes")]).await;
    browser.sign_in().await;
    let patient = browser.find("9990001006").await;
    browser.get(&list(&patient)).await.shows("7 documents.");
}

#[tokio::test]
async fn the_last_filter_is_of_one_role_and_leaves_records_without_such_documents_whole() {
    let mut browser = Browser::open().await;
    browser.fake.state.lock().unwrap().two_roles = true;
    browser.sign_in().await;
    browser.submit("/role", "/role", &[("role", "111")]).await;
    let patient = browser.find("9990001006").await;
    let to = format!("{patient}/filter");
    let list = |patient: &str| format!("{patient}?show=list");

    browser.submit(&list(&patient), &to, &[("class", "734163000")]).await;
    let long = browser.find("9990001111").await;
    let without = browser.get(&list(&long)).await;
    browser.submit("/role", "/role", &[("role", "112")]).await;
    let patient = browser.find("9990001006").await;
    let other_role = browser.get(&list(&patient)).await;

    without.shows("450 documents.");
    without.hides("match the filter");
    other_role.shows("7 documents.");
    let rows = browser.looks.0.lock().unwrap();
    let class = b"734163000";
    assert!(rows.values().all(|row| !row.data.windows(class.len()).any(|part| part == class)));
}

#[tokio::test]
async fn the_overview_follows_the_role() {
    let mut browser = Browser::with_council().await;
    let back = browser.begin_at("/sign-in?with=council").await;
    browser.get(&back).await;
    let patient = browser.find("9990001006").await;

    let page = browser.get(&format!("{patient}?show=overview")).await;

    page.shows("Chosen for social care.");
    page.shows("Discharge (1)");
    page.shows("Also in this record");
    page.shows(&format!("href=\"{patient}?show=list&#38;group=letters\">Letters (5)</a>"));
    page.hides("Outpatient letter</a>");
    page.shows("Also in the summary: ");
    page.shows(&format!("href=\"{patient}/summary#results\">Results (205)</a>."));
    page.hides("<strong>Sodium");
    let place = |words: &str| page.body.find(&format!("__key\">{words}")).unwrap();
    assert!(place("Encounters") < place("Allergies") && place("Allergies") < place("Problems"));
    assert!(place("Medicines") < place("Immunisations"), "what the view does not name is last");
}

#[tokio::test]
async fn what_has_come_since_the_last_look_is_new() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let first = browser.get(&patient).await;
    browser.submit("/search", "/sign-out", &[]).await;
    browser.fake.state.lock().unwrap().more = vec![40];
    browser.cookie = None;
    browser.sign_in().await;
    let patient = browser.find("999 000 1014").await;

    let second = browser.get(&format!("{patient}?show=overview")).await;
    browser.fake.state.lock().unwrap().more = vec![40, 41];
    let third = browser.get(&format!("{patient}?show=list")).await;
    let fresh = [("fresh", "yes"), ("show", "list")];
    browser.submit(&patient, &format!("{patient}/filter"), &fresh).await;
    let only = browser.get(&format!("{patient}?show=list")).await;

    first.shows("You have not looked at this record in the last 6 months.");
    first.hides("nhsuk-tag--blue");
    second.shows("1 document is new since you last looked,");
    second.shows("New since you last looked (1)");
    third.shows("2 documents are new since you last looked,");
    assert_eq!(third.body.matches("nhsuk-tag--blue").count(), 2, "it stays new in the session");
    only.shows("2 of 9 documents match the filter.");
}

#[tokio::test]
async fn what_is_kept_of_a_look_tells_neither_who_nor_whose() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    browser.get(&patient).await;
    let other = browser.find("9990001146").await;
    browser.get(&other).await;

    let rows: Vec<_> = browser.looks.0.lock().unwrap().values().cloned().collect();

    assert_eq!(rows.len(), 2, "one of each patient");
    for row in rows {
        let all = [&row.id_hash[..], &row.data].concat();
        for known in ["9990001006", "9990001146", "555021900100", "111"] {
            assert!(!all.windows(known.len()).any(|w| w == known.as_bytes()), "{known}");
        }
        assert_eq!(row.expires_at.as_second() % 86_400, 0, "it tells a day");
        assert!(row.data.len() < 100, "{} bytes", row.data.len());
    }
}

#[tokio::test]
async fn another_role_has_looks_of_its_own_and_old_ones_go() {
    let mut browser = Browser::open().await;
    browser.fake.state.lock().unwrap().two_roles = true;
    browser.sign_in().await;
    for role in ["111", "112"] {
        browser.submit("/role", "/role", &[("role", role)]).await;
        let patient = browser.find("9990001006").await;
        let words = "You have not looked at this record in the last 6 months.";
        browser.get(&patient).await.shows(words);
    }

    for row in browser.looks.0.lock().unwrap().values_mut() {
        let half_a_year = row.expires_at.as_second() - browser.clock.now().as_second();
        assert!((180 * 86_400..=182 * 86_400).contains(&half_a_year), "{half_a_year}");
        row.expires_at = browser.clock.now();
    }
    browser.submit("/role", "/role", &[("role", "111")]).await;
    let patient = browser.find("9990001006").await;

    browser.get(&patient).await.shows("You have not looked");
    assert_eq!(browser.looks.0.lock().unwrap().len(), 1, "those of then are deleted");
}

#[tokio::test]
async fn only_the_source_that_failed_is_asked_again() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let before = browser.get(&patient).await;
    browser.get(&format!("{patient}?show=list")).await;

    let to = format!("{patient}/sources");
    let retried = browser.submit(&patient, &to, &[("source", "2.999.3")]).await;
    let after = browser.get(&patient).await;
    let unknown = browser.submit(&patient, &to, &[("source", "2.999.77")]).await;
    browser.get(&patient).await;

    before.shows("1 of 4 sources answered.");
    before.shows("Try again<span class=\"nhsuk-u-visually-hidden\">: Example Council</span>");
    assert_eq!(retried.location(), format!("{patient}#sources"));
    after.shows("2 of 4 sources answered. 1 source did not answer");
    assert_eq!(unknown.status, StatusCode::SEE_OTHER);
    let asked = browser.fake.state.lock().unwrap().asked_sources.clone();
    let expected = ["all", "none", "none", "2.999.3", "none", "none", "all"];
    assert_eq!(asked, expected, "nobody else is asked for it, until all are asked for");
}

#[tokio::test]
async fn sources_are_asked_again_after_a_while() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    browser.get(&patient).await;
    browser.clock.forward_minutes(3);

    let page = browser.get(&patient).await;

    page.shows("1 of 4 sources answered.");
    assert_eq!(browser.fake.state.lock().unwrap().asked_sources, ["all", "all"]);
}

#[tokio::test]
async fn documents_open_in_the_order_of_the_face() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    browser.get(&format!("{patient}?show=timeline")).await;

    let last = browser.get(&format!("{patient}/document/{}", uuid(4))).await;

    last.shows("in the list");
    last.hides("rel=\"next\"");
}
