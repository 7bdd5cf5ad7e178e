//! What a page of one document shows, compares and copies.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::{StatusCode, header};

use super::browser::{Browser, Page};
use super::fake::{PDF, PIXEL, uuid};

#[tokio::test]
async fn sections_have_an_outline_and_readable_codes() {
    let (mut browser, at) = opened(12).await;

    let page = browser.get(&at).await;

    page.shows("<a href=\"#section-2\">What matters to me</a>");
    page.shows("id=\"section-2\"");
    page.shows("Coded entries of What matters to me (1)");
    page.shows("78564009 (SNOMED CT)");
    page.shows("62 /min");
    page.shows("02-Nov-2026");
}

#[tokio::test]
async fn pictures_and_files_inside_are_shown() {
    let (mut browser, at) = opened(12).await;

    let page = browser.get(&at).await;
    let picture = browser.get(&format!("{at}/attachment/1")).await;
    let pdf = browser.get(&format!("{at}/attachment/2")).await;

    page.shows("<a href=\"#file-1\" class=\"cr-media\">See file 1</a>");
    page.shows(&format!("src=\"{at}/attachment/1\""));
    page.shows(&format!("src=\"{at}/attachment/2\""));
    assert_eq!(picture.headers[header::CONTENT_TYPE], "image/png");
    let policy = picture.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("sandbox"), "{policy}");
    assert_eq!(pdf.body, PDF);
    assert_eq!(browser.get(&format!("{at}/attachment/3")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_what_it_says_is_a_download() {
    let (mut browser, html) = opened(11).await;
    let of = |n: u128| html.replace(&uuid(11), &uuid(n));

    let lying = browser.get(&html).await;
    let entities = browser.get(&of(13)).await;
    let flood = browser.get(&of(14)).await;
    let no_pdf = browser.get(&of(15)).await;
    let script = browser.get(&of(16)).await;
    let packed = browser.get(&of(24)).await;
    for n in [16, 24] {
        let by_address = browser.get(&format!("{}/content", of(n))).await;
        assert_eq!(by_address.status, StatusCode::NOT_FOUND);
    }

    lying.shows("The document was registered as Picture (PNG), but is an HTML page.");
    entities.shows("The document cannot be shown: ");
    flood.shows("65535 by 65535 pixels");
    no_pdf.shows("The document was registered as PDF, but is");
    script.shows("The PDF holds scripts");
    packed.shows("packed in a way that does not let us look for them");
    for page in [lying, entities, flood, no_pdf, script, packed] {
        page.shows("You can download the original.");
        page.shows("/download\">Download the document");
        page.hides("<img class=\"cr-image\"");
        page.hides("<iframe");
        page.hides("Bisoprolol");
    }
}

#[tokio::test]
async fn a_page_tells_where_a_document_comes_from_and_why_it_may_be_seen() {
    let (mut browser, at) = opened(1).await;

    let page = browser.get(&at).await;
    let old = browser.get(&at.replace(&uuid(1), &uuid(2))).await;

    page.shows("03-Nov-2026 09:00 by Royal Example Hospital (system 2.999.7)");
    page.shows("A data sharing agreement in force covers the document.");
    page.shows("Rule: agreement; agreement dsa-1/2; set by the regional board since 05-Jan-2026");
    page.shows("Checksum (SHA-1)");
    page.shows("It replaces an earlier version");
    page.shows(&format!("href=\"{at}/compare/{}\"", uuid(2)));
    old.shows("This version has been replaced");
    old.shows("Open the version that replaced it");
    old.shows("It was replaced by a newer version");
}

#[tokio::test]
async fn a_reference_tells_which_document_it_is_and_not_whose() {
    let (mut browser, at) = opened(1).await;

    let page = browser.get(&at).await;
    let named = browser.get(&at.replace(&uuid(1), &uuid(17))).await;
    let refused = browser.get(&at.replace(&uuid(1), &uuid(7))).await;

    let reference = reference(&page);
    assert!(reference.starts_with("Title: "), "{reference}");
    for line in [
        "Type: Outpatient letter",
        "Written: 02-Nov-2026 14:05",
        "Organisation: Cardiology, Royal Example Hospital",
        "Document: urn:oid:2.999.5.1",
        "Repository: 2.999.1",
        "Read in: Care Record",
    ] {
        assert!(reference.lines().any(|l| l == line), "no {line:?} in {reference}");
    }
    page.shows("id=\"reference\" rows=\"7\" readonly");
    page.shows("data-copy=\"reference\" hidden");
    named.shows("<h1 class=\"nhsuk-heading-l cr-heading-document\">Letter about Mrs Okafor</h1>");
    let named = self::reference(&named);
    assert!(named.starts_with("Type: Outpatient letter\n"), "{named}");
    assert!(named.contains("\nRepository: 2.999.1\n"), "{named}");
    for text in [reference, named] {
        let plain = text.to_lowercase().replace([' ', '-'], "");
        assert!(!plain.contains("9990001006") && !plain.contains("okafor"), "{text}");
    }
    refused.hides("id=\"reference\"");
}

/// The text that can be copied.
fn reference(page: &Page) -> String {
    let (_, rest) = page.body.split_once("aria-describedby=\"reference-hint\">").unwrap();
    rest.split_once("</textarea>").unwrap().0.to_owned()
}

#[tokio::test]
async fn two_versions_are_compared_in_their_order() {
    let (mut browser, at) = opened(1).await;

    let forth = browser.get(&format!("{at}/compare/{}", uuid(2))).await;
    let back = at.replace(&uuid(1), &uuid(2));
    let back = browser.get(&format!("{back}/compare/{}", uuid(1))).await;
    let with_pdf = browser.get(&format!("{at}/compare/{}", uuid(3))).await;
    let of_another = browser.get(&format!("{at}/compare/{}", uuid(7))).await;

    for page in [forth, back] {
        assert_eq!(page.status, StatusCode::OK);
        page.shows("2 lines have changed.");
        page.shows("<del>1.25</del>");
        page.shows("<ins>2.5</ins>");
        page.shows("1 line is the same");
    }
    with_pdf.shows("is not a text, so the two cannot be compared here.");
    assert_eq!(of_another.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_copy_says_what_for_and_who_made_it() {
    let (mut browser, at) = opened(12).await;
    let to = format!("{at}/download");

    let ask = browser.get(&to).await;
    let without = browser.submit(&to, &to, &[("copy", "print")]).await;
    let print = browser.submit(&to, &to, &[("purpose", "legal"), ("copy", "print")]).await;
    let marked =
        browser.submit(&to, &to, &[("purpose", "subject-access"), ("copy", "marked")]).await;
    let forged = browser.post(&to, &[("purpose", "legal"), ("copy", "print")], &[]).await;

    ask.shows("What is the copy for?");
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY);
    without.shows("Choose what the copy is for");
    print.shows("Copy made ");
    print.shows("by Dr Tomasz Wren, Clinical Practitioner Access Role, Royal Example Hospital");
    print.shows("Purpose: A duty in law.");
    print.shows("OKAFOR, Ada (Dr)");
    print.shows(&format!("src=\"{at}/attachment/1\""));
    let disposition = marked.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename=\"document-"), "{disposition}");
    assert!(disposition.ends_with("-copy.html\""), "{disposition}");
    marked.shows("Purpose: The patient has asked for their data.");
    marked.shows("src=\"data:image/png;base64,");
    marked.shows("default-src 'none'");
    marked.hides("/patient/");
    marked.hides("<script");
    assert!(forged.status.is_client_error());
    let purposes = browser.fake.state.lock().unwrap().purposes.clone();
    assert!(purposes.contains(&"legal".to_owned()), "{purposes:?}");
    assert!(purposes.contains(&"subject-access".to_owned()), "{purposes:?}");
}

#[tokio::test]
async fn a_picture_stands_under_the_marks_of_its_copy() {
    let (mut browser, at) = opened(18).await;
    let to = format!("{at}/download");
    let picture = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(PIXEL));

    let ask = browser.get(&to).await;
    let print = browser.submit(&to, &to, &[("purpose", "legal"), ("copy", "print")]).await;
    let marked = browser.submit(&to, &to, &[("purpose", "legal"), ("copy", "marked")]).await;
    let original = browser.submit(&to, &to, &[("purpose", "legal"), ("copy", "original")]).await;

    ask.shows("Show a copy to print");
    ask.shows("Download the original (Picture (PNG))");
    print.shows(&format!("src=\"{at}/content\""));
    marked.shows(&format!("src=\"{picture}\""));
    marked.hides("/patient/");
    for copy in [print, marked] {
        copy.shows("by Dr Tomasz Wren, Clinical Practitioner Access Role, Royal Example Hospital");
        copy.shows("Purpose: A duty in law.");
        copy.shows("Current version");
        copy.shows("OKAFOR, Ada (Dr)");
        copy.hides("<script>alert");
    }
    assert_eq!(original.headers[header::CONTENT_TYPE], "image/png");
    let purposes = browser.fake.state.lock().unwrap().purposes.clone();
    // Each asks for the metadata and for the bytes.
    assert_eq!(purposes.iter().filter(|purpose| *purpose == "legal").count(), 6, "{purposes:?}");
}

