//! Documents that try to run or to load something in a browser, in every place that their format
//! allows.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use carerecord_testkit::{Letter, PATIENT};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::json;

/// A server that nobody must ask.
pub struct Canary {
    /// Its address, ending in `/`.
    pub url: String,
    asked: Arc<AtomicUsize>,
}

impl Canary {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for _connection in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, asked }
    }

    pub fn times_asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The documents; each says "kept" where there is a text to show.
pub fn letters(canary: &str) -> Vec<Letter> {
    let markup = markup(canary);
    // As it stands in XML.
    let title = format!("words &lt;img src={canary}5 onerror=alert(60)&gt;");
    let kinds: [(&str, &str, Vec<u8>); 17] = [
        ("CDA", "text/xml", cda(&format!("<text>{markup}</text>"), &objects(canary)).into()),
        ("FHIR", "application/fhir+json", fhir(&markup).into()),
        (
            "page",
            "text/html",
            format!("<!DOCTYPE html><html><head>{markup}</head><body>{markup}").into(),
        ),
        ("page in XHTML", "application/xhtml+xml", xhtml(&markup).into()),
        ("words", "text/plain", format!("kept\n{markup}").into()),
        ("rich text", "text/rtf", rtf(canary, &markup).into()),
        ("drawing", "image/svg+xml", svg(canary).into()),
        ("drawing as picture", "image/png", svg(canary).into()),
        ("page as picture", "image/gif", format!("GIF89a/*<html>{markup}*/").into()),
        ("page as PDF", "application/pdf", format!("<html>{markup}").into()),
        ("PDF", "application/pdf", pdf(canary).into()),
        ("PDF that is packed", "application/pdf", packed_pdf(canary, "/FlateDecode", zlib)),
        ("PDF that is packed oddly", "application/pdf", packed_pdf(canary, "/ASCIIHexDecode", hex)),
        (title.as_str(), "text/plain", "kept, whatever it is called".into()),
        ("entities", "text/xml", entities(canary).into()),
        ("giant table", "text/xml", giant().into()),
        ("page as bytes", "application/octet-stream", format!("<html>{markup}").into()),
    ];
    let letter = |(n, (title, mime, bytes)): (usize, (&str, &str, Vec<u8>))| {
        let mut letter = Letter::text(PATIENT, 500 + n as u32);
        letter.title = format!("Hostile {title}");
        mime.clone_into(&mut letter.mime_type);
        letter.bytes = Bytes::from(bytes);
        letter
    };
    kinds.into_iter().enumerate().map(letter).collect()
}

/// Well-formed, so that it stands in XML as in HTML.
fn markup(canary: &str) -> String {
    [
        "<p>kept</p>",
        "<script>alert('ran')</script>",
        "<script src='CANARYa.js'></script>",
        "<img src='CANARYb.png' onerror='alert(1)' alt='kept'/>",
        "<img src='x' srcset='CANARYc.png 1x' onerror='alert(2)'/>",
        "<svg onload='alert(3)' xmlns='http://www.w3.org/2000/svg'><image href='CANARYd.png'/><script>alert(4)</script></svg>",
        "<iframe src='CANARYe' srcdoc='&lt;script>parent.alert(5)&lt;/script>'></iframe>",
        "<object data='CANARYf'></object>",
        "<embed src='CANARYg'/>",
        "<style>@import 'CANARYh'; body { background: url(CANARYi) } input[value^='a'] { background: url(CANARYj) }</style>",
        "<link rel='stylesheet' href='CANARYk'/><link rel='prefetch' href='CANARYl'/>",
        "<meta http-equiv='refresh' content='0;url=CANARYm'/>",
        "<base href='CANARYn'/>",
        "<form action='CANARYo' id='f'><input name='csrf' autofocus='' onfocus='alert(6)'/></form>",
        "<a href='javascript:alert(7)' id='first'>kept</a>",
        "<a href='data:text/html,&lt;script>alert(8)&lt;/script>'>kept</a>",
        "<p style='background:url(CANARYp);position:fixed;inset:0' onmouseover='alert(9)'>kept</p>",
        "<video src='CANARYq' poster='CANARYr' autoplay=''></video><audio src='CANARYs' autoplay=''></audio>",
        "<table background='CANARYt'><tr><td onclick='alert(10)'>kept</td></tr></table>",
        "<details open='' ontoggle='alert(11)'>kept</details>",
        "<p id='maincontent' class='nhsuk-header'>kept</p>",
        "<math xmlns='http://www.w3.org/1998/Math/MathML'><mtext href='javascript:alert(12)'>x</mtext></math>",
    ]
    .concat()
    .replace("CANARY", canary)
}

fn cda(text: &str, entries: &str) -> String {
    format!(
        "<?xml-stylesheet type='text/xsl' href='http://127.0.0.1:9/x.xsl'?>\
         <ClinicalDocument xmlns='urn:hl7-org:v3'><title>&lt;script>alert(20)&lt;/script></title>\
         <component><structuredBody><component><section><title>&lt;img src=x onerror=alert(21)></title>\
         {text}{entries}</section></component><component><section><title>Second</title>\
         <text>kept</text></section></component></structuredBody></component></ClinicalDocument>"
    )
}

