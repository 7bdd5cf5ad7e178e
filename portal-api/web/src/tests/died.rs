//! The interruption before the record of somebody who has died.

use http::StatusCode;

use super::browser::Browser;
use super::fake::uuid;

#[tokio::test]
async fn a_death_is_told_before_anything_of_the_record() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001073").await;
    let died = format!("{patient}/died");

    let document = format!("{patient}/document/{}", uuid(1));
    let below = ["", "?show=list", "/summary", "/consent", "/restricted", "/relationship"];
    let below = below.iter().map(|page| format!("{patient}{page}"));
    let of_document = ["", "/content", "/download"].iter().map(|page| format!("{document}{page}"));
    for page in below.chain(of_document) {
        let shown = browser.get(&page).await;
        assert_eq!(
            (shown.status, shown.location()),
            (StatusCode::SEE_OTHER, died.as_str()),
            "{page}"
        );
    }
    for (path, field) in [("search", "words"), ("sources", "source")] {
        let to = format!("{patient}/{path}");
        let sent = browser.submit(&died, &to, &[(field, "letter")]).await;
        assert_eq!(
            (sent.status, sent.location()),
            (StatusCode::SEE_OTHER, died.as_str()),
            "{path}"
        );
    }
    {
        let state = browser.fake.state.lock().unwrap();
        let asked = |path: &str| state.requests.iter().any(|asked| asked.path.starts_with(path));
        assert!(!asked("DocumentReference") && !asked("Binary") && !asked("Allergy"));
    }
    let page = browser.get(&died).await;

    assert_eq!((page.status, page.title()), (StatusCode::OK, "This person has died - Care Record"));
    page.shows("OKAFOR, Ada (Dr)");
    page.shows("who died on <span class=\"cr-nowrap\">20 October 2026</span>.");
    page.shows("href=\"/search\" role=\"button\" draggable=\"false\" data-module=\"nhsuk-button\">Back without opening it</a>");
}

#[tokio::test]
async fn who_goes_on_is_not_asked_again_in_this_session() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001073").await;
    let died = format!("{patient}/died");

    let forged = browser.post(&died, &[("csrf", "x")], &[]).await;
    assert_ne!(forged.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get(&patient).await.location(), died, "nobody has gone on");
    let gone_on = browser.submit(&died, &died, &[]).await;

    assert_eq!((gone_on.status, gone_on.location()), (StatusCode::SEE_OTHER, patient.as_str()));
    browser.get(&patient).await.shows("This person has died");
    assert_eq!(browser.find("9990001073").await, patient);
    assert_eq!(browser.get(&patient).await.status, StatusCode::OK);
    // Another session is another time.
    browser.sign_in().await;
    let again = browser.find("9990001073").await;
    assert_eq!(browser.get(&again).await.location(), format!("{again}/died"));
    let other = browser.find("9990001006").await;
    assert_eq!(browser.get(&other).await.status, StatusCode::OK);
    // Who asks for the page of somebody alive is led on.
    assert_eq!(browser.get(&format!("{other}/died")).await.location(), other);
}

#[tokio::test]
async fn those_who_look_after_accesses_are_not_interrupted() {
    let mut browser = Browser::with_council().await;
    browser.council().state.lock().unwrap().two_roles = true;
    let back = browser.begin_at("/sign-in?with=council").await;
    browser.get(&back).await;
    browser.submit("/role", "/role", &[("role", "council:po")]).await;

    let patient = browser.find("9990001073").await;

    assert_eq!(browser.get(&patient).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_death_that_becomes_known_later_is_told_then() {
    let mut browser = Browser::signed_in().await;
    browser.fake.state.lock().unwrap().nobody = true;

    let patient = browser.find("9990001073").await;
    let without = browser.get(&patient).await;
    browser.fake.state.lock().unwrap().nobody = false;
    let told = browser.get(&patient).await;
    let died = format!("{patient}/died");
    browser.fake.state.lock().unwrap().nobody = true;
    let unnamed = browser.get(&died).await;
    browser.submit(&died, &died, &[]).await;
    browser.fake.state.lock().unwrap().nobody = false;

    assert_eq!(without.status, StatusCode::OK, "the record is not closed for that");
    without.shows("Name not known");
    assert_eq!((told.status, told.location()), (StatusCode::SEE_OTHER, died.as_str()));
    unnamed.shows("the date is not known here");
    unnamed.shows("999 000 1073");
    browser.get(&patient).await.shows("OKAFOR, Ada (Dr)");
}
