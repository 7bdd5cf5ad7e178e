use std::sync::Arc;

use crate::name::Attribute;
use crate::reader::Token;
use crate::{Limits, Start, XmlError, XmlReader};

/// A whole document in memory: elements and texts in one list, in document order, so that neither
/// building nor dropping it recurses however deep the input nests.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    content: Content,
    /// The node behind this one with the same parent; 0, which is the root, for none.
    next: u32,
}

#[derive(Clone, Debug)]
enum Content {
    Element(Box<Element>),
    Text(Box<str>),
}

#[derive(Clone, Debug)]
struct Element {
    ns: Arc<str>,
    local: Arc<str>,
    attributes: Vec<Attribute>,
    /// The first node inside; 0 for none.
    first: u32,
    /// Where the list goes on behind everything inside.
    behind: u32,
    start: u64,
    end: u64,
}

/// An element of a tree.
#[derive(Clone, Copy, Debug)]
pub struct ElementRef<'t> {
    tree: &'t Tree,
    index: u32,
}

/// An element or a text.
#[derive(Clone, Copy, Debug)]
pub enum NodeRef<'t> {
    /// An element.
    Element(ElementRef<'t>),
    /// A text between elements, as it stands.
    Text(&'t str),
}

impl Tree {
    /// Reads a document.
    ///
    /// # Errors
    /// As `XmlReader`.
    pub fn read(text: &str, limits: Limits) -> Result<Self, XmlError> {
        let mut xml = XmlReader::new(text, limits)?;
        let mut builder = Builder::default();
        let root = xml.root()?;
        builder.open(root);
        while !builder.open.is_empty() {
            match xml.token()? {
                Some(Token::Start(start)) => builder.open(start),
                Some(Token::Text(text)) => builder.text.push_str(&text),
                Some(Token::End) | None => builder.close(xml.end_offset()),
            }
        }
        xml.finish()?;
        Ok(Self { nodes: builder.nodes })
    }

    /// The root element.
    pub fn root(&self) -> ElementRef<'_> {
        ElementRef { tree: self, index: 0 }
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// The elements around the current place, outermost first.
    open: Vec<Open>,
    /// What has been read of the text at the current place.
    text: String,
}

struct Open {
    index: u32,
    /// Its child that was added last; 0 for none.
    last: u32,
}

impl Builder {
    fn open(&mut self, start: Start) {
        self.end_text();
        let Start { ns, local, attributes, offset } = start;
        let element =
            Element { ns, local, attributes, first: 0, behind: 0, start: offset, end: offset };
        let index = self.add(Content::Element(Box::new(element)));
        self.open.push(Open { index, last: 0 });
    }

    fn close(&mut self, end: u64) {
        self.end_text();
        let behind = self.nodes.len() as u32;
        if let Some(closed) = self.open.pop()
            && let Some(element) = self.element(closed.index)
        {
            element.behind = behind;
            element.end = end;
        }
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text).into_boxed_str();
            self.add(Content::Text(text));
        }
    }

    /// Adds a node as the last child of the innermost open element.
    fn add(&mut self, content: Content) -> u32 {
        let index = self.nodes.len() as u32;
        self.nodes.push(Node { content, next: 0 });
        let Some(parent) = self.open.last_mut() else { return index };
        let (parent, before) = (parent.index, std::mem::replace(&mut parent.last, index));
        if before > 0 {
            if let Some(node) = self.nodes.get_mut(before as usize) {
                node.next = index;
            }
        } else if let Some(element) = self.element(parent) {
            element.first = index;
        }
        index
    }

    fn element(&mut self, index: u32) -> Option<&mut Element> {
        match &mut self.nodes.get_mut(index as usize)?.content {
            Content::Element(element) => Some(element),
            Content::Text(_) => None,
        }
    }
}

