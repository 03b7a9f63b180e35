//! Fields: reads a mapping key by key and collects every mistake on the way.
//!
//! `Reader` knows where it is and gathers mistakes; `Fields` hands out the keys
//! of one mapping and reports those nobody asked for; `Decode` is what a type
//! implements to be read. A value that is wrong becomes `None`, and reading
//! goes on. Must never know what any key means: that is `decode.rs`.
//! Next: `decode.rs`.

use std::collections::BTreeMap;

use miette::SourceSpan;

use crate::cause::Cause;
use crate::facts::Facts;
use crate::mistakes::Mistake;
use crate::node::{Entry, Kind, Node, Value};
use crate::suggest;
use crate::units::{Name, Text};

/// A type that can be read from a node.
pub(crate) trait Decode: Sized {
    /// The value, or none when a mistake was reported instead.
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Spanned<T> {
    pub value: T,
    pub at: SourceSpan,
}

/// The way through the file, with the mistakes met so far.
pub(crate) struct Reader<'f> {
    pub facts: &'f dyn Facts,
    pub mistakes: Vec<Mistake>,
    /// The app's name, once it is read: defaults depend on it.
    pub name: Option<Name>,
    /// Ports published so far: the key, the port, and where it is said.
    pub ports: Vec<(&'static str, u16, Option<SourceSpan>)>,
    path: Vec<(String, SourceSpan)>,
}

impl<'f> Reader<'f> {
    pub fn new(facts: &'f dyn Facts) -> Self {
        Self {
            facts,
            mistakes: Vec::new(),
            name: None,
            ports: Vec::new(),
            path: Vec::new(),
        }
    }

    pub fn report(&mut self, cause: Cause, at: SourceSpan, label: &str) {
        self.mistakes.push(Mistake::new(cause, at, label));
    }

    /// Where the reader is, as a person says it: `app.env`.
    pub fn place(&self) -> String {
        if self.path.is_empty() {
            return "the file".to_owned();
        }
        let keys: Vec<&str> = self.path.iter().map(|(key, _)| key.as_str()).collect();
        format!("`{}`", keys.join("."))
    }

    /// The place of a key of the mapping that is being read.
    pub fn place_of(&self, key: &str) -> String {
        let keys = self.path.iter().map(|(key, _)| key.as_str());
        format!("`{}`", keys.chain([key]).collect::<Vec<_>>().join("."))
    }

    /// The last key on the way here.
    pub fn key(&self) -> &str {
        self.path.last().map_or("", |(key, _)| key)
    }

    /// The key that leads here, or `otherwise` at the top of the file.
    fn key_at(&self, otherwise: SourceSpan) -> SourceSpan {
        self.path.last().map_or(otherwise, |(_, at)| *at)
    }

    /// Reads `node` one step further down.
    fn below<T>(&mut self, key: &str, key_at: SourceSpan, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push((key.to_owned(), key_at));
        let value = read(self);
        self.path.pop();
        value
    }

    /// Reports that a node is not what it must be.
    pub fn wrong_type(&mut self, node: &Node, expected: &str, hint: Option<String>) {
        let found = node.kind();
        let at = if matches!(found, Kind::Map | Kind::Nothing) || node.at.is_empty() {
            self.key_at(node.at)
        } else {
            node.at
        };
        let hint = hint.unwrap_or_else(|| way_out(found, expected));
        let cause = Cause::WrongType {
            place: self.place(),
            expected: expected.to_owned(),
            found: found.words(),
            hint,
        };
        self.report(cause, at, &format!("must be {expected}"));
    }

    /// Reports the fault of a value, or hands it on.
    pub fn check<T>(&mut self, result: Result<T, Cause>, at: SourceSpan) -> Option<T> {
        result.map_err(|cause| self.report(cause, at, "this")).ok()
    }
}

/// What to do about a value of that kind where nothing better is known.
pub(crate) fn way_out(found: Kind, expected: &str) -> String {
    let way = match found {
        Kind::Nothing => "leave the key out to get the default",
        _ if expected.starts_with("a mapping") => {
            "write its keys below it, one `key: value` a line, each two blanks further in"
        }
        Kind::List => "write one value, without `-` and `[`",
        Kind::Map => "write one value on the line of the key, with no keys below it",
        _ => return format!("write {expected} in its place"),
    };
    way.to_owned()
}

/// The keys of one mapping.
pub(crate) struct Fields<'n, 'r, 'f> {
    pub reader: &'r mut Reader<'f>,
    entries: &'n [Entry],
    at: SourceSpan,
    asked: Vec<&'static str>,
}

