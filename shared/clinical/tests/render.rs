//! The safe view of whole documents.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod allowed;

use allowed::TAGS;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_clinical::{Kind, Rendered, plain_text, render};

#[test]
fn narrative_keeps_meaning() {
    let rendered = show(ITK);

    let titles: Vec<_> = rendered.sections.iter().map(|s| (s.level, s.title.as_str())).collect();
    assert_eq!(titles, [(3, "Assessment"), (4, "Advice given")]);
    assert_eq!(rendered.sections[0].code.as_ref().unwrap().code, "886891000000102");
    assert_eq!(rendered.attachments.len(), 1);
    assert_eq!(rendered.attachments[0].mime, "image/png");
    insta::assert_snapshot!(html(&rendered));
}

#[test]
fn fhir_narrative_entries_and_broken_text() {
    let rendered = show(R4);

    let titles: Vec<_> = rendered.sections.iter().map(|s| (s.level, s.title.as_str())).collect();
    assert_eq!(titles, [(3, "Diagnoses"), (4, "Detail"), (3, "Broken"), (3, "Allergies")]);
    assert_eq!(rendered.attachments[0].mime, "application/pdf");
    assert_eq!(rendered.notes.len(), 1);
    insta::assert_snapshot!(html(&rendered));
}

#[test]
fn fhir_xml_narrative() {
    let rendered = show(STU3);

    let html = html(&rendered);
    assert!(html.contains("<th>Vaccine</th><td>Flu &amp; more</td>"), "{html}");
    assert!(!html.contains("onclick"));
}

#[test]
fn attacks_become_text_or_nothing() {
    let rendered = show(ATTACK);

    let html = html(&rendered);
    assert_allowed(&html);
    for gone in ["alert(2)", "javascript", "JaVa", "data:", "evil", "iframe", "<form", "p{}"] {
        assert!(!html.contains(gone), "{gone} in {html}");
    }
    for kept in ["one", "two", "three", "four", "five", "six", "cell", "through", "no title"] {
        assert!(html.contains(kept), "{kept} is missing in {html}");
    }
    assert!(html.contains("href=\"https://www.example.org/a&#39;b\""));
    assert!(html.contains("colspan=\"100\""));
    assert!(rendered.notes[0].contains("left out"));
    assert_eq!(rendered.title.as_deref(), Some("<script>alert(1)</script>"));
    insta::assert_snapshot!(html);
}

#[test]
fn attacks_in_fhir_narrative() {
    let divs = [
        "<div onclick='x'><a href='javascript:alert(1)'>go</a><img src='https://evil.example/'/>\
         <script>alert(1)</script><b style='x'>kept</b></div>",
        "<h:div xmlns:h='http://www.w3.org/1999/xhtml'><h:script>1</h:script><h:p>kept</h:p></h:div>",
        "<svg onload=alert(1)>kept",
        "<!DOCTYPE div [<!ENTITY a 'b'>]><div>&a; kept</div>",
    ];
    for div in divs {
        let composition = serde_json::json!({
            "resourceType": "Composition",
            "section": [{ "title": "One", "text": { "div": div } }],
        });
        let bundle = serde_json::json!({
            "resourceType": "Bundle",
            "type": "document",
            "entry": [{ "resource": composition }],
        });

        let rendered = show(bundle.to_string().as_bytes());

        let html = html(&rendered);
        assert_allowed(&html);
        assert!(html.contains("kept"), "{html}");
    }
}

#[test]
fn deep_nesting_is_shown_or_refused() {
    for depth in [100, 10_000] {
        let open = "<component><section><text><paragraph>x</paragraph></text>";
        let (open, close) = (open.repeat(depth / 2), "</section></component>".repeat(depth / 2));
        let xml = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody>{open}{close}\
             </structuredBody></component></ClinicalDocument>"
        );

        let rendered = show(xml.as_bytes());

        assert_eq!(rendered.sections.len(), if depth == 100 { 50 } else { 0 });
        assert_eq!(rendered.notes.is_empty(), depth == 100);
    }
}

#[test]
fn non_xml_bodies() {
    let body = |text: &str| {
        let xml = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><nonXMLBody>{text}</nonXMLBody>\
             </component></ClinicalDocument>"
        );
        show(xml.as_bytes())
    };
    let encoded = |bytes: &[u8], mime: &str| {
        let text = STANDARD.encode(bytes);
        body(&format!("<text mediaType='{mime}' representation='B64'>{text}\n</text>"))
    };

    let pdf = encoded(b"%PDF-1.4\n", "application/pdf");
    assert_eq!(pdf.attachments[0].bytes, b"%PDF-1.4\n");
    assert_eq!(pdf.attachments[0].mime, "application/pdf");
    let page = encoded(b"<html><script>alert(1)</script><p>Hello</p></html>", "text/html");
    assert_eq!(page.attachments[0].mime, "text/plain");
    assert_eq!(html(&page), "<p>Hello</p>\n");
    let lying = encoded(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png");
    assert_eq!(lying.attachments[0].mime, "application/octet-stream");
    let away = body("<text mediaType='text/html'><reference value='javascript:x'/></text>");
    assert!(away.notes[0].contains("another file"));
    let broken = body("<text mediaType='application/pdf' representation='B64'>!</text>");
    assert!(broken.notes[0].contains("cannot be decoded"));
}

