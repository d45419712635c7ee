//! Which places of a document matter.

use crate::contract::JsonDocument;

/// The paths of a contract as a tree of keys.
pub(super) struct Layout {
    nodes: Vec<Node>,
}

struct Node {
    path: String,
    purpose: Purpose,
    children: Vec<(String, usize)>,
    seen: bool,
}

/// What is done with the value at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is an object in which there is more.
    Way,
    /// It is the array of the rows.
    Rows,
    /// It is the header of that number.
    Header(usize),
}

impl Layout {
    /// The document itself.
    pub(super) const ROOT: usize = 0;

    pub(super) fn new(format: &JsonDocument) -> Self {
        let mut layout = Self {
            nodes: vec![Node::new(String::new())],
        };
        layout.add(format.array.iter().map(String::as_str), Purpose::Rows);
        for (index, header) in format.header.iter().enumerate() {
            layout.add(header.split('.'), Purpose::Header(index));
        }
        layout
    }

    fn add<'a>(&mut self, keys: impl Iterator<Item = &'a str>, purpose: Purpose) {
        let mut node = Self::ROOT;
        for key in keys {
            node = self.child(node, key).unwrap_or_else(|| {
                let path = match self.nodes[node].path.as_str() {
                    "" => key.to_owned(),
                    around => format!("{around}.{key}"),
                };
                let child = self.nodes.len();
                self.nodes.push(Node::new(path));
                self.nodes[node].children.push((key.to_owned(), child));
                child
            });
        }
        self.nodes[node].purpose = purpose;
    }

    /// The place below a key, if it matters.
    pub(super) fn child(&self, node: usize, key: &str) -> Option<usize> {
        let child = self.nodes[node].children.iter().find(|(known, _)| known == key);
        child.map(|(_, child)| *child)
    }

    pub(super) fn purpose(&self, node: usize) -> Purpose {
        self.nodes[node].purpose
    }

    pub(super) fn path(&self, node: usize) -> &str {
        &self.nodes[node].path
    }

    /// Notes that the document has this place; whether it was there before.
    pub(super) fn see(&mut self, node: usize) -> bool {
        std::mem::replace(&mut self.nodes[node].seen, true)
    }
}

impl Node {
    fn new(path: String) -> Self {
        Self {
            path,
            purpose: Purpose::Way,
            children: Vec::new(),
            seen: false,
        }
    }
}
