use http::{StatusCode, header};

use super::browser::Browser;
use super::fake::{CDA, PDF, uuid};

#[tokio::test]
async fn the_start_page_needs_no_session() {
    let mut browser = Browser::open().await;

    let page = browser.get("/").await;

    assert_eq!(page.title(), "Start - Care Record");
    page.shows("Sign in");
    page.shows("This is a demonstration.");
    assert!(browser.cookie.is_none());
    browser.get("/accessibility").await.shows("WCAG");
    assert_eq!(browser.get("/nowhere").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_page_has_strict_headers_and_no_inline_code() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let document = format!("{patient}/document/{}", uuid(1));

    for path in ["/", "/search", &patient, &document, "/role", "/nowhere"] {
        let page = browser.get(path).await;
        let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(page.headers[header::CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(page.headers[header::REFERRER_POLICY], "no-referrer", "{path}");
        assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(page.headers["cross-origin-opener-policy"], "same-origin", "{path}");
        page.hides(" style=\"");
        page.hides(" onclick");
        assert_eq!(
            page.body.matches("<script").count(),
            page.body.matches("<script type=\"module\" src=").count()
        );
    }
}

#[tokio::test]
async fn styles_and_scripts_are_kept_for_good() {
    let mut browser = Browser::open().await;
    let page = browser.get("/").await;
    let (_, rest) = page.body.split_once("rel=\"stylesheet\" href=\"").unwrap();
    let styles = rest.split('"').next().unwrap().to_owned();

    let css = browser.get(&styles).await;
    let js = browser.get(&styles.replace("portal.css", "nhsuk-frontend.min.js")).await;

    assert_eq!(css.headers[header::CONTENT_TYPE], "text/css; charset=utf-8");
    assert!(css.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    assert!(!css.body.contains("http://") && !css.body.contains("https://"), "loads nothing");
    assert!(js.body.contains("initAll"));
    assert_eq!(browser.get("/assets/0/portal.css").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_mistyped_number_is_explained() {
    let mut browser = Browser::signed_in().await;

    let wrong = [("nhs_number", "999 000 1007")];
    let page = browser.submit("/search", "/patient/find", &wrong).await;

    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(page.title(), "Error: Find a patient - Care Record");
    page.shows("Enter a real NHS number; check the digits");
    page.shows("<details class=\"nhsuk-details\" open>");
    page.shows("value=\"999 000 1007\"");
    let hostile = [("nhs_number", "\"><script>x")];
    browser.submit("/search", "/patient/find", &hostile).await.hides("<script>x");
}

#[tokio::test]
async fn the_list_shows_banner_sources_and_groups() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("999 000 1006").await;

    let page = browser.get(&format!("{patient}?show=list")).await;

    assert_eq!(page.title(), "Documents - Care Record");
    page.shows("OKAFOR, Ada (Dr)");
    page.shows("14-Jul-1945");
    page.shows("999 000 1006");
    page.shows("1 of 4 sources answered. 2 sources did not answer: documents may be missing, or may not open. 1 source is not connected.");
    for state in ["Answered", "Did not answer in time", "Could not be asked", "Not connected"] {
        page.shows(state);
    }
    page.shows("Plans (1)");
    page.shows("1 earlier version");
    page.shows("Discharge summary &#60;b&#62;");
    page.shows("02-Nov-2026 14:05");
    page.shows("Cardiology, Royal Example Hospital");
    page.shows("Restricted");
}

#[tokio::test]
async fn a_merged_number_shows_the_record_that_it_is_part_of() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("999 000 1014").await;

    let page = browser.get(&patient).await;

    page.shows("NHS number <span class=\"cr-nowrap\">999 000 1014</span> is no longer in use.");
    page.shows("<span class=\"cr-banner__value cr-number\">999 000 1006</span>");
    page.shows("Plans (1)");
    let document = browser.get(&format!("{patient}/document/{}", uuid(1))).await;
    assert_eq!(document.status, StatusCode::OK);
    document.shows("999 000 1006");
}

#[tokio::test]
async fn documents_are_counted_by_the_id_of_their_source() {
    let mut browser = Browser::signed_in().await;

    let patient = browser.find("9990001154").await;
    let page = browser.get(&patient).await;

    let counts = page.body.matches("1 document or version listed").count();
    assert_eq!(counts, 2, "each source has one of the two, whatever they are called");
}

#[tokio::test]
async fn where_a_restricted_person_is_cared_for_is_not_counted_out() {
    let mut browser = Browser::signed_in().await;

    let patient = browser.find("9990001219").await;
    let page = browser.get(&patient).await;

    page.shows("2 sources answered.");
    page.shows("Organisation withheld");
    page.hides("version listed");
    page.hides("versions listed");
    page.hides("<option value=\"ZEX01\"");
}

#[tokio::test]
async fn nothing_found_and_could_not_ask_look_different() {
    let mut browser = Browser::signed_in().await;

    let nothing = browser.find("9990001146").await;
    let nothing = browser.get(&nothing).await;
    let partly = browser.find("9990001138").await;
    let partly = browser.get(&partly).await;
    let down = browser.find("9990001030").await;
    let down = browser.get(&down).await;
    let unknown = browser.find("9990001022").await;
    let unknown = browser.get(&unknown).await;

    nothing.shows("No documents found in the 3 sources that answered.");
    nothing.hides("Try again");
    partly.shows("No documents found in the 1 source that answered.");
    for state in ["Would not answer", "Not asked, after failures", "Answered wrongly"] {
        partly.shows(state);
    }
    let last_good = "Last answered 02-Nov-2025 09:00.";
    assert_eq!(partly.body.matches(last_good).count(), 3, "not of the one that answered");
    partly.shows("Sources that did not answer may hold documents.");
    partly.shows("Ask all sources again");
    assert_eq!(down.status, StatusCode::SERVICE_UNAVAILABLE);
    down.shows("This does not mean that there are no documents.");
    unknown.shows("Name not known");
}

#[tokio::test]
async fn a_refusal_explains_itself() {
    let mut browser = Browser::signed_in().await;

    let patient = browser.find("9990001049").await;
    let whole = browser.get(&patient).await;
    let withheld = browser.find("9990001057").await;
    let nothing = browser.get(&withheld).await;
    let ada = browser.find("9990001006").await;
    let one = browser.get(&format!("{ada}/document/{}", uuid(9))).await;

    assert_eq!(
        (whole.status, whole.title()),
        (StatusCode::FORBIDDEN, "You cannot see this - Care Record")
    );
    whole.shows("The patient has objected to sharing their record.");
    whole.shows("objection-whole-record");
    whole.shows("Objection to sharing the whole record");
    whole.shows("Leila Haddon since 01-Nov-2026");
    whole.shows("What you can do");
    whole.shows("999 000 1049");
    whole.hides("No documents found");
    assert_eq!(nothing.status, StatusCode::FORBIDDEN);
    nothing.shows("Leila Haddon since 01-Nov-2026</dd>");
    nothing.hides("No documents found");
    one.shows("You cannot see this document");
    one.shows(&format!("href=\"{ada}\""));
}

#[tokio::test]
async fn what_is_refused_twice_with_the_same_words_is_said_once() {
    let mut browser = Browser::signed_in().await;

    let patient = browser.find("9990001227").await;
    let page = browser.get(&patient).await;

    page.shows("You cannot see some or all of this record");
    assert_eq!(page.body.matches("The patient has objected to sharing their record.").count(), 1);
}

#[tokio::test]
async fn the_filter_stays_out_of_addresses() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let to = format!("{patient}/filter");

    let fields = [("text", "OUTPATIENT"), ("class", "823751000000102"), ("from", "2026-03-01")];
    let set = browser.submit(&format!("{patient}?show=list"), &to, &fields).await;
    let list = format!("{patient}?show=list");
    let filtered = browser.get(&list).await;
    let wrong = browser.submit(&list, &to, &[("from", "soon")]).await;
    browser.submit(&list, &to, &[("text", "zebra")]).await;
    let none = browser.get(&list).await;
    browser.submit(&list, &to, &[("clear", "yes")]).await;

    assert_eq!(set.location(), format!("{patient}?show=list#documents"));
    filtered.shows("1 of 7 documents match the filter.");
    filtered.shows("Outpatient letter");
    filtered.hides("Archive</a>");
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("href=\"#filter-from\"");
    none.shows("No document matches the filter. There are 7 without it.");
    browser.get(&list).await.shows("7 documents.");
}

#[tokio::test]
async fn a_long_list_has_pages_and_is_never_cut_silently() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001111").await;

    let first = browser.get(&format!("{patient}?show=list")).await;
    let last = browser.get(&format!("{patient}?show=list&page=3")).await;

    first.shows("450 documents. Shown: 1 to 200, page 1 of 3.");
    first.shows("Letters (450)");
    last.shows("Shown: 401 to 450, page 3 of 3.");
}

#[tokio::test]
async fn a_structured_document_is_shown_with_its_origin() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    browser.get(&patient).await;

    let page = browser.get(&format!("{patient}/document/{}", uuid(1))).await;

    assert_eq!(page.title(), "Document - Care Record");
    page.shows("<h3 id=\"section-1\">Medicines</h3>");
    page.shows("Bisoprolol 2.5 mg once a day");
    page.shows("Dr Niamh Calloway");
    page.shows("Unchanged since it was registered");
    page.shows("OKAFOR, Ada (Dr)");
    page.shows("in the list");
}

#[tokio::test]
async fn what_a_document_holds_never_runs() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let at = |n: u128, what: &str| format!("{patient}/document/{}{what}", uuid(n));

    let text = browser.get(&at(4, "")).await;
    let shown = browser.get(&at(4, "/content")).await;
    let to = at(4, "/download");
    let original = [("purpose", "direct-care"), ("copy", "original")];
    let file = browser.submit(&to, &to, &original).await;

    text.shows("Plain words.");
    text.hides("<script>alert");
    assert_eq!(shown.status, StatusCode::NOT_FOUND, "text is not for the browser to show");
    assert_eq!(file.headers[header::CONTENT_TYPE], "text/plain");
    let disposition = file.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename=\"document-"));
    assert!(file.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("sandbox"));
}