#[test]
fn coded_entries_are_readable() {
    let cda = "<ClinicalDocument xmlns='urn:hl7-org:v3' \
        xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><component><structuredBody>\
        <component><section><title>Allergies</title><text><content ID='r1'>Hives</content></text>\
        <entry><act classCode='ACT' moodCode='EVN'><code code='CONC'/><entryRelationship>\
        <observation moodCode='EVN' negationInd='true'><code code='ASSERTION'/><statusCode \
        code='completed'/><effectiveTime><low value='20120806'/></effectiveTime><value xsi:type='CD' \
        code='419199007' codeSystem='2.16.840.1.113883.6.96' displayName='Allergy to substance'/>\
        <participant><participantRole><playingEntity><code displayName='Penicillin G'/>\
        </playingEntity></participantRole></participant><entryRelationship><observation><code \
        displayName='Reaction'/><value xsi:type='CD'><originalText><reference value='#r1'/>\
        </originalText></value></observation></entryRelationship></observation>\
        </entryRelationship></act></entry>\
        <entry><substanceAdministration moodCode='INT'><effectiveTime xsi:type='IVL_TS'><low \
        value='2013'/><high nullFlavor='UNK'/></effectiveTime><effectiveTime xsi:type='PIVL_TS'>\
        <period value='12' unit='h'/></effectiveTime><doseQuantity value='5' unit='mg'/><consumable>\
        <manufacturedProduct><manufacturedMaterial><code code='1' displayName='Amlodipine'/>\
        </manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry>\
        <entry><observation><code displayName='Potassium'/><value xsi:type='PQ' value='5.9' \
        unit='mmol/L'/><interpretationCode code='H' displayName='High'/><referenceRange>\
        <observationRange><value xsi:type='IVL_PQ'><low value='3.5' unit='mmol/L'/><high value='5.3' \
        unit='mmol/L'/></value></observationRange></referenceRange></observation></entry>\
        </section></component></structuredBody></component></ClinicalDocument>";

    let rendered = show(cda.as_bytes());

    let entries: Vec<String> = rendered.sections[0].entries.iter().map(line).collect();
    assert_eq!(
        entries,
        [
            "0 Observation NOT Allergy to substance | Penicillin G | from 06-Aug-2012 | Completed | \
             419199007 (SNOMED CT)",
            "1 Observation Reaction | Hives |  |  | ",
            "0 Medicine, planned Amlodipine | 5 mg, every 12 h | from 2013 |  | 1",
            "0 Observation Potassium | 5.9 mmol/L; High; usual 3.5 mmol/L to 5.3 mmol/L |  |  | ",
        ]
    );
}

#[test]
fn coded_entries_of_fhir_are_readable() {
    let concept = |words: &str| serde_json::json!({ "text": words });
    let resources = [
        serde_json::json!({"resourceType": "Composition", "section": [{"title": "All", "entry": [
            {"reference": "Observation/o1"}, {"reference": "MedicationRequest/m1"},
            {"reference": "Patient/none", "display": "Somebody"}]}]}),
        serde_json::json!({"resourceType": "Observation", "id": "o1", "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9",
                "display": "Blood pressure"}]},
            "effectiveDateTime": "2026-03-02T09:30:00Z",
            "component": [{"code": concept("Systolic"),
                "valueQuantity": {"value": 120, "unit": "mmHg"}}]}),
        serde_json::json!({"resourceType": "MedicationRequest", "id": "m1", "status": "on-hold",
            "medicationCodeableConcept": concept("Amlodipine"), "doNotPerform": true,
            "dosageInstruction": [{"text": "one a day"}]}),
    ];
    let entries = resources.map(|r| serde_json::json!({ "resource": r }));
    let bundle =
        serde_json::json!({"resourceType": "Bundle", "type": "document", "entry": entries});

    let rendered = show(bundle.to_string().as_bytes());

    let entries: Vec<String> = rendered.sections[0].entries.iter().map(line).collect();
    assert_eq!(
        entries,
        [
            "0 Observation Blood pressure |  | 02-Mar-2026 09:30 UTC | Final | 85354-9 (LOINC)",
            "1 Part Systolic | 120 mmHg |  |  | ",
            "0 Medication request NOT Amlodipine | one a day |  | On hold | ",
            "0 Reference Somebody |  |  |  | ",
        ]
    );
}

