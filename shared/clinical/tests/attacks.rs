//! Script, loads and bombs in every place that CDA, HTML, SVG, RTF and FHIR allow: what is shown is
//! made of our own tags, and it is made in bounded time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod allowed;

use std::time::{Duration, Instant};

use allowed::TAGS;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_clinical::{Kind, Rendered, render};

/// Every way to run or load something, in each place of each kind of document.
#[test]
fn nothing_runs_and_nothing_loads() {
    let mut checked = 0;
    for attack in markup() {
        for (place, document) in places(&attack) {
            let shown = show(document.as_bytes());

            is_ours(&shown, &format!("{place}: {attack}"));
            let says = shown.sections.len() + shown.notes.len() + shown.attachments.len();
            assert!(says > 0, "{place} of {attack} neither shows nor says anything");
            checked += 1;
        }
    }
    println!("{checked} documents");
    assert!(checked > 300, "{checked}");
}

#[test]
fn entities_are_neither_resolved_nor_loaded() {
    let bomb: String = (1..10)
        .map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10)))
        .collect();
    for declared in [
        format!("<!DOCTYPE x [<!ENTITY e0 \"ha\">{bomb}]>"),
        "<!DOCTYPE x [<!ENTITY e9 SYSTEM \"file:///etc/passwd\">]>".to_owned(),
        "<!DOCTYPE x SYSTEM \"http://127.0.0.1:9/x.dtd\">".to_owned(),
        "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://127.0.0.1:9/p\">%p;]>".to_owned(),
    ] {
        let cda = cda("<text>&e9;</text>", "");
        let fhir = "<Bundle xmlns='http://hl7.org/fhir'><type value='document'/></Bundle>";
        for document in [format!("{declared}{cda}"), format!("{declared}{fhir}")] {
            let started = Instant::now();
            let shown = show(document.as_bytes());

            assert!(shown.sections.is_empty(), "{declared}");
            assert!(!shown.notes.is_empty(), "{declared}");
            assert!(started.elapsed() < Duration::from_secs(1));
        }
    }
}

/// What asks for much time or memory: it is cut, or refused, and said.
#[test]
fn bombs_take_bounded_time_and_room() {
    let cells = "<td>1</td>".repeat(2_000);
    let giant = cda(
        &format!("<text><table>{}</table></text>", format!("<tr>{cells}</tr>").repeat(400)),
        "",
    );
    let deep = cda(&format!("<text>{}</text>", "<content>".repeat(100_000)), "");
    let wide = cda(&format!("<text><p {}/></text>", "a='1' ".repeat(40_000)), "");
    let points: String = (0..50_000)
        .map(|_| "<entry><observation><code><originalText><reference value='#all'/></originalText></code></observation></entry>")
        .collect();
    let long = "word ".repeat(1_000_000);
    let pointing = cda(&format!("<text ID='all'>{long}</text>"), &points);
    let objects = "<renderMultiMedia referencedObject='a b c d e f g'/>".repeat(100_000);
    let media = cda(&format!("<text>{objects}</text>"), "");
    let page = format!("<!DOCTYPE html>{}", "<div><ul><li><table><tr><td>".repeat(200_000));
    let unclosed = format!("<!DOCTYPE html>{}", "<a href=\"<!--<script <p ".repeat(300_000));
    let references = format!("<!DOCTYPE html><p>{}", "&".repeat(5_000_000));
    let lists: String = (0..100)
        .map(|n| {
            format!(
                r#"{{"resource":{{"resourceType":"List","id":"{n}","entry":[{}]}}}}"#,
                (0..100)
                    .map(|m| format!(r#"{{"item":{{"reference":"List/{m}"}}}}"#))
                    .collect::<Vec<_>>()
                    .join(",")
            )
        })
        .collect::<Vec<_>>()
        .join(",");
    let cycle = format!(
        r#"{{"resourceType":"Bundle","type":"document","entry":[{{"resource":{{
        "resourceType":"Composition","section":[{{"title":"All","entry":[{{"reference":"List/0"}}]}}]}}}},{lists}]}}"#
    );
    let rtf = format!("{{\\rtf1 {}", "{\\b ".repeat(1_000_000));
    for (what, document) in [
        ("giant table", giant),
        ("deep nesting", deep),
        ("many attributes", wide),
        ("many references to one text", pointing),
        ("many objects", media),
        ("deep page", page),
        ("tags that do not end", unclosed),
        ("references that do not end", references),
        ("lists that hold each other", cycle),
        ("deep RTF", rtf),
    ] {
        let started = Instant::now();
        let shown = show(document.as_bytes());

        let took = started.elapsed();
        println!("{what}: {} bytes in {} ms", document.len(), took.as_millis());
        assert!(took < Duration::from_secs(20), "{what}: {took:?}");
        is_ours(&shown, what);
        let size: usize = shown.sections.iter().map(|s| s.html.as_str().len()).sum();
        assert!(size < (8 << 20) + (1 << 16), "{what}: {size}");
        let entries: usize = shown.sections.iter().map(|s| s.entries.len()).sum();
        assert!(entries <= 5000, "{what}: {entries}");
    }
}

