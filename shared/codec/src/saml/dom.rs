//! A step through the tree by namespace and local name.

use uppsala::{Document, NodeId, NodeKind};

use super::SamlError;

/// An element of the tree.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    pub doc: &'d Document<'d>,
    pub id: NodeId,
}

impl<'d> Element<'d> {
    /// The element at a node, when it is one.
    pub fn at(doc: &'d Document<'d>, id: NodeId) -> Option<Self> {
        doc.element(id).map(|_| Self { doc, id })
    }

    fn data(self) -> Option<&'d uppsala::Element<'d>> {
        self.doc.element(self.id)
    }

    pub fn ns(self) -> &'d str {
        self.data().and_then(|e| e.name.namespace_uri.as_deref()).unwrap_or_default()
    }

    pub fn local(self) -> &'d str {
        self.data().map(|e| &*e.name.local_name).unwrap_or_default()
    }

    pub fn is(self, ns: &str, local: &str) -> bool {
        self.ns() == ns && self.local() == local
    }

    /// The attribute of no namespace. The tree's own look-up takes one of any.
    pub fn attr(self, local: &str) -> Option<&'d str> {
        self.attributes().find(|(ns, name, _)| ns.is_empty() && *name == local).map(|a| a.2)
    }

    /// Namespace, local name and value of each.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str, &'d str)> {
        self.data().into_iter().flat_map(|e| &e.attributes).map(|a| {
            let ns = a.name.namespace_uri.as_deref().unwrap_or_default();
            (ns, &*a.name.local_name, &*a.value)
        })
    }

    /// The namespaces that the element declares.
    pub fn namespaces(self) -> impl Iterator<Item = &'d str> {
        self.data().into_iter().flat_map(|e| &e.namespace_declarations).map(|(_, uri)| &**uri)
    }

    pub fn children(self) -> impl Iterator<Item = Self> {
        self.doc.children_iter(self.id).filter_map(move |id| Self::at(self.doc, id))
    }

    pub fn child(self, ns: &str, local: &str) -> Option<Self> {
        self.children().find(|c| c.is(ns, local))
    }

    /// Every node below, in document order.
    pub fn nodes(self) -> impl Iterator<Item = NodeId> {
        self.doc.descendants(self.id).into_iter().filter(move |id| *id != self.id)
    }

    pub fn descendants(self) -> impl Iterator<Item = Self> {
        self.nodes().filter_map(move |id| Self::at(self.doc, id))
    }

    /// The text of an element that has nothing but text, without the white space around it.
    ///
    /// # Errors
    /// `Value` when there is something else, or it is longer than any value is.
    pub fn text(self) -> Result<String, SamlError> {
        let mut all = String::new();
        for id in self.doc.children_iter(self.id) {
            match self.doc.node_kind(id) {
                Some(NodeKind::Text(text)) => all.push_str(text),
                _ => return Err(SamlError::Value),
            }
        }
        let text = all.trim();
        if text.len() > MAX_TEXT {
            return Err(SamlError::Value);
        }
        Ok(text.to_owned())
    }

    /// As `text`, of one line: a value for people that a serialiser has broken.
    ///
    /// # Errors
    /// As `text`.
    pub fn line(self) -> Result<String, SamlError> {
        Ok(self.text()?.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Whether there is no text between the children.
    pub fn only_elements(self) -> bool {
        self.doc.children_iter(self.id).all(|id| match self.doc.node_kind(id) {
            Some(NodeKind::Element(_)) => true,
            Some(NodeKind::Text(text)) => text.trim_ascii().is_empty(),
            _ => false,
        })
    }
}

/// Certificates and keys are the longest.
const MAX_TEXT: usize = 16 << 10;