fn line(entry: &carerecord_clinical::CodedEntry) -> String {
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    let not = if entry.negated { " NOT" } else { "" };
    format!(
        "{} {}{not} {} | {} | {} | {} | {}",
        entry.depth,
        entry.kind,
        entry.what,
        of(&entry.value),
        of(&entry.when),
        of(&entry.status),
        entry.codes.join(", ")
    )
}

#[test]
fn pictures_stand_where_the_text_points() {
    let png = STANDARD.encode(PNG);
    let cda = format!(
        "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody><component><section>\
         <text>See <renderMultiMedia referencedObject='MM1 gone'/></text><entry><observationMedia \
         ID='MM1'><value mediaType='image/png' representation='B64'>{png}</value></observationMedia>\
         </entry></section></component></structuredBody></component></ClinicalDocument>"
    );
    let page = format!(
        "<html><p>A <img src='data:image/png;base64,{png}' alt='graph'> and <img \
         src='data:image/svg+xml;base64,{}' alt='drawing'> and <img src='https://evil.example/'>",
        STANDARD.encode("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    );

    let cda = show(cda.as_bytes());
    let page = show(page.as_bytes());

    assert_eq!(cda.sections[0].files, [0]);
    assert!(html(&cda).contains("<a href=\"#file-1\" class=\"cr-media\">See file 1</a>"));
    assert!(html(&cda).contains("[Not shown here: an object that is not there]"));
    assert_eq!((page.attachments.len(), page.sections[0].files.clone()), (1, vec![0]));
    assert!(page.attachments[0].is_picture());
    assert!(html(&page).contains("graph"));
    assert!(html(&page).contains("[Image not shown: drawing]"));
    assert!(html(&page).contains("[Image not shown: no description]"));
}

#[test]
fn rich_text_is_shown_as_its_words() {
    let rendered = show(br"{\rtf1\ansi{\fonttbl{\f0 Arial;}}Seen \b today\b0 .\par BP 120/80\par}");

    assert_eq!(html(&rendered), "<pre class=\"cr-pre\">Seen today.\nBP 120/80\n</pre>\n");
    assert!(rendered.notes[0].contains("RTF"));
}

#[test]
fn too_long_is_cut() {
    let row = "<paragraph>0123456789 &lt;&gt;</paragraph>".repeat(400_000);
    let section = format!("<component><section><text>{row}</text></section></component>");
    let xml = format!(
        "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody>{section}{section}\
         </structuredBody></component></ClinicalDocument>"
    );

    let rendered = show(xml.as_bytes());

    let size: usize = rendered.sections.iter().map(|s| s.html.as_str().len()).sum();
    assert!(size < (8 << 20) + 1000, "{size}");
    assert!(rendered.sections.iter().all(|s| s.html.as_str().contains("cr-cut")));
}

#[test]
fn words_for_an_index() {
    let plain = plain_text(ITK, &Kind::sniff(ITK));

    assert_eq!(plain.headings[1..], ["Assessment", "Advice given"]);
    assert!(plain.text.contains("Cough for 3 days < a week.\nNo fever."), "{}", plain.text);
}

#[test]
fn other_kinds_say_so() {
    assert_eq!(show(b"%PDF-1.4").notes, ["There is no text view of a PDF."]);
    assert_eq!(html(&show(b"a < b")), "<pre class=\"cr-pre\">a &lt; b</pre>\n");
    assert!(
        show(b"<ClinicalDocument xmlns='urn:hl7-org:v3'><").notes[0].contains("not well-formed")
    );
}

/// Every tag and attribute of the output is one of the allowed.
fn assert_allowed(html: &str) {
    for tag in html.split('<').skip(1) {
        let inside = tag.split('>').next().unwrap_or_default().trim_start_matches('/');
        let name = inside.split(' ').next().unwrap_or_default();
        assert!(TAGS.contains(&name), "tag {name}");
        for attribute in inside.split(' ').filter_map(|a| a.split_once("=\"")) {
            assert!(ATTRIBUTES.contains(&attribute.0), "attribute {}", attribute.0);
        }
    }
}

fn show(bytes: &[u8]) -> Rendered {
    render(bytes, &Kind::sniff(bytes))
}

fn html(rendered: &Rendered) -> String {
    rendered.sections.iter().map(|s| format!("{}\n", s.html.as_str())).collect()
}

const ATTRIBUTES: [&str; 7] =
    ["class", "href", "rel", "referrerpolicy", "scope", "colspan", "rowspan"];

/// One pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
const ITK: &[u8] = include_bytes!("fixtures/itk-traps.xml");
const R4: &[u8] = include_bytes!("fixtures/fhir-r4-document.json");
const STU3: &[u8] = include_bytes!("fixtures/fhir-stu3-document.xml");
const ATTACK: &[u8] = include_bytes!("fixtures/attack.xml");
