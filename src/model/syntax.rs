//! Syntax: what a person probably did when the text is not YAML.
//!
//! A hint is read off the text around the place, never off the words of the
//! parser, which may change. Must never decide that something is wrong.
//! Next: `yaml.rs` (who asks).

use miette::SourceSpan;

/// The place of a syntax error: the rest of its word, or the last character of
/// the text when that ends too soon.
pub(crate) fn place(text: &str, at: usize) -> SourceSpan {
    let rest = &text[at..];
    let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
    if word > 0 {
        return (at, word).into();
    }
    match rest.chars().next() {
        Some('\n' | '\r') | None => {
            let line = text[..at].trim_end();
            let last = line.chars().next_back().map_or(0, char::len_utf8);
            (line.len() - last, last).into()
        }
        Some(space) => (at, space.len_utf8()).into(),
    }
}

/// What to try. Secrets are masked in `text`.
pub(crate) fn hint(text: &str, at: usize) -> String {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or("");
    let before = text[..start].trim_end().lines().next_back().unwrap_or("");
    let of_line = || [line, before].into_iter().find_map(hint_of_line);
    let hint = hint_of_indentation(line)
        .or_else(|| hint_of_quotes(text, at))
        .or_else(of_line);
    hint.unwrap_or_else(|| {
        "look at the indentation of this line and of the one above: keys of one mapping start in \
         the same column"
            .to_owned()
    })
}

fn hint_of_indentation(line: &str) -> Option<String> {
    let indentation = &line[..line.len() - line.trim_start().len()];
    let tab = indentation.contains('\t');
    tab.then(|| "YAML is indented with spaces, not with tabs".to_owned())
}

/// Something is open at this place.
fn hint_of_quotes(text: &str, at: usize) -> Option<String> {
    let count = |c: char| text[..at].matches(c).count();
    if text[at..].starts_with(['"', '\'']) {
        return Some("the quote that opens here is not closed as it must be".to_owned());
    }
    let open = [('[', ']'), ('{', '}')]
        .into_iter()
        .find(|(open, close)| count(*open) > count(*close));
    open.map(|(open, close)| format!("a `{open}` before this place is not closed by a `{close}`"))
}

fn hint_of_line(line: &str) -> Option<String> {
    let content = line.trim();
    if content.starts_with('#') {
        return None;
    }
    if content.contains("**") {
        let hint = "a secret's value never stands in scale.yaml: say where it is with \
                    `{env: VARIABLE}` or `{file: PATH}`";
        return Some(hint.to_owned());
    }
    if !content.contains(':') && !content.starts_with('-') && content.contains('=') {
        return Some("a key and its value are written `key: value`".to_owned());
    }
    let (key, value) = content.split_once(": ").unwrap_or(("", content));
    let value = value.trim_start_matches("- ").trim();
    if !key.is_empty() && value.contains(": ") && !value.starts_with(['"', '\'', '{', '[']) {
        return Some(format!(
            "a value with `: ` in it needs quotes: `{key}: \"{value}\"`"
        ));
    }
    if let Some(special) = value.chars().next().filter(|c| "@`%*&!|>}],".contains(*c)) {
        return Some(format!("a text that starts with `{special}` needs quotes"));
    }
    let (name, rest) = content.split_once(':')?;
    if is_word(name) && !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return Some(format!("put a space behind the colon: `{name}: {rest}`"));
    }
    None
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}
