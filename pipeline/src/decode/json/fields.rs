//! From the keys of objects to columns.

use std::collections::HashMap;
use std::ops::Range;

use super::cursor::{Cursor, Quoted, Stop};
use super::string::unescape;

/// All fields that an object of the raw zone has shown so far, as a tree of keys. Each path of keys, joined by
/// dots, is a column.
///
/// Records of one source have their keys in one order, so the key that followed last time is tried first, and
/// other keys are looked up.
pub(super) struct Fields {
    nodes: Vec<Node>,
    columns: HashMap<String, usize>,
    /// Names of the columns.
    names: Vec<String>,
    /// In which record each column last had a value.
    valued: Vec<u64>,
    record: u64,
    /// Most fields of a record.
    most: usize,
    /// Most nodes beside those of the record that is read.
    kept: usize,
    /// Nodes that are there from the start.
    first: usize,
    /// How many nodes and columns there were before the record that was read last.
    before: (usize, usize),
    /// Whether what that record brought is to be forgotten.
    is_disowned: bool,
    /// Whether a record that was read last has a field too many beside those of the records before it.
    is_crowded: bool,
    /// Of each kind of messages so far which keys at the top all of them had.
    kinds: Vec<Vec<usize>>,
}

/// Most kinds of messages that are told apart.
const KINDS: usize = 16;

/// A path of keys.
#[derive(Default)]
struct Node {
    path: String,
    column: Option<usize>,
    children: Vec<(Box<[u8]>, usize)>,
    positions: HashMap<Box<[u8]>, usize>,
    /// In which record it was last seen, and with which text.
    seen: u64,
    value: Range<usize>,
}

/// The values of one record.
#[derive(Default)]
pub(super) struct Values {
    tokens: Vec<Token>,
    unescaped: Vec<u8>,
}

struct Token {
    column: usize,
    range: Range<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The record's own text, not a string.
    Verbatim,
    /// A string without escapes.
    Text,
    /// A string whose escapes were resolved.
    Unescaped,
}

/// Whether most keys of a kind of messages are there, or all where they are few: one that all had so far may be missing in the
/// next message, but what is within a message has hardly any of them.
#[inline]
fn is_most(kind: &[usize], is_there: impl Fn(&usize) -> bool) -> bool {
    let count = kind.iter().filter(|position| is_there(position)).count();
    match kind.len() {
        few @ 0..=2 => count == few,
        many => count * 2 > many,
    }
}

impl Values {
    /// Column and bytes of each value, of a record that was read from `text`.
    pub(super) fn iter<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, &'a [u8])> {
        self.tokens
            .iter()
            .map(move |token| (token.column, self.bytes(token, text)))
    }

    /// The value in a column, if it is a string.
    pub(super) fn string<'a>(&'a self, column: usize, text: &'a [u8]) -> Option<&'a [u8]> {
        let token = self.tokens.iter().find(|token| token.column == column)?;
        (token.kind != Kind::Verbatim).then(|| self.bytes(token, text))
    }

    /// The text in a column, if it is no string.
    pub(super) fn verbatim<'a>(&'a self, column: usize, text: &'a [u8]) -> Option<&'a [u8]> {
        let token = self.tokens.iter().find(|token| token.column == column)?;
        (token.kind == Kind::Verbatim).then(|| self.bytes(token, text))
    }

    fn bytes<'a>(&'a self, token: &Token, text: &'a [u8]) -> &'a [u8] {
        let from = if token.kind == Kind::Unescaped {
            &self.unescaped
        } else {
            text
        };
        &from[token.range.clone()]
    }
}

impl Fields {
    /// None yet, and never more than `most` of one record. Where a record brings one and there are more than `kept` of those
    /// before it, they are crowded.
    pub(super) fn new(most: usize, kept: usize) -> Self {
        Self {
            nodes: vec![Node::default()],
            columns: HashMap::new(),
            names: Vec::new(),
            valued: Vec::new(),
            record: 0,
            most,
            kept,
            first: 1,
            before: (1, 0),
            is_disowned: false,
            is_crowded: false,
            kinds: Vec::new(),
        }
    }

    /// The object that was read last gives no row: the next one is read as if its fields had never been there.
    pub(super) fn disown(&mut self) {
        self.is_disowned = true;
    }

    /// Whether the object that was read last cannot be read because of the fields of those before it alone.
    pub(super) fn are_crowded(&self) -> bool {
        self.is_crowded
    }

