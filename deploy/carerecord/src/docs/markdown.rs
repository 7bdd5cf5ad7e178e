//! Markdown to HTML, with an id at each heading and no HTML of the text's own.

use std::collections::HashSet;

use pulldown_cmark::{Alignment, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// A page's content.
pub(super) struct Rendered {
    /// Its first heading.
    pub title: String,
    /// The page below the layout.
    pub html: String,
    /// The headings of the second level: id and text.
    pub parts: Vec<(String, String)>,
}

/// Renders a page. Links to other pages (`name.md`) lead to their HTML.
pub(super) fn render(markdown: &str) -> Rendered {
    let mut events: Vec<Event<'_>> =
        Parser::new_ext(markdown, Options::ENABLE_TABLES).map(tamed).collect();
    let (title, parts) = name_headings(&mut events);
    let mut html = String::new();
    html::push_html(&mut html, events.into_iter().flat_map(framed));
    Rendered { title, html, parts }
}

fn tamed(event: Event<'_>) -> Event<'_> {
    // Nothing of what is written is HTML: `<` that somebody wrote is one to be read.
    if let Event::Html(text) | Event::InlineHtml(text) = event {
        return Event::Text(text);
    }
    if let Event::Start(Tag::Link { link_type, dest_url, title, id }) = event {
        let dest_url = CowStr::from(target(&dest_url));
        return Event::Start(Tag::Link { link_type, dest_url, title, id });
    }
    event
}

/// Gives each heading an id and a class; tells the first one, and those of the second level.
fn name_headings(events: &mut [Event<'_>]) -> (String, Vec<(String, String)>) {
    let (mut title, mut parts, mut taken) = (String::new(), Vec::new(), HashSet::new());
    for n in 0..events.len() {
        let Event::Start(Tag::Heading { level, .. }) = &events[n] else { continue };
        let level = *level;
        let text = plain(&events[n + 1..]);
        let mut anchor = slug(&text);
        let mut again = 0;
        while !taken.insert(anchor.clone()) {
            again += 1;
            anchor = format!("{}-{again}", slug(&text));
        }
        if title.is_empty() {
            title.clone_from(&text);
        }
        if level == HeadingLevel::H2 {
            parts.push((anchor.clone(), text));
        }
        if let Event::Start(Tag::Heading { id, classes, .. }) = &mut events[n] {
            *id = Some(anchor.into());
            classes.push(class(level).into());
        }
    }
    (title, parts)
}

/// The text up to the end of a heading.
fn plain(events: &[Event<'_>]) -> String {
    let inside = events.iter().take_while(|e| !matches!(e, Event::End(TagEnd::Heading(_))));
    let text = inside.filter_map(|event| {
        let (Event::Text(text) | Event::Code(text)) = event else { return None };
        Some(text.as_ref())
    });
    text.collect()
}

/// As others make anchors of headings: small letters, digits and `-`.
fn slug(text: &str) -> String {
    let kept = text.chars().filter_map(|c| match c {
        ' ' | '-' => Some('-'),
        c if c.is_alphanumeric() || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

fn class(level: HeadingLevel) -> &'static str {
    if level == HeadingLevel::H1 {
        "nhsuk-heading-l"
    } else if level == HeadingLevel::H2 {
        "nhsuk-heading-m"
    } else {
        "nhsuk-heading-s"
    }
}

fn target(link: &str) -> String {
    let (page, anchor) = link.split_once('#').map_or((link, None), |(p, a)| (p, Some(a)));
    let elsewhere = page.contains(':') || page.contains('/');
    let page = match page.strip_suffix(".md") {
        Some(name) if !elsewhere => format!("{name}.html"),
        Some(_) | None => page.to_owned(),
    };
    anchor.map_or(page.clone(), |anchor| format!("{page}#{anchor}"))
}

/// Wide tables and listings scroll by themselves, by keyboard too. Alignment would be an inline style.
fn framed(event: Event<'_>) -> Vec<Event<'_>> {
    let open = |what: &str| {
        let frame = format!(
            "<div class=\"cr-docs__wide\" tabindex=\"0\" role=\"group\" aria-label=\"{what}\">"
        );
        Event::Html(frame.into())
    };
    let close = || Event::Html("</div>\n".into());
    if let Event::Start(Tag::Table(columns)) = event {
        let columns = vec![Alignment::None; columns.len()];
        return vec![open("Table"), Event::Start(Tag::Table(columns))];
    }
    if let Event::Start(Tag::CodeBlock(_)) = event {
        return vec![open("Listing"), event];
    }
    if let Event::End(TagEnd::Table | TagEnd::CodeBlock) = event {
        return vec![event, close()];
    }
    vec![event]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_named_and_links_lead_to_pages() {
        let page = render("# A `b` c\n\n## Of two, parts\n\n## Of two, parts\n\n[x](y.md#z) <b>\n");

        assert_eq!(page.title, "A b c");
        let ids: Vec<&str> = page.parts.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["of-two-parts", "of-two-parts-1"]);
        assert!(page.html.contains("<a href=\"y.html#z\">x</a> &lt;b&gt;"), "{}", page.html);
    }

    #[test]
    fn tables_have_no_inline_style() {
        let page = render("| a | b |\n|---:|---|\n| 1 | 2 |\n");

        assert!(page.html.contains("<td>1</td>") && !page.html.contains("style"), "{}", page.html);
    }
}
