//! YAML: text to a tree of nodes, each with its place in the text.
//!
//! Built on the parser's events and not on its ready-made tree, because every
//! duplicate key is to be reported, and because a plain `1.10` must stay the
//! text it was. Must never judge what a key means.
//! Next: `fields.rs` (reads the tree), `merge.rs` (lays a phase over it).

use std::collections::BTreeMap;

use miette::SourceSpan;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::cause::Cause;
use crate::mask;
use crate::mistakes::Mistake;
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
            tree.mistakes.push(*mistake);
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

    fn place(&self, span: Span) -> SourceSpan {
        let start = self.offset(span.start);
        self.first_line(start, self.offset(span.end).max(start))
    }

    fn first_line(&self, start: usize, end: usize) -> SourceSpan {
        let line = self.text[start..end].lines().next().unwrap_or("");
        (start, line.trim_end().len()).into()
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Mistake>> {
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
                let (at, end) = (self.place(span), self.offset(span.end));
                self.put(Node { at, end, value }, anchor, span, 1)
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

    fn start(&mut self, value: Value, anchor: usize, span: Span) -> Result<(), Box<Mistake>> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.refused(
                span,
                "a part this deep",
                "no key lies this deep: look for a bracket too many",
            ));
        }
        let start = self.offset(span.start);
        let node = Node {
            at: (start, 0).into(),
            end: start,
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

    fn end(&mut self, span: Span) -> Result<(), Box<Mistake>> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        let start = open.node.at.offset();
        open.node.end = self.offset(span.end).max(start);
        open.node.at = self.first_line(start, open.node.end);
        self.put(open.node, open.anchor, span, 1)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Box<Mistake>> {
        match self.anchors.get(&anchor).cloned() {
            Some(node) => {
                let count = node.size();
                self.put(node, 0, span, count)
            }
            None => Err(self.refused(
                span,
                "an alias inside of what it stands for",
                "write it out",
            )),
        }
    }

    /// Puts a finished node, of which `count` nodes are new, where it belongs.
    fn put(
        &mut self,
        node: Node,
        anchor: usize,
        span: Span,
        count: usize,
    ) -> Result<(), Box<Mistake>> {
        self.nodes += count;
        if self.nodes > MAX_NODES {
            return Err(self.refused(
                span,
                "this much",
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
            (Value::Map(entries), Some((key, key_at))) => {
                if let Some(first) = parent.seen.insert(key.clone(), key_at) {
                    let cause = Cause::DuplicateKey { key: key.clone() };
                    let mistake = Mistake::new(cause, key_at, "again here");
                    self.mistakes.push(mistake.also(first, "first here"));
                }
                entries.push(Entry { key, key_at, node });
            }
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

    fn refuse_tag(&self, tag: Option<&Tag>, span: Span) -> Result<(), Box<Mistake>> {
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

    fn refused(&self, span: Span, what: &str, hint: &str) -> Box<Mistake> {
        let cause = Cause::NotHere {
            what: what.to_owned(),
            hint: hint.to_owned(),
        };
        Box::new(Mistake::new(cause, self.place(span), "here"))
    }

    /// The parser's error; the hint is made of what may be shown.
    fn syntax(&self, error: &ScanError) -> Box<Mistake> {
        let at = self.offset(*error.marker());
        let hint = syntax::hint(&mask::by_lines(self.text), at);
        let cause = Cause::Syntax {
            detail: error.info().to_owned(),
            hint,
        };
        Box::new(Mistake::new(cause, syntax::place(self.text, at), "here"))
    }
}
