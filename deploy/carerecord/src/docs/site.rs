//! The documentation as a site: what is written in `docs/` and what is made out of the code, as pages
//! that need no script.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use askama::Template;

use super::markdown::{Rendered, render};
use super::{codes, endpoints, errors, messages, openapi, scenarios};

/// All files of the site, by their path below its root.
pub struct Site(BTreeMap<String, File>);

/// A file of the site.
pub struct File {
    /// Its content type.
    pub kind: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Where a page comes from.
enum Source {
    /// A file of `docs/`.
    Written(&'static str),
    /// Made out of the code; given the API's description.
    Made(fn(&serde_json::Value) -> String),
}

struct Group {
    title: &'static str,
    pages: &'static [(&'static str, Source)],
}

macro_rules! written {
    ($name:literal) => {
        ($name, Source::Written(include_str!(concat!("../../../../docs/", $name, ".md"))))
    };
}

const GROUPS: &[Group] = &[
    Group {
        title: "Start",
        pages: &[
            written!("index"),
            written!("guide"),
            ("scenarios", Source::Made(|_| scenarios::page())),
        ],
    },
    Group {
        title: "Interfaces",
        pages: &[
            ("endpoints", Source::Made(endpoints::page)),
            ("messages", Source::Made(|_| messages::page())),
            ("codes", Source::Made(|_| codes::page())),
            ("errors", Source::Made(|_| errors::page())),
            written!("authentication"),
            written!("sequences"),
            written!("consumers"),
            written!("apps"),
        ],
    },
    Group {
        title: "By subject",
        pages: &[
            written!("publish"),
            written!("look"),
            written!("search"),
            written!("elements"),
            written!("patients"),
            written!("access"),
            written!("audit"),
            written!("rules"),
        ],
    },
    Group {
        title: "Running it",
        pages: &[
            written!("run"),
            written!("storage"),
            written!("retention"),
            written!("load"),
            written!("conformance"),
            written!("benchmarks"),
            written!("threats"),
        ],
    },
];

impl Site {
    /// The site that describes a portal, whose FHIR API has that address.
    pub fn new(base_url: &str) -> Self {
        let description = openapi::description(base_url);
        let mut rendered: Vec<(&str, &str, Rendered)> = Vec::new();
        for group in GROUPS {
            for (name, source) in group.pages {
                let page = match source {
                    Source::Written(text) => render(text),
                    Source::Made(make) => render(&make(&description)),
                };
                rendered.push((group.title, name, page));
            }
        }
        let mut files = BTreeMap::new();
        for (_, name, page) in &rendered {
            let layout = Layout { groups: menu(&rendered, name), page };
            let html = layout.render().unwrap_or_else(|e| e.to_string());
            files.insert(format!("{name}.html"), File { kind: HTML, bytes: html.into_bytes() });
        }
        for (name, kind, bytes) in carerecord_web::assets() {
            let file = File { kind, bytes: bytes.to_vec() };
            files.insert(format!("assets/{name}"), file);
        }
        for (name, kind, text) in EXAMPLES {
            let file = File { kind, bytes: text.as_bytes().to_vec() };
            files.insert(format!("examples/{name}"), file);
        }
        let json = format!("{description:#}\n").into_bytes();
        files.insert("openapi.json".to_owned(), File { kind: JSON, bytes: json });
        Self(files)
    }

    /// The file at a path below the root.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.0.get(path)
    }

    /// The paths of all files.
    #[cfg(test)]
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Writes the site into a folder; what else is there is left.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        for (path, file) in &self.0 {
            let to = folder.join(path);
            if let Some(parent) = to.parent() {
                std::fs::create_dir_all(parent)
                    .with_context(|| format!("cannot make {}", parent.display()))?;
            }
            std::fs::write(&to, &file.bytes)
                .with_context(|| format!("cannot write {}", to.display()))?;
        }
        Ok(())
    }
}

struct MenuGroup<'a> {
    title: &'a str,
    pages: Vec<MenuPage<'a>>,
}

struct MenuPage<'a> {
    name: &'a str,
    title: &'a str,
    here: bool,
}

fn menu<'a>(all: &'a [(&'a str, &'a str, Rendered)], here: &str) -> Vec<MenuGroup<'a>> {
    let mut groups: Vec<MenuGroup<'a>> = Vec::new();
    for (group, name, page) in all {
        if groups.last().is_none_or(|last| last.title != *group) {
            groups.push(MenuGroup { title: group, pages: Vec::new() });
        }
        if let Some(last) = groups.last_mut() {
            last.pages.push(MenuPage { name, title: &page.title, here: *name == here });
        }
    }
    groups
}

#[derive(Template)]
#[template(path = "docs/page.html")]
struct Layout<'a> {
    groups: Vec<MenuGroup<'a>>,
    page: &'a Rendered,
}

macro_rules! example {
    ($name:literal, $kind:literal) => {
        ($name, $kind, include_str!(concat!("../../../../docs/examples/", $name)))
    };
}

const EXAMPLES: [(&str, &str, &str); 6] = [
    example!("provide.json", "application/fhir+json"),
    example!("match.json", "application/fhir+json"),
    example!("iti41.xml", "application/xml"),
    example!("iti18.xml", "application/xml"),
    example!("iti43.xml", "application/xml"),
    example!("iti44.xml", "application/xml"),
];
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
