//! The page of the mock's scenarios, out of their catalogue.

use std::fmt::Write as _;

use super::endpoints::cell;
use crate::mock::{Scenario, catalogue};

/// The page, as Markdown.
pub(super) fn page() -> String {
    let mut out = String::from(
        "# The mock and its scenarios\n\n`carerecord mock` is the product itself with invented people, for developers \
         of consumers and publishers: the doors, rules, audit and errors are the real ones. It listens where the demo \
         does (`--port` moves it), keeps nothing when it stops, and has the demo's clients and accounts; \
         [authentication](authentication.md#in-the-demo-and-the-mock) has them. Unlike the demo it takes documents \
         about people whom it knows only, as a deployment does: tell of others first, by the \
         [feed](patients.md#the-feed). What is listed here is asked of a running mock by the tests.\n\n\
         ## People\n\n| NHS Number | what is special |\n|---|---|\n",
    );
    let catalogue = match catalogue() {
        Ok(catalogue) => catalogue,
        Err(error) => return format!("# Scenarios\n\nThe catalogue cannot be read: {error}\n"),
    };
    for person in &catalogue.person {
        let _ = writeln!(out, "| {} | {} |", person.number, cell(&person.what));
    }
    out.push_str(
        "\n## Headers\n\nA request with `X-Scenario` gets what it asks for, and nobody else does. Several stand with \
         commas between. Only the mock knows the header. After five failures in a row of one source the \
         portal leaves it alone for a while in earnest: the mock does not.\n\n\
         | `X-Scenario` | doors | what happens |\n|---|---|---|\n",
    );
    for header in &catalogue.header {
        let doors = header.doors.join(", ");
        let _ = writeln!(out, "| `{}` | {doors} | {} |", header.value, cell(&header.what));
    }
    out.push_str(
        "\nWhat a `door-…` scenario answers is made before the door: it leaves no record.\n\n\
         ## Scenarios\n\nPorts: portal 8080, registry 8081, node 8082. \"As\" names the client or account whose \
         token is sent; a file is one of `docs/examples`, see [messages](messages.md#examples).\n",
    );
    for scenario in &catalogue.scenario {
        tell(&mut out, scenario);
    }
    out
}

/// What is sent, and what is answered.
fn tell(out: &mut String, scenario: &Scenario) {
    let _ = write!(out, "\n### {}\n\n", scenario.title);
    let method = if scenario.send.is_empty() { "GET" } else { "POST" };
    let _ = writeln!(out, "- At the {}: `{method} {}`", scenario.door, scenario.path);
    for (name, value) in &scenario.query {
        let _ = writeln!(out, "- `{name}` = `{value}`");
    }
    if !scenario.send.is_empty() {
        let _ = writeln!(out, "- Sends `{}`", scenario.send);
    }
    for (from, to) in &scenario.replace {
        let _ = writeln!(out, "- in which `{to}` stands for `{from}`");
    }
    if !scenario.caller.is_empty() {
        let _ = writeln!(out, "- As `{}`", scenario.caller);
    }
    if !scenario.header.is_empty() {
        let _ = writeln!(out, "- `X-Scenario: {}`", scenario.header);
    }
    if !scenario.opens.is_empty() {
        let _ = writeln!(out, "- Then opens the document `{}` of the list", scenario.opens);
    }
    let _ = write!(out, "- Answer: {}", scenario.status);
    let told = |words: &str, texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
        if texts.is_empty() { String::new() } else { format!(", {words} {}", texts.join(", ")) }
    };
    let _ = writeln!(out, "{}{}", told("with", &scenario.has), told("without", &scenario.lacks));
}