impl<'n, 'r, 'f> Fields<'n, 'r, 'f> {
    /// The keys of `node`; an empty node has none.
    pub fn open(node: &'n Node, reader: &'r mut Reader<'f>) -> Option<Self> {
        let entries: &[Entry] = match (&node.value, node.kind()) {
            (Value::Map(entries), _) => entries,
            (_, Kind::Nothing) => &[],
            (_, kind) => {
                let hint = "a mapping has one `key: value` a line, without `-` and `[`";
                let hint = (kind == Kind::List).then(|| hint.to_owned());
                reader.wrong_type(node, "a mapping of keys", hint);
                return None;
            }
        };
        let at = reader.key_at(entries.first().map_or(node.at, |entry| entry.key_at));
        Some(Self {
            reader,
            entries,
            at,
            asked: Vec::new(),
        })
    }

    /// Where the mapping is named.
    pub fn at(&self) -> SourceSpan {
        self.at
    }

    fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.asked.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether the key is there, right or wrong.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.entry(key).is_some()
    }

    /// The key itself, to point at.
    pub fn key(&mut self, key: &'static str) -> Option<SourceSpan> {
        self.entry(key).map(|entry| entry.key_at)
    }

    /// What stands in the mapping below a key, right or wrong.
    pub fn entries_below(&mut self, key: &'static str) -> &'n [Entry] {
        self.entry(key).map_or(&[], |entry| entry.node.entries())
    }

    /// The value of a key that may be absent.
    pub fn optional<T: Decode>(&mut self, key: &'static str) -> Option<T> {
        let entry = self.entry(key)?;
        self.reader
            .below(key, entry.key_at, |reader| T::decode(&entry.node, reader))
    }

    /// The value of a key, or its default.
    pub fn or<T: Decode>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// A value with its place, or its default with none.
    pub fn spanned<T: Decode>(&mut self, key: &'static str, default: T) -> (T, Option<SourceSpan>) {
        match self.optional::<Spanned<T>>(key) {
            Some(spanned) => (spanned.value, Some(spanned.at)),
            None => (default, None),
        }
    }

    /// The value of a key that must be there.
    pub fn required<T: Decode>(&mut self, key: &'static str, expected: &str) -> Option<T> {
        if !self.has(key) {
            let cause = Cause::MissingKey {
                key: key.to_owned(),
                place: self.reader.place(),
                expected: expected.to_owned(),
            };
            self.reader.report(cause, self.at, "in here");
            return None;
        }
        self.optional(key)
    }

    /// A section: absent, it is read as an empty one.
    pub fn section<T: Decode>(&mut self, key: &'static str) -> Option<T> {
        match self.entry(key) {
            Some(_) => self.optional(key),
            None => {
                let at = self.at;
                self.reader
                    .below(key, at, |reader| T::decode(&Node::empty(at), reader))
            }
        }
    }

    /// Reports the keys that nobody asked for.
    pub fn close(self) {
        let mut known = self.asked;
        known.sort_unstable();
        known.dedup();
        for entry in self
            .entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()))
        {
            let cause = Cause::UnknownKey {
                key: entry.key.clone(),
                place: self.reader.place(),
                hint: suggest::one_of(&entry.key, &known),
            };
            self.reader.report(cause, entry.key_at, "not a key here");
        }
    }
}

impl<T: Decode> Decode for Spanned<T> {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::decode(node, reader).map(|value| Self { value, at: node.at })
    }
}

/// Texts with a rule of their own.
impl<T: Text> Decode for T {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match (&node.value, node.kind()) {
            (Value::Scalar { text, .. }, Kind::Text) => reader.check(T::parse(text), node.at),
            (Value::Scalar { text, .. }, Kind::Number) if T::NUMBERS => {
                reader.check(T::parse(text), node.at)
            }
            (Value::Scalar { text, .. }, Kind::Number | Kind::Bool) => {
                let hint = format!("put it in quotes to make it text: `\"{text}\"`");
                reader.wrong_type(node, T::EXPECTED, Some(hint));
                None
            }
            _ => {
                reader.wrong_type(node, T::EXPECTED, None);
                None
            }
        }
    }
}

/// A mapping from names to values, each name with its own rule.
impl<K: Text + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = Fields::open(node, reader)?;
        let mut map = Self::new();
        for Entry { key, key_at, node } in fields.entries {
            let name = fields.reader.check(K::parse(key), *key_at);
            let value = fields
                .reader
                .below(key, *key_at, |reader| V::decode(node, reader));
            map.extend(name.zip(value));
        }
        Some(map)
    }
}
