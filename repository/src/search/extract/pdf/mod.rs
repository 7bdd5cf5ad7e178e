//! The text layer of a PDF. Nothing is drawn; glyphs become text by the maps that the file brings,
//! in the order of the file. A file without such text, as a scan is, gives none.

mod file;
mod filters;
mod font;
mod glyphs;
mod object;
mod page;

use std::collections::HashSet;

use super::{Deadline, MAX_TEXT, Unreadable};
use file::File;
use object::{Dictionary, Object};
use page::Writer;

/// The text, a line for every line.
pub(super) fn text(bytes: &[u8], deadline: Deadline) -> Result<String, Unreadable> {
    let file = File::open(bytes, deadline)?;
    let pages = pages(&file);
    if pages.is_empty() {
        return Err(Unreadable::Broken("a PDF"));
    }
    let mut out = String::new();
    for page in pages {
        deadline.check()?;
        let mut writer = Writer::new(&file, &mut out, deadline);
        let none = Dictionary::new();
        let resources = inherited(&file, page, "Resources").unwrap_or(&none);
        let contents = contents(&file, page)?;
        writer.run(&contents, resources, 0)?;
        out.push('\n');
        if out.len() > MAX_TEXT {
            break;
        }
    }
    Ok(out)
}

/// In the order of the page tree; in that of their numbers where there is none.
fn pages<'f>(file: &'f File<'_>) -> Vec<&'f Dictionary> {
    let mut pages = Vec::new();
    let mut seen = HashSet::new();
    for catalogue in file.of_type("Catalog") {
        if let Some(root) = catalogue.get("Pages") {
            walk(file, root, &mut seen, &mut pages, 0);
        }
    }
    if pages.is_empty() { file.of_type("Page") } else { pages }
}

fn walk<'f>(
    file: &'f File<'_>,
    node: &'f Object,
    seen: &mut HashSet<u32>,
    pages: &mut Vec<&'f Dictionary>,
    depth: usize,
) {
    let Object::Reference(no) = node else { return };
    if depth > MAX_DEPTH || pages.len() >= MAX_PAGES || !seen.insert(*no) {
        return;
    }
    let Some(head) = file.resolve(node).and_then(Object::dictionary) else { return };
    match file.get(head, "Kids").and_then(Object::array) {
        Some(kids) => {
            for kid in kids {
                walk(file, kid, seen, pages, depth + 1);
            }
        }
        None => pages.push(head),
    }
}

/// What a page has of itself or of the nodes above it.
fn inherited<'f>(file: &'f File<'_>, page: &'f Dictionary, key: &str) -> Option<&'f Dictionary> {
    let mut node = page;
    for _ in 0..MAX_DEPTH {
        if let Some(found) = file.dictionary(node, key) {
            return Some(found);
        }
        node = file.dictionary(node, "Parent")?;
    }
    None
}

/// The streams of a page, one after the other as one.
fn contents(file: &File<'_>, page: &Dictionary) -> Result<Vec<u8>, Unreadable> {
    let Some(contents) = page.get("Contents") else { return Ok(Vec::new()) };
    let Some(all) = file.resolve(contents).and_then(Object::array) else {
        return file.content(contents);
    };
    let mut bytes = Vec::new();
    for part in all {
        bytes.extend(file.content(part)?);
        bytes.push(b'\n');
    }
    Ok(bytes)
}

const MAX_PAGES: usize = 5_000;
const MAX_DEPTH: usize = 32;
