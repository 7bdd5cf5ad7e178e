//! Pictures and texts that pages have shown.

use base64::Engine as _;
use carerecord_testkit::{Browser, Deployment, GP, Letter, PATIENT, Role, files};
use reqwest::header::{CACHE_CONTROL, COOKIE, ETAG, LAST_MODIFIED};
use serde_json::json;

use super::objections::consent;

/// Once the patient objects nothing that pages have made of a document is shown again, from nowhere:
/// neither its text nor the picture in it; and nothing of either is on the portal's disk.
pub async fn what_was_shown_is_not_kept(deployment: Deployment) {
    let base64 = base64::prelude::BASE64_STANDARD;
    let picture = base64.decode(PICTURE).unwrap();
    let mime_type = "text/xml".to_owned();
    let letter = Letter { mime_type, bytes: document().into(), ..Letter::text(PATIENT, 1) };
    let mime_type = "image/png".to_owned();
    let scan = Letter { mime_type, bytes: picture.clone().into(), ..Letter::text(PATIENT, 2) };
    for letter in [&letter, &scan] {
        let answer = deployment.node(0).publish(letter).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
    }
    let gp = deployment.fhir().as_person(GP).await;
    let found = gp.documents(PATIENT).await;
    let id = |letter: &Letter| found[&letter.unique_id]["id"].as_str().unwrap().to_owned();
    let mut browser = Browser::sign_in(&deployment, GP).await;
    let list = browser.find(PATIENT).await;
    let (text, scanned) = [&letter, &scan].map(|of| format!("{list}/document/{}", id(of))).into();
    let pictures = [format!("{text}/attachment/1"), format!("{scanned}/content")];
    let pages = [&text, &scanned, &format!("{text}/download"), &format!("{scanned}/download")];
    let pages = pages.into_iter().chain(&pictures);

    for page in pages.clone() {
        let (status, body) = browser.get(page).await;
        assert_eq!(status, 200, "{page}: {body}");
    }
    assert!(browser.get(&text).await.1.contains("quetzal"), "the text is shown");
    let ask = reqwest::Client::builder().no_proxy().build().unwrap();
    for shown in &pictures {
        let request = ask.get(deployment.url(Role::Portal, shown));
        let answer = request.header(COOKIE, browser.cookie()).send().await.unwrap();
        let headers = answer.headers().clone();
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{shown}");
        assert!(!headers.contains_key(ETAG) && !headers.contains_key(LAST_MODIFIED), "{shown}");
        assert_eq!(answer.bytes().await.unwrap(), picture, "{shown}");
    }

    let deny = consent(&json!({"type": "deny"}));
    let (status, stored) = gp.put("Consent", None, &deny).await;
    assert_eq!(status, 201, "{stored}");

    for page in pages {
        let (status, body) = browser.get(page).await;
        assert_eq!(status, 403, "{page}: {body}");
        assert!(!body.contains("quetzal") && !body.contains("PNG"), "{page}: {body}");
    }
    let data = deployment.data(Role::Portal);
    let kept = files(&data);
    assert!(!kept.is_empty());
    for file in kept {
        // In one process the nodes have their documents and index beside it.
        let name = file.strip_prefix(&data).unwrap().display().to_string();
        if name.starts_with("node-") {
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        for part in [picture.as_slice(), b"quetzal", &PICTURE.as_bytes()[..40]] {
            assert!(!bytes.windows(part.len()).any(|w| w == part), "{name}");
        }
    }
    deployment.assert_no_panic();
}

fn document() -> String {
    format!(
        "<ClinicalDocument xmlns='urn:hl7-org:v3'><title>Report</title><component><structuredBody>\
         <component><section><title>Findings</title><text>The quetzal is seen: \
         <renderMultiMedia referencedObject='m1'/></text><entry><observationMedia ID='m1'>\
         <value mediaType='image/png' representation='B64'>{PICTURE}</value></observationMedia>\
         </entry></section></component></structuredBody></component></ClinicalDocument>"
    )
}

/// A picture of one point.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9\
    awAAAABJRU5ErkJggg==";
