//! The page of endpoints, out of the OpenAPI description.

use std::fmt::Write as _;

use serde_json::Value;

/// The page, as Markdown.
pub(super) fn page(description: &Value) -> String {
    let mut out = String::from(
        "# Endpoints\n\nEvery address for programs, as the [OpenAPI description](openapi.json) has it. \
         SOAP messages: [messages](messages.md). What a refusal means: [errors](errors.md). Who may ask: \
         [authentication](authentication.md).\n",
    );
    for tag in list(&description["tags"]) {
        let name = text(&tag["name"]);
        let _ = write!(out, "\n## {name}\n\n{}\n", text(&tag["description"]));
        for (path, methods) in fields(&description["paths"]) {
            for (method, operation) in fields(methods) {
                if list(&operation["tags"]).any(|of| of == name) {
                    add(&mut out, method, path, operation, description);
                }
            }
        }
    }
    out
}

fn add(out: &mut String, method: &str, path: &str, operation: &Value, description: &Value) {
    let _ = write!(out, "\n### `{} {path}`\n\n", method.to_uppercase());
    for words in ["summary", "description"].map(|name| text(&operation[name])) {
        if !words.is_empty() {
            let stop = if words.ends_with('.') { "" } else { "." };
            let _ =
                write!(out, "{}{stop}\n\n", words.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    let _ = write!(out, "Who: {}.\n\n", who(&operation["security"]));
    let mut rows = String::new();
    for parameter in list(&operation["parameters"]).map(|p| resolved(p, description)) {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let words = text(&parameter["description"]);
        let example = parameter["example"].as_str().map(|e| format!("`{}`", cell(e)));
        let example = example.unwrap_or_default();
        let _ = writeln!(rows, "| `{name}` | {place} | {} | {example} |", cell(words));
    }
    if !rows.is_empty() {
        let _ = write!(out, "| parameter | in | | example |\n|---|---|---|---|\n{rows}\n");
    }
    for (kind, content) in fields(&operation["requestBody"]["content"]) {
        let _ = write!(out, "Takes `{kind}`.");
        let named: Vec<String> =
            fields(&content["schema"]["properties"]).map(|(name, _)| format!("`{name}`")).collect();
        if !named.is_empty() {
            let _ = write!(out, " Fields: {}.", named.join(", "));
        }
        out.push_str("\n\n");
        if content["example"].is_object() {
            let _ = write!(out, "```json\n{:#}\n```\n\n", content["example"]);
        }
    }
    let answers: Vec<String> =
        fields(&operation["responses"]).map(|(status, answer)| told(status, answer)).collect();
    let _ = writeln!(out, "Answers: {}.", answers.join("; "));
}

/// An answer in a few words; of refusals the page of errors tells more.
fn told(status: &str, answer: &Value) -> String {
    match (answer["$ref"].as_str(), text(&answer["description"])) {
        (Some(of), _) if of.ends_with(&format!("OAuth{status}")) => {
            format!("[{status}](errors.md#access-tokens)")
        }
        (Some(_), _) => format!("[{status}](errors.md#fhir-api)"),
        (None, words) => format!("{status}: {}", words.to_lowercase()),
    }
}

fn who(security: &Value) -> String {
    let ways: Vec<&str> = list(security)
        .map(|way| match fields(way).next().map(|(name, _)| name.as_str()) {
            Some("token") => "a bearer token",
            Some("certificate") => "a system by its certificate",
            Some(_) | None => "a client by its assertion",
        })
        .collect();
    if ways.is_empty() { "anybody".to_owned() } else { ways.join(", or ") }
}

fn resolved<'a>(value: &'a Value, description: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|of| of.strip_prefix('#'));
    pointer.and_then(|pointer| description.pointer(pointer)).unwrap_or(value)
}

/// Text that does not end a cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