impl<'t> ElementRef<'t> {
    /// The namespace URI; empty for none.
    pub fn ns(self) -> &'t str {
        self.element().map_or("", |e| &*e.ns)
    }

    /// The local name.
    pub fn local(self) -> &'t str {
        self.element().map_or("", |e| &*e.local)
    }

    /// Whether it has this namespace and local name.
    pub fn is(self, ns: &str, local: &str) -> bool {
        self.ns() == ns && self.local() == local
    }

    /// The attribute of no namespace.
    pub fn attr(self, local: &str) -> Option<&'t str> {
        self.attr_ns("", local)
    }

    /// The attribute of a namespace.
    pub fn attr_ns(self, ns: &str, local: &str) -> Option<&'t str> {
        Attribute::find(&self.element()?.attributes, ns, local)
    }

    /// All attributes as namespace URI, local name and value, as they stand.
    pub fn attributes(self) -> impl Iterator<Item = (&'t str, &'t str, &'t str)> {
        let all = self.element().map_or(&[][..], |e| e.attributes.as_slice());
        all.iter().map(|a| (&*a.ns, a.local.as_str(), a.value.as_str()))
    }

    /// Elements and texts inside, in order. Texts that nothing stands between are one.
    pub fn nodes(self) -> impl Iterator<Item = NodeRef<'t>> {
        let mut index = self.element().map_or(0, |e| e.first);
        std::iter::from_fn(move || {
            let node = self.tree.nodes.get(index as usize).filter(|_| index > 0)?;
            let here = std::mem::replace(&mut index, node.next);
            Some(match &node.content {
                Content::Element(_) => {
                    NodeRef::Element(ElementRef { tree: self.tree, index: here })
                }
                Content::Text(text) => NodeRef::Text(text),
            })
        })
    }

    /// Elements inside, in order.
    pub fn children(self) -> impl Iterator<Item = ElementRef<'t>> {
        self.nodes().filter_map(|n| match n {
            NodeRef::Element(e) => Some(e),
            NodeRef::Text(_) => None,
        })
    }

    /// Elements inside with a name, of the same namespace as this element.
    pub fn all(self, local: &str) -> impl Iterator<Item = ElementRef<'t>> {
        let ns = self.ns();
        self.children().filter(move |c| c.is(ns, local))
    }

    /// The first element inside with a name, of the same namespace as this element.
    pub fn child(self, local: &str) -> Option<ElementRef<'t>> {
        self.all(local).next()
    }

    /// Goes down a path of first children, all of this element's namespace.
    pub fn at(self, path: &[&str]) -> Option<ElementRef<'t>> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// Every element below, itself included, in document order.
    pub fn descendants(self) -> impl Iterator<Item = ElementRef<'t>> {
        self.below().filter_map(move |(index, node)| match &node.content {
            Content::Element(_) => Some(ElementRef { tree: self.tree, index }),
            Content::Text(_) => None,
        })
    }

    /// All text below, joined in document order.
    pub fn text(self) -> String {
        let texts = self.below().filter_map(|(_, node)| match &node.content {
            Content::Text(text) => Some(&**text),
            Content::Element(_) => None,
        });
        texts.collect()
    }

    /// Where the element stands in the text, from its opening to the end of its closing tag.
    pub fn span(self) -> std::ops::Range<usize> {
        self.element().map_or(0..0, |e| e.start as usize..e.end as usize)
    }

    /// Itself and every node below: in document order they stand in one piece of the list.
    fn below(self) -> impl Iterator<Item = (u32, &'t Node)> {
        let behind = self.element().map_or(self.index, |e| e.behind);
        let nodes = self.tree.nodes.get(self.index as usize..behind as usize).unwrap_or_default();
        (self.index..).zip(nodes)
    }

    fn element(self) -> Option<&'t Element> {
        match &self.tree.nodes.get(self.index as usize)?.content {
            Content::Element(element) => Some(element),
            Content::Text(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_and_cuts_out() {
        let text = "<a xmlns='u'> <b i='1'>x<c/>y</b>z<b/></a>";
        let tree = Tree::read(text, Limits::document()).unwrap();
        let root = tree.root();

        assert_eq!(root.all("b").count(), 2);
        assert_eq!(root.child("b").unwrap().attr("i"), Some("1"));
        assert_eq!(root.child("b").unwrap().text(), "xy");
        assert_eq!(root.text(), " xyz");
        assert_eq!(root.at(&["b", "c"]).unwrap().text(), "");
        assert_eq!(root.at(&["b", "d"]).map(ElementRef::local), None);
        assert_eq!(&text[root.child("b").unwrap().span()], "<b i='1'>x<c/>y</b>");
        assert_eq!(&text[root.at(&["b", "c"]).unwrap().span()], "<c/>");
        let names: Vec<_> = root.descendants().map(ElementRef::local).collect();
        assert_eq!(names, ["a", "b", "c", "b"]);
    }

    #[test]
    fn texts_are_joined_over_comments_and_references_but_not_over_elements() {
        let text = "<a>x<!-- -->&amp;<![CDATA[<]]><b/>y</a>";
        let tree = Tree::read(text, Limits::document()).unwrap();

        let nodes: Vec<_> = tree
            .root()
            .nodes()
            .map(|n| match n {
                NodeRef::Element(e) => format!("<{}>", e.local()),
                NodeRef::Text(text) => text.to_owned(),
            })
            .collect();

        assert_eq!(nodes, ["x&<", "<b>", "y"]);
    }

    #[test]
    fn attributes_are_told_with_their_namespace() {
        let text = "<a xmlns:x='u' x:b='1' b='2' xml:lang='en'/>";
        let tree = Tree::read(text, Limits::document()).unwrap();

        assert_eq!(tree.root().attr("b"), Some("2"));
        assert_eq!(tree.root().attr_ns("u", "b"), Some("1"));
        let all: Vec<_> = tree.root().attributes().map(|(_, local, _)| local).collect();
        assert_eq!(all, ["b", "b", "lang"]);
    }
}
