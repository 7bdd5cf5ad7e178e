use std::sync::Arc;

use crate::reader::{Attribute, Token};
use crate::{Limits, XmlError, XmlReader};

/// A whole document in memory: elements and texts in one list, so that neither building nor
/// dropping it recurses however deep the input nests.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Element { element: Element, children: Vec<u32> },
    Text(String),
}

#[derive(Clone, Debug)]
struct Element {
    ns: Arc<str>,
    local: String,
    attributes: Vec<Attribute>,
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
        let mut nodes = Vec::new();
        let root = xml.root()?;
        nodes.push(element(root));
        let mut open: Vec<u32> = vec![0];
        while let Some(&parent) = open.last() {
            let index = nodes.len() as u32;
            match xml.token()? {
                Some(Token::Start(start)) => {
                    nodes.push(element(start));
                    adopt(&mut nodes, parent, index);
                    open.push(index);
                }
                Some(Token::Text(text)) => add_text(&mut nodes, parent, &text),
                Some(Token::End) | None => {
                    if let Some(Node::Element { element, .. }) = nodes.get_mut(parent as usize) {
                        element.end = xml.end_offset();
                    }
                    open.pop();
                }
            }
        }
        xml.finish()?;
        Ok(Self { nodes })
    }

    /// The root element.
    pub fn root(&self) -> ElementRef<'_> {
        ElementRef { tree: self, index: 0 }
    }
}

fn element(start: crate::Start) -> Node {
    let (ns, local, attributes, offset) = start.into_parts();
    let element = Element { ns, local, attributes, start: offset, end: offset };
    Node::Element { element, children: Vec::new() }
}

fn adopt(nodes: &mut [Node], parent: u32, child: u32) {
    if let Some(Node::Element { children, .. }) = nodes.get_mut(parent as usize) {
        children.push(child);
    }
}

/// Joins a text to the one before it when nothing stands between them.
fn add_text(nodes: &mut Vec<Node>, parent: u32, text: &str) {
    let last = match nodes.get(parent as usize) {
        Some(Node::Element { children, .. }) => children.last().copied(),
        Some(Node::Text(_)) | None => None,
    };
    if let Some(Node::Text(before)) = last.and_then(|i| nodes.get_mut(i as usize)) {
        before.push_str(text);
        return;
    }
    let index = nodes.len() as u32;
    nodes.push(Node::Text(text.to_owned()));
    adopt(nodes, parent, index);
}

impl<'t> ElementRef<'t> {
    /// The namespace URI; empty for none.
    pub fn ns(self) -> &'t str {
        self.parts().map_or("", |(e, _)| &*e.ns)
    }

    /// The local name.
    pub fn local(self) -> &'t str {
        self.parts().map_or("", |(e, _)| e.local.as_str())
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
        let (element, _) = self.parts()?;
        let mut all = element.attributes.iter();
        all.find(|a| *a.ns == *ns && a.local == local).map(|a| a.value.as_str())
    }

    /// Elements and texts inside, in order.
    pub fn nodes(self) -> impl Iterator<Item = NodeRef<'t>> {
        let children = self.parts().map_or(&[][..], |(_, children)| children.as_slice());
        children.iter().filter_map(move |i| match self.tree.nodes.get(*i as usize)? {
            Node::Element { .. } => {
                Some(NodeRef::Element(ElementRef { tree: self.tree, index: *i }))
            }
            Node::Text(text) => Some(NodeRef::Text(text)),
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
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let next = waiting.pop()?;
            let children: Vec<_> = next.children().collect();
            waiting.extend(children.into_iter().rev());
            Some(next)
        })
    }

    /// All text below, joined in document order.
    pub fn text(self) -> String {
        let mut out = String::new();
        let mut waiting: Vec<NodeRef<'t>> = vec![NodeRef::Element(self)];
        while let Some(node) = waiting.pop() {
            match node {
                NodeRef::Text(text) => out.push_str(text),
                NodeRef::Element(e) => {
                    let inside: Vec<_> = e.nodes().collect();
                    waiting.extend(inside.into_iter().rev());
                }
            }
        }
        out
    }

    /// Where the element stands in the text, from its opening to the end of its closing tag.
    pub fn span(self) -> std::ops::Range<usize> {
        self.parts().map_or(0..0, |(e, _)| e.start as usize..e.end as usize)
    }

    fn parts(self) -> Option<(&'t Element, &'t Vec<u32>)> {
        match self.tree.nodes.get(self.index as usize)? {
            Node::Element { element, children } => Some((element, children)),
            Node::Text(_) => None,
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
        assert_eq!(&text[root.child("b").unwrap().span()], "<b i='1'>x<c/>y</b>");
        let names: Vec<_> = root.descendants().map(ElementRef::local).collect();
        assert_eq!(names, ["a", "b", "c", "b"]);
    }
}