#[tokio::test]
async fn pdf_is_framed_and_other_kinds_are_downloads() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let at = |n: u128, what: &str| format!("{patient}/document/{}{what}", uuid(n));

    let page = browser.get(&at(3, "")).await;
    let pdf = browser.get(&at(3, "/content")).await;
    let archive = browser.get(&at(5, "")).await;

    page.shows("<iframe class=\"cr-frame\"");
    assert_eq!(pdf.headers[header::CONTENT_TYPE], "application/pdf");
    assert_eq!(pdf.body, PDF);
    let policy = pdf.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'self'"));
    archive.shows("This kind of document cannot be shown here.");
    archive.shows("application/zip");
}

#[tokio::test]
async fn a_source_that_is_down_does_not_hide_what_is_known() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;

    let page = browser.get(&format!("{patient}/document/{}", uuid(6))).await;

    assert_eq!(page.status, StatusCode::OK);
    page.shows("could not be had from Royal Example Hospital");
    page.shows("Dr Niamh Calloway");
    page.shows("Try again");
}

#[tokio::test]
async fn a_damaged_document_is_not_shown() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let at = format!("{patient}/document/{}", uuid(1));
    let to = format!("{at}/download");
    let original = [("purpose", "direct-care"), ("copy", "original")];
    assert_eq!(browser.submit(&to, &to, &original).await.body, CDA);

    browser.fake.state.lock().unwrap().damaged = true;
    let page = browser.get(&at).await;
    let file = browser.submit(&to, &to, &original).await;
    let marked = browser.submit(&to, &to, &[("purpose", "legal"), ("copy", "marked")]).await;

    assert_eq!(marked.status, StatusCode::BAD_GATEWAY);
    marked.shows("no copy of it can be made");
    page.shows("The document is damaged");
    page.shows("no copy of it can be had here");
    page.shows("Not the document that was registered");
    page.shows("Try again");
    page.hides("Bisoprolol");
    page.hides("Print or download");
    assert_eq!(file.body, "the body broke off");
    let picture = browser.get(&at.replace(&uuid(1), &uuid(18))).await;
    picture.shows("The document is damaged");
    picture.hides("<img class=\"cr-image\"");
    picture.hides("Print or download");
}

