//! YAML: text to a tree of nodes, each with its place in the text.
//!
//! Built on the parser's events and not on its ready-made tree, because every
//! duplicate key is to be reported, and because a plain `1.10` must stay the
//! text it was. Must never judge what a key means.
//! Next: `fields.rs` (reads the tree), `merge.rs` (lays a phase over it).

use std::collections::BTreeMap;

use miette::SourceSpan;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::mistakes::{Cause, Mistake};
use crate::node::{Entry, Kind, Node, Value};
use crate::syntax;

/// How deep nodes may lie in each other: the model needs 7. A bound keeps
/// hostile nesting from exhausting the stack.
const MAX_DEPTH: usize = 32;
/// How many nodes aliases may add, against nested ones that multiply.
const MAX_NODES: usize = 20_000;

/// The one document of `text`; none when that is empty or not YAML, which then
/// is among the mistakes.
pub(crate) fn parse(text: &str, mistakes: &mut Vec<Mistake>) -> Option<Node> {
    let mut tree = Tree::new(text);
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => tree.take(event, span),
            Err(error) => Err(tree.syntax(&error)),
        };
        if let Err(mistake) = step {
            tree.mistakes.push(mistake);
            tree.root = None;
            mistakes.append(&mut tree.mistakes);
            return None;
        }
    }
    mistakes.append(&mut tree.mistakes);
    let root = tree.root.filter(|root| root.kind() != Kind::Nothing);
    if root.is_none() && mistakes.is_empty() {
        mistakes.push(Mistake::new(Cause::Empty, (0, 0).into(), "nothing here"));
    }
    root
}

/// A collection that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    /// In a mapping: the key that waits for its value.
    key: Option<(String, SourceSpan)>,
    /// Keys of a mapping so far.
    seen: BTreeMap<String, SourceSpan>,
}

struct Tree<'t> {
    text: &'t str,
    /// Byte offset of each character: the parser counts in characters.
    offsets: Vec<usize>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    mistakes: Vec<Mistake>,
}

impl<'t> Tree<'t> {
    fn new(text: &'t str) -> Self {
        let offsets = text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .collect();
        Self {
            text,
            offsets,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            nodes: 0,
            root: None,
            mistakes: Vec::new(),
        }
    }

    fn offset(&self, marker: Marker) -> usize {
        self.offsets
            .get(marker.index())
            .copied()
            .unwrap_or(self.text.len())
    }

    /// The place of a node, cut off at the end of its first line.
    fn place(&self, span: Span) -> SourceSpan {
        let start = self.offset(span.start);
        let end = self.offset(span.end).max(start);
        let line = self.text[start..end]
            .lines()
            .next()
            .unwrap_or("")
            .trim_end();
        (start, line.len()).into()
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Mistake> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err(self.refused(
                span,
                "a second document",
                "keep one document: remove `---` and what follows",
            )),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                self.refuse_tag(tag.as_deref(), span)?;
                let value = Value::Scalar {
                    text: text.into_owned(),
                    plain,
                };
                let at = self.place(span);
                self.put(Node { at, value }, anchor, span)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                self.start(Value::List(Vec::new()), anchor, span)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                self.start(Value::Map(Vec::new()), anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => Ok(()),
        }
    }

    fn start(&mut self, value: Value, anchor: usize, span: Span) -> Result<(), Mistake> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.refused(span, "too deep", "no part of scale.yaml lies this deep"));
        }
        let node = Node {
            at: (self.offset(span.start), 0).into(),
            value,
        };
        self.open.push(Open {
            node,
            anchor,
            key: None,
            seen: BTreeMap::new(),
        });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), Mistake> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        let start = open.node.at.offset();
        let end = self.offset(span.end).max(start);
        let line = self.text[start..end]
            .lines()
            .next()
            .unwrap_or("")
            .trim_end();
        open.node.at = (start, line.len()).into();
        self.put(open.node, open.anchor, span)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Mistake> {
        match self.anchors.get(&anchor).cloned() {
            Some(node) => self.put(node, 0, span),
            None => Err(self.refused(
                span,
                "an alias inside of what it stands for",
                "write it out",
            )),
        }
    }

    /// Puts a finished node where it belongs.
    fn put(&mut self, node: Node, anchor: usize, span: Span) -> Result<(), Mistake> {
        self.nodes += node.size();
        if self.nodes > MAX_NODES {
            return Err(self.refused(
                span,
                "too much",
                "no scale.yaml is this large; write aliases out",
            ));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.node.value, parent.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some((key, key_at))) => match parent.seen.get(&key) {
                Some(first) => self.mistakes.push(
                    Mistake::new(Cause::DuplicateKey { key }, key_at, "again here")
                        .also(*first, "first here"),
                ),
                None => {
                    parent.seen.insert(key.clone(), key_at);
                    entries.push(Entry { key, key_at, node });
                }
            },
            (Value::Map(_), None) => match node.value {
                Value::Scalar { text, .. } => parent.key = Some((text, node.at)),
                _ => {
                    return Err(self.refused(
                        span,
                        "a key that is not a word",
                        "a key is one word; a value with `{`, `[` or `: ` in it needs quotes",
                    ));
                }
            },
            (Value::Scalar { .. }, _) => {}
        }
        Ok(())
    }

    fn refuse_tag(&self, tag: Option<&Tag>, span: Span) -> Result<(), Mistake> {
        match tag {
            None => Ok(()),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(()),
            Some(tag) => {
                let detail = format!("the tag `{tag}`");
                Err(self.refused(
                    span,
                    &detail,
                    "scale.yaml has no tags; a text that starts with `!` needs quotes",
                ))
            }
        }
    }

    fn refused(&self, span: Span, what: &str, hint: &str) -> Mistake {
        let cause = Cause::Syntax {
            detail: format!("{what} has no meaning here"),
            hint: hint.to_owned(),
        };
        Mistake::new(cause, self.place(span), "here")
    }

    fn syntax(&self, error: &ScanError) -> Mistake {
        let at = self.offset(*error.marker());
        let (detail, hint) = (error.info().to_owned(), syntax::hint(self.text, at));
        Mistake::new(
            Cause::Syntax { detail, hint },
            syntax::place(self.text, at),
            "here",
        )
    }
}
