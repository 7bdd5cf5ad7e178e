//! The search for people by name.

use http::StatusCode;

use super::browser::Browser;

const BORN: [(&str, &str); 3] = [("day", "14"), ("month", "7"), ("year", "1945")];

#[tokio::test]
async fn people_are_listed_and_opened_and_no_address_names_them() {
    let mut browser = Browser::signed_in().await;
    let fields = [&BORN[..], &[("family", "O,k"), ("given", "Mary")]].concat();

    let page = browser.submit("/search", "/people/find", &fields).await;

    assert_eq!((page.status, page.title()), (StatusCode::OK, "People found - Care Record"));
    page.shows("2 people found.");
    page.shows("OKAFOR&#60;B&#62;, Ada Mary");
    page.shows("<span class=\"cr-nowrap\">14-Jul-1945</span>");
    page.shows("Died 20-Oct-2026 (81y)");
    page.shows("<span class=\"cr-number\">999 000 1006</span>");
    page.shows("<span class=\"cr-nowrap\">XX1 1XX</span>");
    page.shows("The index is being built.");
    page.shows("O\\,K, Ada Mary");
    // Where a restricted person lives is not shown, whatever the API says.
    page.shows("Restricted record");
    page.shows("Not shown");
    page.hides("ZZ9");
    page.shows("value=\"O,k\"");
    let open = [("nhs_number", "9990001006")];
    let opened = browser.submit("/search", "/patient/find", &open).await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER);
    for address in &browser.visited {
        assert!(!address.contains("999000") && !address.contains("1945"), "{address}");
    }
}

#[tokio::test]
async fn too_many_people_are_not_listed() {
    let mut browser = Browser::signed_in().await;
    let fields = [&BORN[..], &[("family", "Smith")]].concat();

    let page = browser.submit("/search", "/people/find", &fields).await;

    page.shows("More than 50 people fit, so none is shown.");
    page.shows("value=\"Smith\"");
    page.hides("<table");
}

#[tokio::test]
async fn mistakes_are_told_at_their_fields_and_nothing_is_asked() {
    let mut browser = Browser::signed_in().await;
    let asked = |browser: &Browser| browser.fake.state.lock().unwrap().calls.len();
    let before = asked(&browser);
    browser.get("/search").await;
    // The page of the form tells of the team.
    let by_page = asked(&browser) - before;
    let fields = [("family", "O"), ("day", "31"), ("month", "2"), ("year", "1945")];

    let page = browser.submit("/search", "/people/find", &fields).await;

    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(page.title(), "Error: Find a patient - Care Record");
    page.shows("<a href=\"#family\">Enter at least 2 letters of the family name</a>");
    page.shows("<a href=\"#born-day\">Date of birth must be a real date, such as 15 3 1984</a>");
    page.shows("id=\"family-error\"");
    page.shows("value=\"31\"");
    let hostile = [("family", "\"><script>x")];
    browser.submit("/search", "/people/find", &hostile).await.hides("<script>x");
    assert_eq!(asked(&browser), before + 3 * by_page);
    let forged = browser.post("/people/find", &[("family", "Okafor"), ("csrf", "x")], &[]).await;
    assert_ne!(forged.status, StatusCode::OK);
}

#[tokio::test]
async fn one_box_takes_a_number_or_what_is_known_of_a_person() {
    let mut browser = Browser::signed_in().await;
    let search = browser.get("/search").await;
    search.shows("for=\"search\">Search by NHS number, name, date of birth or postcode</label>");

    let number = [("search", " 999 000-1006 ")];
    let opened = browser.submit("/search", "/people/find", &number).await;
    let typed = [("search", "Mary Okafor, 14 July 1945 xx11xx")];
    let page = browser.submit("/search", "/people/find", &typed).await;

    assert_eq!(opened.status, StatusCode::SEE_OTHER);
    assert!(opened.location().starts_with("/patient/"));
    page.shows("2 people found.");
    page.shows("Family name <strong class=\"cr-nowrap\">Okafor</strong>, Given name");
    page.shows("<strong class=\"cr-nowrap\">14-Jul-1945</strong>, Postcode");
    page.shows("OKAFOR, Ada Mary");
    page.shows("<span>Dr Legg&#39;s Surgery</span>");
    assert_eq!(page.body.matches("Not shown").count(), 2, "neither home nor practice");
    page.hides("ZZ9");
    // Nothing has to be typed again to change the search.
    page.shows("value=\"Okafor\"");
    page.shows("value=\"July\"");
    for address in &browser.visited {
        assert!(!address.contains("Okafor") && !address.contains("999000"), "{address}");
    }
}

#[tokio::test]
async fn what_the_box_cannot_take_stands_in_it_with_words() {
    let mut browser = Browser::signed_in().await;
    let asked = |browser: &Browser| {
        let state = browser.fake.state.lock().unwrap();
        state.requests.iter().filter(|asked| asked.path.starts_with("Patient")).count()
    };
    let before = asked(&browser);
    for (typed, words) in [
        ("9990001007", "Enter a real NHS number; check the digits"),
        ("Okafor", "Enter a date of birth or a postcode"),
        ("14/7/1945", "Enter a family name, or how it begins"),
        ("Okafor 31/2/1945", "Date of birth must be a real date, such as 15 3 1984"),
        ("", "Enter an NHS number, or a name with a date of birth or a postcode"),
    ] {
        let page = browser.submit("/search", "/people/find", &[("search", typed)]).await;

        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(page.title(), "Error: Find a patient - Care Record");
        page.shows(&format!("<a href=\"#search\">{words}</a>"));
        page.shows(&format!(
            "spellcheck=\"false\" value=\"{typed}\" aria-describedby=\"search-hint"
        ));
    }
    // What was understood of it need not be typed again.
    let page = browser.submit("/search", "/people/find", &[("search", "Okafor")]).await;
    page.shows("<details class=\"nhsuk-details\" open> <summary class=\"nhsuk-details__summary\"><span class=\"nhsuk-details__summary-text\">More fields");
    page.shows("name=\"family\" type=\"text\" maxlength=\"60\" autocomplete=\"off\" spellcheck=\"false\" value=\"Okafor\"");
    let hostile = [("search", "\"><script>x, 9")];
    browser.submit("/search", "/people/find", &hostile).await.hides("<script>x");
    assert_eq!(asked(&browser), before, "nobody was looked for");
}
