//! Values: the plain kinds of value, read from a node.
//!
//! Texts, numbers and booleans without a rule of their own, paths of files
//! that must be there, and sizes with a least. Must never know a key.
//! Next: `fields.rs` (who walks the file), `units.rs` (values with rules).

use crate::cause::Cause;
use crate::fields::{Decode, Fields, Reader};
use crate::node::{Kind, Node, Value};
use crate::quantity::Bytes;

impl Decode for bool {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match (&node.value, node.kind()) {
            (Value::Scalar { text, .. }, Kind::Bool) => Some(text.eq_ignore_ascii_case("true")),
            (Value::Scalar { text, .. }, _) => {
                let meant = match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" | "1" => Some("true"),
                    "no" | "off" | "n" | "false" | "0" => Some("false"),
                    _ => None,
                };
                let hint = meant.map(|meant| format!("did you mean `{meant}`, without quotes?"));
                reader.wrong_type(node, "true or false", hint);
                None
            }
            _ => {
                reader.wrong_type(node, "true or false", None);
                None
            }
        }
    }
}

/// A whole number of any size, to be bounded by who asked for it.
pub(crate) struct Whole(pub i128);

impl Decode for Whole {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Value::Scalar { text, plain } = &node.value
            && let Ok(number) = text.parse::<i128>()
        {
            if *plain {
                return Some(Self(number));
            }
            let hint = format!("take the quotes away: `{number}`");
            reader.wrong_type(node, "a whole number", Some(hint));
            return None;
        }
        reader.wrong_type(node, "a whole number", None);
        None
    }
}

/// A text without a rule of its own, such as a path: not empty, no NUL.
pub(crate) struct Plain(pub String);

impl Decode for Plain {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if node.kind() == Kind::Text && !text.is_empty() => {
                passable(text, node, reader).map(Self)
            }
            Value::Scalar { text, .. } if matches!(node.kind(), Kind::Number | Kind::Bool) => {
                let hint = format!("put it in quotes to make it text: `\"{text}\"`");
                reader.wrong_type(node, "text", Some(hint));
                None
            }
            Value::Scalar { plain: false, .. } => {
                reader.wrong_type(node, "text that is not empty", None);
                None
            }
            _ => {
                reader.wrong_type(node, "text", None);
                None
            }
        }
    }
}

/// A text, a number or a boolean, taken as the text that it was written as.
#[derive(Debug, Clone)]
pub(crate) struct AnyScalar(pub String);

impl AnyScalar {
    /// Bytes that one argument or variable may have: Linux's MAX_ARG_STRLEN
    /// (131,072 with its NUL), less room for a variable's name.
    pub const MAX_LENGTH: usize = 130_000;
}

impl Decode for AnyScalar {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if node.kind() != Kind::Nothing => {
                passable(text, node, reader).map(Self)
            }
            _ => {
                let hint = match node.kind() {
                    Kind::Nothing => "write `\"\"` for an empty text, or leave the key out",
                    _ => "write lists and mappings as one text, in quotes",
                };
                reader.wrong_type(node, "text, a number or a boolean", Some(hint.to_owned()));
                None
            }
        }
    }
}

/// A text that a process can be handed: without NUL, and not too long.
fn passable(text: &str, node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    if text.contains('\0') {
        let place = reader.place();
        reader.report(Cause::Nul { place }, node.at, "`\\0` in here");
        return None;
    }
    if text.len() > AnyScalar::MAX_LENGTH {
        let place = reader.place();
        reader.report(Cause::TooLong { place }, node.at, "this");
        return None;
    }
    Some(text.to_owned())
}

/// The path of a file that is there.
pub(crate) struct ExistingFile(pub String);

impl Decode for ExistingFile {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Plain(path) = Plain::decode(node, reader)?;
        if !reader.facts.file_exists(&path) {
            reader.report(Cause::MissingFile { path }, node.at, "no such file");
            return None;
        }
        Some(Self(path))
    }
}

/// A size that must not be below `least`.
pub(crate) fn size_from(
    fields: &mut Fields<'_, '_, '_>,
    key: &'static str,
    default: Bytes,
    least: Bytes,
) -> Bytes {
    let (size, at) = fields.spanned(key, default);
    if let Some(at) = at.filter(|_| size < least) {
        let place = fields.reader.place_of(key);
        let hint = if size.get() < 100_000 {
            format!(
                "did you mean `{}Mi`? a number without a unit is bytes",
                size.get()
            )
        } else {
            format!("write at least `{least}`")
        };
        let cause = Cause::SizeTooSmall {
            size: size.to_string(),
            place,
            least: least.to_string(),
            hint,
        };
        fields.reader.report(cause, at, "too little");
    }
    size
}