    /// None yet, but what is known of messages.
    pub(super) fn start_over(&mut self) {
        let mut fresh = Self::new(self.most, self.kept);
        fresh.record = self.record;
        let top = &self.nodes[0].children;
        for kind in &self.kinds {
            let keys = kind.iter().map(|position| {
                let (raw, child) = &top[*position];
                fresh.child(0, raw, self.nodes[*child].path.clone())
            });
            let keys = keys.collect();
            fresh.kinds.push(keys);
        }
        fresh.first = fresh.nodes.len();
        *self = fresh;
    }

    fn forget(&mut self) {
        let (nodes, columns) = self.before;
        self.nodes.truncate(nodes);
        for node in &mut self.nodes {
            while let Some((key, _)) = node.children.pop_if(|(_, child)| *child >= nodes) {
                node.positions.remove(&key);
            }
            node.column = node.column.filter(|column| *column < columns);
        }
        for name in self.names.drain(columns..) {
            self.columns.remove(&name);
        }
        self.valued.truncate(columns);
    }

    /// The object that was read last is a message.
    #[inline]
    pub(super) fn learn(&mut self) {
        let (nodes, record) = (&self.nodes, self.record);
        let top = &nodes[0].children;
        let is_there = |position: &usize| nodes[top[*position].1].seen == record;
        match self.kinds.iter().position(|kind| is_most(kind, is_there)) {
            Some(kind) => self.kinds[kind].retain(is_there),
            None if self.kinds.len() < KINDS => {
                let keys: Vec<usize> = (0..top.len()).filter(is_there).collect();
                self.kinds.extend((!keys.is_empty()).then_some(keys));
            }
            None => {}
        }
    }

    /// Whether there were messages.
    pub(super) fn know_messages(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// Whether the object that was read last has most keys of messages, or all of them.
    pub(super) fn is_of_message(&self, all: bool) -> bool {
        let top = &self.nodes[0].children;
        let is_there = |position: &usize| self.nodes[top[*position].1].seen == self.record;
        self.kinds.iter().any(|kind| match all {
            true => kind.iter().all(is_there),
            false => is_most(kind, is_there),
        })
    }

    /// Whether an object with these keys has most of those of messages, or all of them. Where there was no message yet, whether it has those that
    /// were whole in the object that could not be read, and they are several.
    pub(super) fn are_of_message(&self, keys: &[&[u8]], all: bool) -> bool {
        let top = &self.nodes[0].children;
        if self.kinds.is_empty() {
            let mut broken = top
                .iter()
                .filter(|(_, node)| self.nodes[*node].seen == self.record);
            return broken.clone().nth(1).is_some() && broken.all(|(key, _)| keys.contains(&&**key));
        }
        let is_there = |position: &usize| keys.contains(&&*top[*position].0);
        self.kinds.iter().any(|kind| match all {
            true => kind.iter().all(is_there),
            false => is_most(kind, is_there),
        })
    }

    /// Names of the columns, by their numbers.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of a column.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.get(name).copied()
    }

