//! The template helpers: the only ways for a value to get into a template.
//!
//! `yaml` quotes any value so that it is one YAML scalar or one flow
//! collection, whatever it holds; `literal` does so in a settings file, where
//! `${` is a placeholder of bootstrap's. `block` writes a whole file as a block
//! scalar. `$` is doubled once for the finished document (`assemble.rs`),
//! because Compose reads `$` as the start of a variable.

use std::fmt::Write as _;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};
use serde_json::Value;

/// Adds every helper to `registry`.
pub(crate) fn register(registry: &mut Handlebars<'_>) {
    registry.register_helper("yaml", Box::new(yaml));
    registry.register_helper("literal", Box::new(literal));
    registry.register_helper("block", Box::new(block));
    registry.register_helper("percent", Box::new(percent));
    registry.register_helper("image", Box::new(image));
    registry.register_helper("concat", Box::new(Concat));
}

fn first<'a>(helper: &'a Helper<'_>) -> Result<&'a Value, RenderErrorReason> {
    let name = helper.name().to_owned();
    let parameter = helper
        .param(0)
        .ok_or(RenderErrorReason::ParamNotFoundForIndex("helper", 0))?;
    match parameter.is_value_missing() {
        true => Err(RenderErrorReason::MissingVariable(Some(name))),
        false => Ok(parameter.value()),
    }
}

fn yaml(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    out.write(&quoted(first(helper)?))?;
    Ok(())
}

/// As `yaml`, for files in which bootstrap looks for placeholders: it finds none.
fn literal(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    out.write(&quoted(first(helper)?).replace("${", "$${"))?;
    Ok(())
}

fn block(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let text = first(helper)?.as_str().unwrap_or_default();
    out.write(&block_scalar(text, 6))?;
    Ok(())
}

/// The keys `image` and, for one that only a build can make, `pull_policy`.
fn image(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let reference = first(helper)?.as_str().unwrap_or_default();
    let built_from = helper
        .param(1)
        .and_then(|parameter| parameter.value().as_str())
        .unwrap_or_default();
    let is_built = reference.starts_with("scalectl/") || !built_from.is_empty();
    out.write(&format!("image: {}", quoted_text(reference)))?;
    if is_built {
        out.write("\n    pull_policy: never")?;
    }
    Ok(())
}

/// Its parameters, one after the other: for use inside `yaml (...)`.
struct Concat;

impl HelperDef for Concat {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let mut text = String::new();
        for parameter in helper.params() {
            match parameter.value() {
                _ if parameter.is_value_missing() => {
                    return Err(RenderErrorReason::MissingVariable(
                        parameter.relative_path().cloned(),
                    )
                    .into());
                }
                Value::String(part) => text.push_str(part),
                other => text.push_str(&other.to_string()),
            }
        }
        Ok(ScopedJson::Derived(Value::String(text)))
    }
}

/// One part of an address, percent-encoded.
fn percent(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let text = first(helper)?.as_str().unwrap_or_default();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.write(char::from(byte).encode_utf8(&mut [0; 4]))?;
            }
            _ => out.write(&format!("%{byte:02X}"))?,
        }
    }
    Ok(())
}

/// `value` as YAML: numbers, booleans and null as they are, text in double
/// quotes, lists and maps in flow form.
pub(crate) fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => quoted_text(text),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(quoted))),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{}: {}", quoted_text(key), quoted(value))
            };
            format!("{{{}}}", joined(entries.iter().map(entry)))
        }
        other => other.to_string(),
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn quoted_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ if is_unprintable(letter) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// What YAML does not allow in the open, or treats as a line break.
/// Source: YAML 1.2.2, sections 5.1 and 5.4. All of it lies below U+10000.
fn is_unprintable(letter: char) -> bool {
    matches!(letter,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// `text` as a literal block scalar whose lines stand `indent` deep; text that
/// a block scalar cannot hold exactly is quoted instead.
pub(crate) fn block_scalar(text: &str, indent: usize) -> String {
    let is_plain = text
        .chars()
        .all(|letter| letter == '\n' || letter == '\t' || !is_unprintable(letter));
    let starts_well = text
        .chars()
        .next()
        .is_some_and(|letter| !letter.is_whitespace());
    if !is_plain || !starts_well {
        return quoted_text(text);
    }
    let chomp = match (text.ends_with('\n'), text.ends_with("\n\n")) {
        (_, true) => "+",
        (true, false) => "",
        (false, _) => "-",
    };
    let mut out = format!("|{chomp}");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(yaml: &str) -> String {
        serde_saphyr::from_str::<std::collections::BTreeMap<String, String>>(yaml).unwrap()["k"]
            .clone()
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_it_was(text in any::<String>()) {
            prop_assert_eq!(read(&format!("k: {}\n", quoted_text(&text))), text);
        }

        #[test]
        fn any_file_reads_back_as_it_was(text in "[ -~\n\t\u{85}\u{2028}é$#:]*") {
            prop_assert_eq!(read(&format!("k: {}\nz: end\n", block_scalar(&text, 6))), text);
        }
    }
}
