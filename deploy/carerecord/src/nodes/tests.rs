mod tls;

use super::*;

fn read(text: &str) -> Result<Directory, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nodes.toml");
    std::fs::write(&file, text).unwrap();
    Directory::read(&file).map_err(|e| format!("{e:#}"))
}

fn node(more: &str) -> String {
    format!(
        "[[node]]\nid = \"2.999.1\"\nname = \"A\"\norganisation = \"ZEX01\"\n\
         kind = \"care-record\"\n{more}\n"
    )
}

#[test]
fn a_node_has_what_it_needs_by_default() {
    let text = node("endpoints = [{ url = \"https://a.example:8443/xds/repository\" }]");

    let directory = read(&text).unwrap();

    let [node] = directory.nodes.as_slice() else { panic!("{directory:?}") };
    assert_eq!(node.limits, NodeLimits::default());
    let search = |kind| node.endpoints[0].search(kind).map(String::from);
    assert_eq!(search(Kind::CareRecord).unwrap(), "https://a.example:8443/peer/search");
    assert_eq!(search(Kind::XdsB), None);
}

#[test]
fn credentials_are_files_beside_it() {
    let text = node(
        "endpoints = [{ url = \"https://a.example/\" }]\nauthority_file = \"ca.pem\"\n\
         credentials = { kind = \"basic\", user = \"portal\", password_file = \"a.password\" }",
    );

    let directory = read(&text).unwrap();

    let names = directory.files();
    let names: Vec<_> = names.iter().map(|f| f.file_name().unwrap()).collect();
    assert_eq!(names, ["ca.pem", "a.password"]);
}

#[test]
fn what_cannot_be_used_is_told_in_words() {
    let at = |url: &str| node(&format!("endpoints = [{{ url = \"{url}\" }}]"));
    for (text, words) in [
        (String::new(), "names no node"),
        (node("") + &node(""), "is there twice"),
        (at("http://a.example/"), "neither https nor on this machine"),
        (at("https://u:p@a.example/"), "use credentials"),
        (at("file:///etc/passwd"), "names no host"),
        (node("limits = { attempts = 0 }"), "limits.attempts must be from 1 to 10"),
        (node("limits = { tries = 1 }"), "unknown field"),
        (node("kind = \"fhir\"").replacen("kind = \"care-record\"\n", "", 1), "unknown variant"),
        (
            node("credentials = { kind = \"bearer\", token_file = \"t\" }"),
            "credentials without endpoints",
        ),
        (
            at("https://a.example/")
                .replace("care-record", "xds-b")
                .replace(" }]", ", search_url = \"https://a.example/s\" }]"),
            "no such transaction",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(words), "{error} should contain {words}");
        assert!(!error.contains("u:p"), "{error}");
    }
}

#[test]
fn the_example_is_a_directory() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/nodes.example.toml");

    let directory = Directory::read(Path::new(file)).unwrap();

    assert_eq!(directory.nodes.len(), 3);
    assert_eq!(directory.nodes[1].endpoints.len(), 2);
}