/// Files inside a document are what their bytes are, and never what a browser would run.
#[test]
fn files_that_lie_are_no_pictures() {
    for bytes in [
        "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "<html><script>alert(1)</script>",
        "GIF89a/*",
        "\u{feff}<script>alert(1)</script>",
        "%!PS",
        "MZ",
    ] {
        for mime in
            ["image/png", "image/svg+xml", "text/html", "application/xhtml+xml", "text/xml", "a\"b"]
        {
            let data = STANDARD.encode(bytes);
            let entry = format!(
                "<entry><observationMedia ID='m'><value mediaType='{}' representation='B64'>{data}</value>\
                 </observationMedia></entry>",
                mime.replace('"', "&quot;")
            );
            let shown = show(
                cda("<text><renderMultiMedia referencedObject='m'/></text>", &entry).as_bytes(),
            );

            let file = &shown.attachments[0];
            let runs = ["html", "svg", "xml", "javascript"];
            assert!(!runs.iter().any(|r| file.mime.contains(r)), "{mime}: {}", file.mime);
            assert!(!file.is_picture() || file.mime == "image/gif", "{bytes}: {}", file.mime);
        }
    }
}

/// A text may look like other text: what turns the direction of writing is left out.
#[test]
fn text_reads_as_it_stands() {
    let shown = show(cda("<text>Dose 5\u{202e}0 mg\u{202c}\u{2066}x</text>", "").as_bytes());

    assert_eq!(shown.sections[0].html.as_str(), "Dose 50 mgx");
}

fn markup() -> Vec<String> {
    let plain = [
        "<script>alert(1)</script>",
        "<script src='https://evil.example/x.js'></script>",
        "<img src='https://evil.example/x.png' onerror='alert(1)'/>",
        "<svg onload='alert(1)'><script>alert(1)</script></svg>",
        "<svg><foreignObject><iframe src='https://evil.example'/></foreignObject></svg>",
        "<math><mtext><style>@import 'https://evil.example'</style></mtext></math>",
        "<iframe src='javascript:alert(1)' srcdoc='&lt;script>alert(1)&lt;/script>'></iframe>",
        "<object data='https://evil.example/x.swf'></object>",
        "<embed src='https://evil.example'/>",
        "<style>*{background:url(https://evil.example)} input[value^='9']{background:url(//e)}</style>",
        "<link rel='stylesheet' href='https://evil.example/x.css'/>",
        "<meta http-equiv='refresh' content='0;url=https://evil.example'/>",
        "<base href='https://evil.example/'/>",
        "<form action='https://evil.example'><input name='x' autofocus='' onfocus='alert(1)'/></form>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='  jAvAsCrIpT:alert(1)'>x</a>",
        "<a href='java&#10;script:alert(1)'>x</a>",
        "<a href='data:text/html,&lt;script>alert(1)&lt;/script>'>x</a>",
        "<a href='vbscript:x' ping='https://evil.example'>x</a>",
        "<a href='https://evil.example/&quot; onmouseover=&quot;alert(1)'>x</a>",
        "<linkHtml href='javascript:alert(1)'>x</linkHtml>",
        "<paragraph style='background:url(https://evil.example)' onclick='alert(1)'>x</paragraph>",
        "<div id='maincontent' class='nhsuk-banner' style='position:fixed;inset:0'>x</div>",
        "<table background='https://evil.example' onmouseover='alert(1)'><tr><td>x</td></tr></table>",
        "<video src='https://evil.example' poster='https://evil.example' autoplay=''></video>",
        "<details ontoggle='alert(1)' open=''>x</details>",
        "<p xml:base='javascript:alert(1)' onclick='x'>x</p>",
        "<template><script>alert(1)</script></template>",
        "<noscript><p title='&lt;/noscript>&lt;script>alert(1)&lt;/script>'/></noscript>",
        "<renderMultiMedia referencedObject='&lt;script> javascript:alert(1)'/>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "]]&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
    ];
    plain.map(str::to_owned).into()
}