/// Files that say that they are pictures, and codes with markup for their names.
fn objects(canary: &str) -> String {
    let media = |id: &str, mime: &str, text: &str| {
        let data = BASE64_STANDARD.encode(text);
        format!(
            "<entry><observationMedia ID='{id}'><value mediaType='{mime}' representation='B64'>{data}\
             </value></observationMedia></entry>"
        )
    };
    let loads = format!(
        "<observation><code code='1' displayName='&lt;img src={canary}u onerror=alert(22)>'/></observation>"
    );
    [
        media("m1", "image/png", &svg(canary)),
        media("m2", "image/svg+xml", &svg(canary)),
        media("m3", "text/html", "<script>alert(23)</script>"),
        media("m4", "application/pdf", &pdf(canary)),
        format!("<entry><observationMedia ID='m5'><value mediaType='image/png'><reference value='{canary}v'/></value></observationMedia></entry>"),
        format!("<entry>{loads}</entry>"),
    ]
    .concat()
}

fn fhir(markup: &str) -> String {
    json!({"resourceType": "Bundle", "type": "document", "entry": [
        {"resource": {"resourceType": "Composition", "title": "<script>alert(30)</script>",
            "section": [
                {"title": "<svg onload=alert(31)>", "text": {"status": "generated",
                    "div": format!("<div xmlns='http://www.w3.org/1999/xhtml'>{markup}</div>")}},
                {"title": "Broken", "text": {"div": format!("<div>{markup}")},
                    "entry": [{"reference": "Observation/1"}]}]}},
        {"resource": {"resourceType": "Observation", "id": "1",
            "code": {"text": "<script>alert(32)</script>"}, "valueString": "<img src=x onerror=alert(33)>"}},
    ]})
    .to_string()
}

fn xhtml(markup: &str) -> String {
    format!("<html xmlns='http://www.w3.org/1999/xhtml'><body>{markup}</body></html>")
}

fn rtf(canary: &str, markup: &str) -> String {
    format!(
        "{{\\rtf1 kept {{\\field{{\\*\\fldinst INCLUDEPICTURE \"{canary}w\"}}}}\
         {{\\object\\objautlink{{\\*\\objdata 00}}}} {}}}",
        markup.replace(['{', '}', '\\'], "")
    )
}

fn svg(canary: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(40)'><script>alert(41)</script>\
         <image href='{canary}x'/><foreignObject><iframe xmlns='http://www.w3.org/1999/xhtml' \
         src='{canary}y'/></foreignObject></svg>"
    )
}

fn pdf(canary: &str) -> String {
    format!(
        "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction 6 0 R/AA<</WC 6 0 R>>>>endobj\n\
         2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
         3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/AA<</O 7 0 R>>\
         /Annots[8 0 R]>>endobj\n\
         4 0 obj<</Length 0>>stream\n\nendstream endobj\n\
         6 0 obj<</S/JavaScript/JS(app.alert\\(50\\); this.submitForm\\('{canary}z'\\); \
         app.launchURL\\('{canary}1'\\);)>>endobj\n\
         7 0 obj<</S/URI/URI({canary}2)>>endobj\n\
         8 0 obj<</Type/Annot/Subtype/Link/Rect[0 0 300 200]/A<</S/URI/URI(javascript:alert\\(51\\))>>>>endobj\n\
         trailer<</Root 1 0 R>>\n%%EOF"
    )
}

/// The same with its objects in a stream and an index of 1.5, so that no byte of the file names an
/// action.
fn packed_pdf(canary: &str, filter: &str, pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R/OpenAction 4 0 R/AA<</WC 4 0 R>>>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/AA<</O 4 0 R>>>>".to_owned(),
        format!(
            "<</S/JavaScript/JS(app.alert\\(52\\); this.submitForm\\('{canary}6'\\); \
             app.launchURL\\('{canary}7'\\);)>>"
        ),
    ];
    let (mut places, mut all) = (String::new(), String::new());
    for (n, object) in objects.iter().enumerate() {
        places.push_str(&format!("{} {} ", n + 1, all.len()));
        all.push_str(&format!("{object}\n"));
    }
    let packed = pack(format!("{places}{all}").as_bytes());
    let mut file = b"%PDF-1.5\n".to_vec();
    let at = file.len() as u8;
    let head = format!(
        "5 0 obj\n<</Type/ObjStm/N 4/First {}/Filter{filter}/Length {}>>\nstream\n",
        places.len(),
        packed.len()
    );
    file.extend([head.as_bytes(), &packed, b"\nendstream\nendobj\n"].concat());
    let index_at = file.len();
    let rows: Vec<[u8; 4]> = (0..7u8)
        .map(|n| match n {
            0 => [0, 0, 0, 0],
            1..=4 => [2, 0, 5, n - 1],
            5 => [1, 0, at, 0],
            _ => [1, (index_at >> 8) as u8, index_at as u8, 0],
        })
        .collect();
    let head = "6 0 obj\n<</Type/XRef/Size 7/W[1 2 1]/Root 1 0 R/Length 28>>\nstream\n";
    let tail = format!("\nendstream\nendobj\nstartxref\n{index_at}\n%%EOF\n");
    file.extend([head.as_bytes(), rows.as_flattened(), tail.as_bytes()].concat());
    assert!(!String::from_utf8_lossy(&file).contains("/JavaScript"), "it is not packed");
    file
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(bytes).unwrap();
    zlib.finish().unwrap()
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}>").into()
}

fn entities(canary: &str) -> String {
    format!(
        "<!DOCTYPE x SYSTEM '{canary}3' [<!ENTITY a SYSTEM '{canary}4'><!ENTITY b '&a;&a;&a;'>]>{}",
        cda("<text>&b;</text>", "")
    )
}

fn giant() -> String {
    let row = format!("<tr>{}</tr>", "<td>1</td>".repeat(300));
    cda(&format!("<text><table><tbody>{}</tbody></table></text>", row.repeat(100)), "")
}
