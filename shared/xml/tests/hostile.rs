//! What an attacker sends, and how it is answered: quickly, and with a reason.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use carerecord_xml::{Limits, Tree, XmlError, XmlErrorKind, XmlReader};
use proptest::prelude::*;

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

fn read_all(text: &str) -> Result<(), XmlError> {
    let mut xml = XmlReader::new(text, Limits::metadata())?;
    xml.root()?;
    xml.skip()?;
    xml.finish()
}

fn kind(text: &str) -> XmlErrorKind {
    read_all(text).expect_err("it is refused").kind
}

/// Even an unoptimised build on a busy machine takes a fraction of this for what is linear.
fn in_time(text: &str) -> Result<(), XmlError> {
    let started = Instant::now();
    let result = read_all(text);
    assert!(started.elapsed() < Duration::from_secs(60), "took {:?}", started.elapsed());
    result
}

#[test]
fn document_types_and_entities_are_refused() {
    let external = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>";
    let parameter = "<!DOCTYPE a [<!ENTITY % p SYSTEM \"http://127.0.0.1/\"> %p;]><a/>";
    let mut laughs = "<!DOCTYPE a [<!ENTITY l0 \"ha\">".to_owned();
    for n in 1..10 {
        laughs.push_str(&format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)));
    }
    laughs.push_str("]><a>&l9;</a>");

    assert_eq!(kind(external), XmlErrorKind::DocumentType);
    assert_eq!(kind(parameter), XmlErrorKind::DocumentType);
    assert_eq!(kind(&laughs), XmlErrorKind::DocumentType);
    assert_eq!(
        kind("<!DOCTYPE a SYSTEM 'http://127.0.0.1/x.dtd'><a/>"),
        XmlErrorKind::DocumentType
    );
    assert_eq!(kind("<a><!DOCTYPE a></a>"), XmlErrorKind::DocumentType);
    assert_eq!(kind("<a>&x;</a>"), XmlErrorKind::Entity);
    assert_eq!(kind("<a b='&x;'/>"), XmlErrorKind::Entity);
}

#[test]
fn control_characters_are_refused_wherever_they_stand() {
    for text in [
        "<a>\u{1}</a>",
        "<a>&#1;</a>",
        "<a>&#xFFFF;</a>",
        "<a b='\u{0}'/>",
        "<a b='&#8;'/>",
        "<!--\u{0}--><a/>",
        "<a\u{1}/>",
        "<a><![CDATA[\u{1f}]]></a>",
        "<a>\u{fffe}</a>",
    ] {
        assert_eq!(kind(text), XmlErrorKind::ControlCharacter, "{text:?}");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for text in [
        "",
        " ",
        "a",
        "<a>",
        "<a></b>",
        "</a>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a/><![CDATA[ ]]>",
        "<a/>&#32;",
        "<a b='1' b='2'/>",
        "<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>",
        "<a b=1/>",
        "<a b/>",
        "<a&/>",
        "<1/>",
        "<a:b:c xmlns:a='u'/>",
        "<a><!-- </a>",
        "<a><![CDATA[ </a>",
        "<a>&#xD800;</a>",
        "<a>&#99999999999;</a>",
        "<a>& </a>",
    ] {
        assert!(read_all(text).is_err(), "{text:?}");
    }
}

#[test]
fn floods_end_at_their_limit_in_linear_time() {
    let deep = "<a>".repeat(2_000_000);
    let attributes: String = (0..40_000).map(|n| format!(" a{n}='1'")).collect();
    let long = format!("<a b='{}'/>", "x".repeat(70_000));
    let namespaces: String = (0..10_000).map(|n| format!(" xmlns:n{n}='u{n}'")).collect();
    let nested: String = (0..100).map(|n| format!("<a xmlns:n{n}='u'>")).collect();
    let elements = format!("<a>{}</a>", "<b/>".repeat(1_100_000));
    let sections = format!("<a/>{}", "<![CDATA[ ]]>".repeat(1_000_000));
    let references = format!("<a>{}</a>", "&#65;".repeat(1_000_000));
    let name = format!("<{}/>", "n".repeat(10_000));

    assert!(matches!(
        in_time(&deep).unwrap_err().kind,
        XmlErrorKind::Limit("nested elements", 128)
    ));
    for text in [
        format!("<a{attributes}/>"),
        format!("<a{namespaces}/>"),
        long,
        nested,
        elements,
        name,
        sections,
    ] {
        assert!(in_time(&text).is_err(), "{}", &text[..40]);
    }
    assert_eq!(in_time(&references), Ok(()));
}

#[test]
fn a_text_longer_than_its_limit_is_refused_unread() {
    let limits = Limits { max_bytes: 100, ..Limits::metadata() };

    let refused = XmlReader::new(&"<".repeat(101), limits).err();

    assert_eq!(refused.map(|e| e.kind), Some(XmlErrorKind::Limit("bytes", 100)));
}

#[test]
fn a_limited_text_counts_all_its_pieces() {
    let limits = Limits { max_text_bytes: 10, ..Limits::metadata() };
    let mut xml = XmlReader::new("<a>12345<!-- -->&amp;<![CDATA[67890]]></a>", limits).unwrap();

    xml.root().unwrap();

    assert_eq!(xml.text().unwrap_err().kind, XmlErrorKind::Limit("bytes of text", 10));
}

#[test]
fn an_undeclared_prefix_is_named_or_forgiven() {
    let text = "<a xsi:type='CD'><sdtc:b/></a>";

    assert_eq!(kind(text), XmlErrorKind::UndeclaredPrefix("xsi".into()));
    let tree = Tree::read(text, Limits::metadata().lenient()).unwrap();
    assert_eq!(tree.root().attr_ns(XSI, "type"), Some("CD"));
    assert_eq!(tree.root().attr("type"), None);
    assert!(tree.root().children().all(|c| c.is("urn:undeclared:sdtc", "b")));
}

#[test]
fn errors_stay_short_and_carry_no_content() {
    let deep = format!("{}<x>patient", format!("<{}>", "n".repeat(250)).repeat(100));

    let error = read_all(&deep).unwrap_err().to_string();

    assert!(error.len() < 5_000, "{} bytes", error.len());
    assert!(!error.contains("patient"));
}

#[test]
fn instructions_are_ignored() {
    let text = "<?xml version='1.0'?><?xml-stylesheet href='http://127.0.0.1/x.xsl'?><a/><?b?>";

    assert_eq!(read_all(text), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_input_panics(text in "(<|>|/|/>|</|a|b|x:|xmlns:x|\"|'|=|&|;|#|!|<!\\[CDATA\\[|\\]\\]>|--|\\?| |\\PC){0,60}") {
        let _ = read_all(&text);
        let _ = Tree::read(&text, Limits::document().lenient());
    }

    #[test]
    fn reader_and_tree_agree_on_what_is_well_formed(text in "<a>(<b>|</b>|<b c='1'/>|x|&lt;){0,12}</a>") {
        prop_assert_eq!(read_all(&text).is_ok(), Tree::read(&text, Limits::metadata()).is_ok());
    }
}