#[tokio::test]
async fn what_cannot_be_marked_is_said_and_the_original_is_offered() {
    let (mut browser, lying) = opened(11).await;
    let of = |n: u128| lying.replace(&uuid(11), &uuid(n));
    for (at, why) in [
        (of(11), "but is an HTML page."),
        (of(13), "The document cannot be shown: "),
        (of(14), "65535 by 65535 pixels"),
    ] {
        let to = format!("{at}/download");
        for copy in ["print", "marked"] {
            let page = browser.submit(&to, &to, &[("purpose", "legal"), ("copy", copy)]).await;

            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
            page.shows(why);
            page.shows("No copy with marks can be made of it.");
            page.shows("value=\"original\"");
            page.shows("value=\"legal\" checked");
            page.hides("Show a copy to print");
        }
    }
    let to = format!("{}/download", of(16));
    let pdf = browser.get(&to).await;
    pdf.shows("No marks are put on a PDF");
    pdf.hides("Show a copy to print");
    let forced = browser.submit(&to, &to, &[("purpose", "legal"), ("copy", "marked")]).await;
    assert_eq!(forced.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_file_inside_is_downloaded_by_itself() {
    let (mut browser, at) = opened(12).await;
    let to = format!("{at}/download");
    let file = |n| [("purpose", "direct-care"), ("copy", "original"), ("file", n)];

    let ask = browser.get(&format!("{to}?file=2")).await;
    let pdf = browser.submit(&to, &to, &file("2")).await;
    let none = browser.submit(&to, &to, &file("3")).await;
    let words = browser.submit(&to, &to, &file("x")).await;

    ask.shows("name=\"file\" value=\"2\"");
    ask.hides("Show a copy to print");
    assert_eq!(pdf.body, PDF);
    assert!(pdf.headers[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert_eq!(words.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn next_and_previous_lead_through_what_the_reader_came_from() {
    let (mut browser, at) = opened(1).await;
    let patient = at.split("/document/").next().unwrap().to_owned();

    let from_list = browser.get(&at).await;
    browser.submit(&patient, &format!("{patient}/search"), &[("words", "asthma")]).await;
    let from_search = browser.get(&at).await;

    from_list.shows("rel=\"next\" aria-keyshortcuts=\"Alt+Shift+N\"");
    from_list.shows("in the list.");
    // What was found is another document, so there is nothing beside this one.
    from_search.hides("rel=\"next\"");
    from_search.hides("in the list.");
}

/// A browser, and the address of a document.
async fn opened(n: u128) -> (Browser, String) {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    browser.get(&patient).await;
    (browser, format!("{patient}/document/{}", uuid(n)))
}
