use std::collections::HashMap;

use super::Attachment;
use super::safe::HtmlWriter;

/// What stands for objects in a text: links to the files that are shown below it, or words.
pub(crate) struct Figures<'n> {
    /// What `renderMultiMedia` shows in place of an object, by the object's ID.
    objects: Option<&'n HashMap<String, Object>>,
    /// How many files the document has so far.
    before: usize,
    /// How many more there may be.
    room: usize,
    /// The files that the text points to, from 0, in order.
    pub(crate) named: Vec<usize>,
    /// Pictures that the text itself holds.
    pub(crate) pictures: Vec<Attachment>,
}

/// What became of an object beside the text.
pub(crate) enum Object {
    /// It is a file of the document, numbered from 0.
    File(usize),
    /// It is not there, for this reason.
    Missing(&'static str),
}

impl<'n> Figures<'n> {
    pub(crate) fn new(
        objects: &'n HashMap<String, Object>,
        before: usize,
        room: usize,
    ) -> Figures<'n> {
        Figures { objects: Some(objects), before, room, named: Vec::new(), pictures: Vec::new() }
    }

    /// Of a text beside which there are no objects, and which may hold pictures.
    pub(crate) fn alone(before: usize, room: usize) -> Figures<'static> {
        Figures { objects: None, before, room, named: Vec::new(), pictures: Vec::new() }
    }

    /// Of a text without any.
    pub(crate) fn none() -> Figures<'static> {
        Self::alone(0, 0)
    }

    /// Writes what stands for an object.
    pub(crate) fn object(&mut self, html: &mut HtmlWriter, id: &str) {
        match self.objects.and_then(|objects| objects.get(id)) {
            Some(Object::File(n)) => self.point(html, *n, "See"),
            Some(Object::Missing(words)) => Self::say(html, words),
            None => Self::say(html, "an object that is not there"),
        }
    }

    /// Writes what stands for an image. One that the text itself holds, as a `data:` address,
    /// becomes a file; no other is loaded from anywhere.
    pub(crate) fn image(&mut self, html: &mut HtmlWriter, source: &str, words: &str) {
        let words = words.trim();
        let words = if words.is_empty() { "no description" } else { words };
        if self.pictures.len() < self.room
            && let Some(picture) = held(source)
        {
            let n = self.before + self.pictures.len();
            self.pictures.push(picture);
            html.element("span", "cr-media", words);
            html.text(" ");
            return self.point(html, n, "See");
        }
        html.element("span", "cr-media", &format!("[Image not shown: {words}]"));
    }

    fn point(&mut self, html: &mut HtmlWriter, n: usize, words: &str) {
        if !self.named.contains(&n) {
            self.named.push(n);
        }
        let href = format!("#file-{}", n + 1);
        html.open("a", &[("href", &href), ("class", "cr-media")]);
        html.text(&format!("{words} file {}", n + 1));
        html.close();
    }

    fn say(html: &mut HtmlWriter, words: &str) {
        html.element("span", "cr-media", &format!("[Not shown here: {words}]"));
    }
}

/// A picture in a `data:` address: known by its bytes, whatever the address says.
fn held(source: &str) -> Option<Attachment> {
    let source = source.trim();
    let scheme = source.get(..5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let (kind, data) = source[5..].split_once(',')?;
    let kind = kind.strip_suffix(";base64")?;
    let picture = Attachment::from_base64("Picture in the text".to_owned(), kind, data)?;
    picture.is_picture().then_some(picture)
}
