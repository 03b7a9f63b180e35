//! Mask: keeps secrets that were written into the file out of messages.
//!
//! A message shows the lines around a mistake, and a person who writes a
//! password into `secrets` has made one. Every byte of such a value becomes a
//! `*`, so that places stay where they are. Must never shorten the text.
//! Next: `lib.rs` (masks before it makes `Mistakes`).

use crate::node::{Entry, Node, Value};

/// The text without what stands in `secrets` beside `env` and `file`.
pub(crate) fn by_tree(text: &str, root: &Node) -> String {
    let mut masked = text.as_bytes().to_vec();
    hide_below_secrets(root, &mut masked);
    String::from_utf8(masked).unwrap_or_default()
}

fn hide_below_secrets(node: &Node, masked: &mut [u8]) {
    for Entry { key, node, .. } in node.entries() {
        if key == "secrets" {
            // The top-level key of this name takes one of two words.
            if let Value::Map(_) | Value::List(_) = node.value {
                hide(node, masked);
            }
        } else {
            hide_below_secrets(node, masked);
        }
    }
}

/// Hides every scalar but the values of `env` and `file`.
fn hide(node: &Node, masked: &mut [u8]) {
    match &node.value {
        Value::Scalar { .. } => stars(masked.get_mut(node.at.offset()..node.end)),
        Value::List(items) => items.iter().for_each(|item| hide(item, masked)),
        Value::Map(entries) => {
            for Entry { key, node, .. } in entries {
                let says_where = matches!(key.as_str(), "env" | "file");
                if !(says_where && matches!(node.value, Value::Scalar { .. })) {
                    hide(node, masked);
                }
            }
        }
    }
}

fn stars(bytes: Option<&mut [u8]>) {
    for byte in bytes
        .into_iter()
        .flatten()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
    {
        *byte = b'*';
    }
}

/// The same for a text that is not YAML: all that follows a colon, in the line
/// of a key `secrets` and in those that are indented deeper.
pub(crate) fn by_lines(text: &str) -> String {
    let mut masked = text.as_bytes().to_vec();
    let mut inside = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let indentation = line.len() - line.trim_start().len();
        let is_item = line.trim_start().starts_with('-');
        let is_out = |outer| indentation < outer || (indentation == outer && !is_item);
        if !line.trim().is_empty() && inside.is_some_and(is_out) {
            inside = None;
        }
        let colon = match (inside, line.find("secrets:")) {
            (Some(_), _) => line.find(':'),
            (None, Some(at)) => {
                inside = Some(indentation);
                Some(at + "secrets".len())
            }
            (None, None) => None,
        };
        let from = match (colon, inside) {
            (Some(colon), _) => colon + 1,
            (None, Some(_)) => indentation,
            (None, None) => line.len(),
        };
        if !matches!(line[from..].trim(), "environment" | "files") {
            stars(masked.get_mut(start + from..start + line.len()));
        }
        start += line.len();
    }
    String::from_utf8(masked).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::by_lines;

    #[test]
    fn lines_below_secrets_are_hidden_and_no_others() {
        let text = "secrets: files\napp:\n  port: 1\n  secrets:\n    A: @b\n\n    B:\n      c d\u{e9}\n  env: {X: y}\n  secrets: {A: b}\n  secrets:\n  - a: b\n  - c\n";
        let masked = by_lines(text);
        assert_eq!(masked.len(), text.len(), "places stay where they are");
        let words = masked.replace(['*', ' '], "");
        assert_eq!(
            words,
            "secrets:files\napp:\nport:1\nsecrets:\nA:\n\nB:\n\nenv:{X:y}\nsecrets:\nsecrets:\n-a:\n\n"
        );
    }
}
