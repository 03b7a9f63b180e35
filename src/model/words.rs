//! Words: splits a command that was written as one text.
//!
//! Quotes and backslashes mean what they mean to a POSIX shell. No shell runs
//! the command, so what only a shell would do is refused with a way to get it,
//! instead of reaching the program as an odd argument.
//! Next: `decode_app.rs` (who asks).

use crate::cause::Cause;

/// The words of a command line.
pub(crate) fn split(text: &str) -> Result<Vec<String>, Cause> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default(), text)?,
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(next) => word.get_or_insert_default().push(next),
                None => {
                    return Err(bad(
                        "it ends with a backslash",
                        "take it away, or write `\\\\`",
                    ));
                }
            },
            '#' if word.is_none() => return Err(needs_shell(c, text)),
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' => {
                return Err(needs_shell(c, text));
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Cause> {
    for c in chars {
        if c == '\'' {
            return Ok(());
        }
        word.push(c);
    }
    Err(unclosed('\''))
}

fn double_quoted(
    chars: &mut std::str::Chars<'_>,
    word: &mut String,
    text: &str,
) -> Result<(), Cause> {
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(next @ ('"' | '\\' | '$' | '`')) => word.push(next),
                Some(next) => word.extend(['\\', next]),
                None => return Err(unclosed('"')),
            },
            '$' | '`' => return Err(needs_shell(c, text)),
            _ => word.push(c),
        }
    }
    Err(unclosed('"'))
}

fn unclosed(quote: char) -> Cause {
    bad(
        &format!("the quote {quote} is not closed"),
        "close it, or write the command as a list",
    )
}

fn needs_shell(c: char, text: &str) -> Cause {
    let hint = if text.contains(['"', '\\']) {
        "no shell runs the command: write `[sh, -c, ...]`, or put the character in quotes"
            .to_owned()
    } else {
        format!(
            "no shell runs the command: write `[sh, -c, \"{text}\"]`, or put the character in quotes"
        )
    };
    bad(&format!("`{c}` means something only to a shell"), &hint)
}

fn bad(detail: &str, hint: &str) -> Cause {
    Cause::BadCommand {
        detail: detail.to_owned(),
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[]),
            ("  python -m  shop ", &["python", "-m", "shop"]),
            ("run 'a b' \"c d\"", &["run", "a b", "c d"]),
            ("a'b'\"c\"d", &["abcd"]),
            (r#"x "" '\' "\"\\\n""#, &["x", "", "\\", r#""\\n"#]),
            (r"a\ b\&c", &["a b&c"]),
            ("a \\\n b", &["a", "b"]),
        ];
        for (text, words) in cases {
            assert_eq!(split(text).unwrap(), words, "of `{text}`");
        }
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused() {
        for text in [
            "a && b",
            "a | b",
            "a > b",
            "echo $HOME",
            "echo \"$HOME\"",
            "ls *.py",
            "a; b",
            "'open",
            "end\\",
            "a #b",
        ] {
            assert!(split(text).is_err(), "`{text}` is not run by a shell");
        }
    }
}
