//! Nodes: the file as a tree, each part with its place in the text.
//!
//! Scalars keep the text as it was written (`1.10` stays `1.10`); what they are
//! is asked with `kind`, by YAML's core schema. Must never judge what a key
//! means.
//! Next: `yaml.rs` (who makes them), `fields.rs` (who reads them).

use miette::SourceSpan;

/// A node of the file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it stands; a collection's first line only.
    pub at: SourceSpan,
    /// Where it ends, lines further down included.
    pub end: usize,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// `plain` when it stands without quotes, and so may be a number.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: String,
    pub key_at: SourceSpan,
    pub node: Node,
}

/// What a scalar is by YAML's core schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nothing,
    Bool,
    Number,
    Text,
    List,
    Map,
}

impl Kind {
    /// As a person says it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Nothing => "empty",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::List => "a list",
            Self::Map => "a mapping",
        }
    }
}

impl Node {
    /// A mapping without a key, which stands for a section that is not there.
    pub fn empty(at: SourceSpan) -> Self {
        Self {
            at,
            end: at.offset(),
            value: Value::Map(Vec::new()),
        }
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// How many nodes lie in this one, itself included.
    pub fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| 1 + entry.node.size()).sum(),
        }
    }

    pub fn kind(&self) -> Kind {
        match &self.value {
            Value::List(_) => Kind::List,
            Value::Map(_) => Kind::Map,
            Value::Scalar { plain: false, .. } => Kind::Text,
            Value::Scalar { text, .. } => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => Kind::Nothing,
                "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Kind::Bool,
                text if is_number(text) => Kind::Number,
                _ => Kind::Text,
            },
        }
    }
}

/// Whether YAML 1.2 reads a plain scalar as a number.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all_of =
        |digits: &str, radix| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if let Some(hex) = text.strip_prefix("0x") {
        return all_of(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return all_of(octal, 8);
    }
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned.parse::<f64>().is_ok()
}