/// Documents with an attack in each place.
fn places(attack: &str) -> Vec<(&'static str, String)> {
    let escaped = attack.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;");
    let coded = format!(
        "<entry><observation><code displayName='{escaped}' code='{escaped}'/><value>{escaped}</value></observation></entry>"
    );
    let encoded = STANDARD.encode(format!("<html>{attack}"));
    let text = STANDARD.encode(attack);
    let body = |inside: &str| {
        format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3'><component>{inside}</component></ClinicalDocument>"
        )
    };
    let div = format!("<div xmlns='http://www.w3.org/1999/xhtml'>{attack}</div>");
    let bundle = serde_json::json!({"resourceType": "Bundle", "type": "document", "entry": [
        {"resource": {"resourceType": "Composition", "title": attack, "section": [
            {"title": attack, "text": {"div": div}, "entry": [{"reference": "Observation/1", "display": attack},
                {"reference": attack}]},
            {"code": {"text": attack}, "emptyReason": {"text": attack}}]}},
        {"resource": {"resourceType": "Observation", "id": "1", "code": {"text": attack},
            "valueString": attack, "status": attack, "effectiveDateTime": attack}},
        {"resource": {"resourceType": "Binary", "contentType": attack, "data": text}},
    ]});
    let xml = format!(
        "<Bundle xmlns='http://hl7.org/fhir'><type value='document'/><entry><resource><Composition>\
         <title value='{escaped}'/><section><title value='{escaped}'/><text>{div}</text></section>\
         </Composition></resource></entry></Bundle>"
    );
    vec![
        ("narrative of CDA", cda(&format!("<text>{attack}</text>"), "")),
        ("title of CDA", cda(&format!("<title>{attack}</title><text>x</text>"), "")),
        ("coded entry of CDA", cda("<text>x</text>", &coded)),
        (
            "text as HTML",
            body(&format!(
                "<nonXMLBody><text mediaType='text/html' representation='B64'>{encoded}</text></nonXMLBody>"
            )),
        ),
        (
            "text as it stands",
            body(&format!("<nonXMLBody><text mediaType='text/html'>{escaped}</text></nonXMLBody>")),
        ),
        (
            "a type of a text",
            body(&format!(
                "<nonXMLBody><text mediaType='{escaped}' representation='B64'>{text}</text></nonXMLBody>"
            )),
        ),
        (
            "stylesheet of CDA",
            format!(
                "<?xml-stylesheet type='text/xsl' href='https://evil.example/x.xsl'?>{}",
                cda("<text>x</text>", "")
            ),
        ),
        ("narrative of FHIR", bundle.to_string()),
        ("narrative of FHIR XML", xml),
        ("page", format!("<!DOCTYPE html><html><head>{attack}</head><body>{attack}")),
        ("page that ends early", format!("<!DOCTYPE html>{}", &attack[..attack.len() - 1])),
        ("plain text", format!("Letter\n{attack}")),
        ("rich text", format!("{{\\rtf1 {attack}}}")),
    ]
}

fn cda(inside: &str, entries: &str) -> String {
    format!(
        "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody><component><section>\
         {inside}{entries}</section></component></structuredBody></component></ClinicalDocument>"
    )
}

fn show(bytes: &[u8]) -> Rendered {
    render(bytes, &Kind::sniff(bytes))
}

/// Every tag, attribute and address is one of ours, and each tag that opens is closed.
fn is_ours(shown: &Rendered, what: &str) {
    for section in &shown.sections {
        let mut open: Vec<&str> = Vec::new();
        let mut rest = section.html.as_str();
        while let Some((_, behind)) = rest.split_once('<') {
            let (tag, after) = behind.split_once('>').unwrap();
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{what}");
                continue;
            }
            let name = tag.split(' ').next().unwrap();
            assert!(TAGS.contains(&name), "{what}: <{tag}>");
            if !matches!(name, "br" | "hr") {
                open.push(name);
            }
            let mut attributes = tag[name.len()..].trim_start();
            while !attributes.is_empty() {
                let (attribute, after) = attributes.split_once("=\"").unwrap();
                let (value, after) = after.split_once('"').unwrap();
                attributes = after.trim_start();
                match attribute {
                    "class" => assert!(value.starts_with("cr-"), "{what}: <{tag}>"),
                    "href" => assert!(
                        value.starts_with("#file-")
                            || value.to_ascii_lowercase().starts_with("https://")
                            || value.to_ascii_lowercase().starts_with("http://"),
                        "{what}: <{tag}>"
                    ),
                    "rel" | "referrerpolicy" | "scope" => {}
                    "colspan" | "rowspan" => {
                        assert!(value.parse::<u32>().is_ok_and(|n| n <= 1000), "{what}: <{tag}>");
                    }
                    other => panic!("{what}: {other} in <{tag}>"),
                }
            }
        }
        assert!(open.is_empty(), "{what}: {open:?}");
    }
}