#[tokio::test]
async fn a_source_that_does_not_give_what_was_registered_is_told_apart_from_one_that_is_down() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;

    for n in [19, 20] {
        let at = format!("{patient}/document/{}", uuid(n));
        let to = format!("{at}/download");
        let page = browser.get(&at).await;
        let original = [("purpose", "legal"), ("copy", "original")];
        let original = browser.submit(&to, &to, &original).await;

        assert_eq!(page.status, StatusCode::OK);
        page.shows("The document is damaged");
        page.shows("Royal Example Hospital was asked");
        page.shows("Tell your service desk");
        page.shows("Try again");
        page.hides("does not answer");
        page.hides("Print or download");
        assert_eq!(original.status, StatusCode::BAD_GATEWAY);
        original.shows("The document cannot be had");
        original.shows("ask the organisation that wrote it");
    }
    let at = |n| format!("{patient}/document/{}", uuid(n));
    let compared = browser.get(&format!("{}/compare/{}", at(1), uuid(19))).await;
    compared.shows("is damaged: it is not what was registered.");
    // Somebody between the API and us.
    let page = browser.get(&at(21)).await;
    page.shows("that source does not answer, or broke off");
    page.hides("damaged");
}

#[tokio::test]
async fn a_document_never_stands_under_another_persons_banner() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let other = browser.find("9990001146").await;

    for path in [
        format!("{patient}/document/{}", uuid(7)),
        format!("{other}/document/{}", uuid(1)),
        format!("{other}/document/{}/download", uuid(1)),
        format!("/patient/{}", uuid(77)),
        "/patient/not-a-handle".to_owned(),
    ] {
        let page = browser.get(&path).await;
        assert!(page.status.is_client_error(), "{path}");
        page.hides("Bisoprolol");
    }
}

#[tokio::test]
async fn the_token_goes_to_the_api_alone() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;

    let page = browser.get(&format!("{patient}/document/{}", uuid(8))).await;

    page.shows("that source does not answer, or broke off");
}

#[tokio::test]
async fn no_address_names_a_patient() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("999 000 1006").await;
    browser.get(&patient).await;
    browser.get(&format!("{patient}/document/{}", uuid(1))).await;

    let again = browser.find("9990001006").await;

    assert_eq!(again, patient, "the handle lasts for the session");
    for address in &browser.visited {
        let address = address.to_lowercase();
        for word in ["9990001006", "999%20", "999+", "okafor"] {
            assert!(!address.contains(word), "{word} in {address}");
        }
    }
}