    /// Reads the object at the cursor.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>, values: &mut Values) -> Result<(), Stop> {
        values.tokens.clear();
        values.unescaped.clear();
        self.record += 1;
        if self.is_disowned {
            self.forget();
        }
        self.before = (self.nodes.len(), self.names.len());
        (self.is_disowned, self.is_crowded) = (true, false);
        cursor.peek()?;
        let start = cursor.at;
        self.object(cursor, values, 0, 0)?;
        match std::str::from_utf8(&cursor.text[start..cursor.at]) {
            Ok(_) => {
                self.is_disowned = false;
                Ok(())
            }
            Err(_) => Err(Stop::Broken("is not valid UTF-8".to_owned())),
        }
    }

    fn object(
        &mut self,
        cursor: &mut Cursor<'_>,
        values: &mut Values,
        node: usize,
        depth: usize,
    ) -> Result<(), Stop> {
        cursor.enter(depth)?;
        if cursor.peek()? == b'}' {
            cursor.at += 1;
            return Ok(());
        }
        let mut position = 0;
        loop {
            let key = cursor.string()?;
            cursor.expect(b':')?;
            cursor.peek()?;
            position = self.position(node, position, cursor.text, key)?;
            let child = self.nodes[node].children[position].1;
            position += 1;

            let (start, tokens) = (cursor.at, values.tokens.len());
            let again = self.nodes[child].seen == self.record;
            self.value(cursor, values, child, depth + 1, again)?;
            let value = start..cursor.at;
            let known = &mut self.nodes[child];
            if !again {
                known.seen = self.record;
                known.value = value;
            } else if cursor.text[known.value.clone()] == cursor.text[value] {
                values.tokens.truncate(tokens);
            } else {
                return Err(Stop::Broken(format!(
                    "has the key {:?} twice with different values",
                    known.path
                )));
            }
            if !cursor.goes_on(b'}')? {
                return Ok(());
            }
        }
    }

    #[inline]
    fn value(
        &mut self,
        cursor: &mut Cursor<'_>,
        values: &mut Values,
        node: usize,
        depth: usize,
        again: bool,
    ) -> Result<(), Stop> {
        let start = cursor.at;
        let token = match cursor.peek()? {
            b'{' => return self.object(cursor, values, node, depth),
            b'n' => return cursor.word(b"null"),
            b'"' => {
                let Quoted { start, end, escaped } = cursor.string()?;
                if escaped {
                    let from = values.unescaped.len();
                    unescape(&cursor.text[start..end], &mut values.unescaped)?;
                    (from..values.unescaped.len(), Kind::Unescaped)
                } else {
                    (start..end, Kind::Text)
                }
            }
            _ => {
                cursor.value(depth)?;
                (start..cursor.at, Kind::Verbatim)
            }
        };
        let column = self.column_of(node);
        if self.valued[column] == self.record && !again {
            return Err(Stop::Broken(format!(
                "has the field {:?} in two ways",
                self.names[column]
            )));
        }
        self.valued[column] = self.record;
        values.tokens.push(Token {
            column,
            range: token.0,
            kind: token.1,
        });
        Ok(())
    }

    /// Where among the children of `node` the key is; `guess` is tried first.
    #[inline]
    fn position(&mut self, node: usize, guess: usize, text: &[u8], key: Quoted) -> Result<usize, Stop> {
        let raw = &text[key.start..key.end];
        let known = &self.nodes[node];
        match known.children.get(guess) {
            Some((same, _)) if **same == *raw => Ok(guess),
            _ => match known.positions.get(raw) {
                Some(position) => Ok(*position),
                None => self.add_child(node, raw, key.escaped),
            },
        }
    }

    #[cold]
    fn add_child(&mut self, node: usize, raw: &[u8], escaped: bool) -> Result<usize, Stop> {
        let (nodes, earlier) = (self.nodes.len() - self.first, self.before.0 - self.first);
        self.is_crowded = earlier > 0 && nodes >= self.kept;
        if self.is_crowded || nodes >= self.most {
            return Err(Stop::Broken(format!(
                "has a field beyond the {} that one record may have",
                self.most
            )));
        }
        let mut key = Vec::new();
        if escaped {
            unescape(raw, &mut key)?;
        } else {
            key.extend_from_slice(raw);
        }
        let key = String::from_utf8(key).map_err(|_| Stop::Broken("is not valid UTF-8".to_owned()))?;
        let path = match node {
            0 => key,
            _ => format!("{}.{key}", self.nodes[node].path),
        };
        Ok(self.child(node, raw, path))
    }

    /// Where among the children of a node the key is, which is added where it is not there.
    fn child(&mut self, node: usize, raw: &[u8], path: String) -> usize {
        if let Some(position) = self.nodes[node].positions.get(raw) {
            return *position;
        }
        let (position, child) = (self.nodes[node].children.len(), self.nodes.len());
        self.nodes.push(Node {
            path,
            ..Node::default()
        });
        let parent = &mut self.nodes[node];
        parent.children.push((raw.into(), child));
        parent.positions.insert(raw.into(), position);
        position
    }

    #[inline]
    fn column_of(&mut self, node: usize) -> usize {
        match self.nodes[node].column {
            Some(column) => column,
            None => self.add_column(node),
        }
    }

    #[cold]
    fn add_column(&mut self, node: usize) -> usize {
        let path = self.nodes[node].path.clone();
        let column = *self.columns.entry(path.clone()).or_insert(self.names.len());
        if column == self.names.len() {
            self.names.push(path);
            self.valued.push(0);
        }
        self.nodes[node].column = Some(column);
        column
    }
}
