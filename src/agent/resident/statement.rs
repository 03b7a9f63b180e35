//! A statement as it may be shown: without its literals, in one line, cut.
//!
//! A literal may be a password, a name, a card's number; who looks at a migration has no
//! need of it. What stays is keywords, names of tables and columns, and their order. Where it
//! is not sure what is a literal, the rest is left out. Pure.

/// In characters: enough to find a statement in the code of an app.
const SHOWN: usize = 240;
const LITERAL: &str = "?";
const REST: &str = "...";

/// Without strings, numbers and comments; names in double quotes stay.
pub fn masked(statement: &str) -> String {
    let mut out = Out::default();
    let mut rest = statement;
    while let Some(first) = rest.chars().next() {
        if !out.has_room() {
            out.end();
            break;
        }
        rest = match first {
            '\'' => match after_string(rest, out.is_after_escape()) {
                Some(after) => out.literal(after),
                None => {
                    out.literal("");
                    out.end();
                    break;
                }
            },
            // Names may go on with it.
            '$' if out.is_in_name() => out.plain(rest, first),
            '$' => match after_dollars(rest) {
                Dollars::Ends(after) => out.literal(after),
                // A parameter's number is no literal.
                Dollars::Parameter(length) => out.name(rest, length),
                Dollars::Open => {
                    out.literal("");
                    out.end();
                    break;
                }
                Dollars::Unclear => {
                    out.end();
                    break;
                }
            },
            '"' => match rest[1..].find('"') {
                Some(at) => out.name(rest, at + 2),
                None => {
                    out.end();
                    break;
                }
            },
            '-' if rest.starts_with("--") => {
                out.gap(rest.find(['\n', '\r']).map_or("", |at| &rest[at..]))
            }
            '/' if rest.starts_with("/*") => out.gap(after_comment(rest)),
            _ if first.is_ascii_whitespace() || first.is_ascii_control() => out.gap(&rest[1..]),
            _ if first.is_ascii_digit() && !out.is_in_word() => {
                let is_number = |one: char| one.is_alphanumeric() || "._".contains(one);
                let at = rest.find(|one| !is_number(one));
                out.literal(at.map_or("", |at| &rest[at..]))
            }
            _ => out.plain(rest, first),
        };
    }
    out.text.trim().to_owned()
}

#[derive(Default)]
struct Out {
    text: String,
    count: usize,
}

impl Out {
    fn has_room(&self) -> bool {
        self.count < SHOWN
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.count += text.chars().count();
    }

    fn end(&mut self) {
        if !self.text.ends_with(REST) {
            self.push(REST);
        }
    }

    /// A literal goes; with it a letter before that says its kind (`E'..'`).
    fn literal<'a>(&mut self, after: &'a str) -> &'a str {
        self.push(LITERAL);
        after
    }

    fn gap<'a>(&mut self, after: &'a str) -> &'a str {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.push(" ");
        }
        after
    }

    fn name<'a>(&mut self, rest: &'a str, length: usize) -> &'a str {
        let (name, after) = rest.split_at(length);
        let name: String = name.chars().filter(|one| !one.is_control()).collect();
        self.push(&name);
        after
    }

    fn plain<'a>(&mut self, rest: &'a str, one: char) -> &'a str {
        let (first, after) = rest.split_at(one.len_utf8());
        // To PostgreSQL any letter of a name; it must not break the line it is shown in.
        let is_shown = !(one.is_whitespace() || one.is_control());
        self.push(if is_shown { first } else { "\u{fffd}" });
        after
    }

    /// What was written last without a gap: a name or keyword, a parameter, or nothing.
    fn word(&self) -> &str {
        let end = self.text.trim_end_matches(|one| is_word(one) || one == '$');
        &self.text[end.len()..]
    }

    fn is_in_name(&self) -> bool {
        let first = self.word().chars().next();
        first.is_some_and(|one| one != '$' && !one.is_ascii_digit())
    }

    /// The letter before a quote that says that backslashes count in it.
    fn is_after_escape(&self) -> bool {
        self.word().eq_ignore_ascii_case("e")
    }

    fn is_in_word(&self) -> bool {
        !self.word().is_empty()
    }
}

/// PostgreSQL takes every character outside of ASCII for a letter.
/// Source: PostgreSQL, src/backend/parser/scan.l, `ident_cont`.
fn is_word(one: char) -> bool {
    one.is_ascii_alphanumeric() || one == '_' || !one.is_ascii()
}

/// What follows a string; nothing if it has no end, or if that cannot be told: whether a
/// backslash before a quote keeps it open depends on the session's settings.
fn after_string(text: &str, has_escapes: bool) -> Option<&str> {
    let mut is_escaped = false;
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, one)) = chars.next() {
        if is_escaped {
            if one == '\'' && !has_escapes {
                return None;
            }
            is_escaped = false;
            continue;
        }
        match one {
            '\\' => is_escaped = true,
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
            }
            '\'' => return Some(&text[at + 1..]),
            _ => {}
        }
    }
    None
}

enum Dollars<'a> {
    Ends(&'a str),
    Open,
    /// So many bytes are `$1`.
    Parameter(usize),
    Unclear,
}

/// A string between two marks like `$body$`, or a parameter's number.
fn after_dollars(text: &str) -> Dollars<'_> {
    let after = text[1..].trim_start_matches(|one: char| one.is_ascii_digit());
    let digits = text.len() - after.len();
    if digits > 1 {
        return match after.starts_with(is_word) {
            true => Dollars::Unclear,
            false => Dollars::Parameter(digits),
        };
    }
    let after = text[1..].trim_start_matches(is_word);
    if !after.starts_with('$') {
        // Cut by the server in the middle of a mark, or no statement at all.
        return Dollars::Unclear;
    }
    let (mark, rest) = text.split_at(text.len() - after.len() + 1);
    match rest.find(mark) {
        Some(at) => Dollars::Ends(&rest[at + mark.len()..]),
        None => Dollars::Open,
    }
}

/// Comments lie in each other.
fn after_comment(text: &str) -> &str {
    let mut depth = 0_u32;
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, after);
        } else if let Some(after) = rest.strip_prefix("*/") {
            (depth, rest) = (depth.saturating_sub(1), after);
            if depth == 0 {
                break;
            }
        } else {
            let mut chars = rest.chars();
            chars.next();
            rest = chars.as_str();
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_statement_is_shown_without_its_literals() {
        for (statement, shown) in [
            (
                "SELECT total\n  FROM orders\tWHERE name = 'Ann' AND id=42 AND t2.a1 > 3.5e7",
                "SELECT total FROM orders WHERE name = ? AND id=? AND t2.a1 > ?",
            ),
            (
                "ALTER ROLE app PASSWORD 'it''s secret' VALID UNTIL 'x'",
                "ALTER ROLE app PASSWORD ? VALID UNTIL ?",
            ),
            (
                "SELECT $1, $2::int, $a$secret$a$, $$s$$",
                "SELECT $1, $2::int, ?, ?",
            ),
            (
                r#"INSERT INTO "Orders 7" VALUES (E'a\'secret', -1)"#,
                r#"INSERT INTO "Orders 7" VALUES (E?, -?)"#,
            ),
            (
                "SELECT 1 -- secret\n, 2 /* secret /* secret */ secret */ + 3",
                "SELECT ? , ? + ?",
            ),
            ("SELECT '\u{e4}\u{1f512}', \u{e4}", "SELECT ?, \u{e4}"),
            (
                "SELECT a$b$ FROM c$$ WHERE d$e = 'secret' AND e$b$ = $1",
                "SELECT a$b$ FROM c$$ WHERE d$e = ? AND e$b$ = $1",
            ),
            (
                r"SELECT a$e'secret\\', 'secret', $1||$b$secret$b$",
                "SELECT a$e?, ?, $1||?",
            ),
            (
                "SELECT \u{20ac}$x$, 'secret', $x$secret$x$ -- a\r'secret\nsecret'",
                "SELECT \u{20ac}$x$, ?, ? ?",
            ),
            ("", ""),
        ] {
            assert_eq!(masked(statement), shown, "{statement}");
        }
    }

    #[test]
    fn where_it_is_not_sure_what_is_a_literal_the_rest_is_left_out() {
        // Cut by the server in the middle, or with escapes by a session's settings.
        for (statement, shown) in [
            ("UPDATE a SET b = 'secr", "UPDATE a SET b = ?..."),
            ("SELECT $x$secr", "SELECT ?..."),
            (r"SELECT 'a\' secret ', b", "SELECT ?..."),
            ("SELECT \"secr", "SELECT ..."),
            ("SELECT $x", "SELECT ..."),
            ("SELECT $1x$ 'secret' $x$ secret $x$", "SELECT ..."),
        ] {
            assert_eq!(masked(statement), shown, "{statement}");
        }
    }

    #[test]
    fn a_long_statement_is_cut() {
        let shown = masked(&format!("SELECT {}", "column_name, ".repeat(1000)));
        assert!(shown.ends_with(REST), "{shown}");
        assert!(shown.chars().count() <= SHOWN + REST.len(), "{shown}");
    }

    /// Capitals stand in literals and comments alone.
    const HIDDEN: &str = r#"[QZqz0-9 '"$\\\\\n\r/*;,.-]{0,9}"#;

    fn name() -> impl Strategy<Value = String> {
        "[a-z_\u{e9}\u{20ac}][a-z0-9_$\u{e9}\u{20ac}]{0,4}"
    }

    fn literal() -> impl Strategy<Value = String> {
        let dollars = ("([a-z_\u{e9}][a-z0-9_]{0,2})?", HIDDEN);
        prop_oneof![
            HIDDEN.prop_map(|it| format!("'{}'", it.replace('\'', "''"))),
            (HIDDEN, "[eE]").prop_map(|(it, kind)| {
                format!("{kind}'{}'", it.replace('\\', r"\\").replace('\'', r"\'"))
            }),
            dollars.prop_map(|(tag, it)| {
                let mark = format!("${tag}$");
                format!("{mark}{}{mark}", it.replace('$', " "))
            }),
            "[0-9]{1,3}(\\.[0-9]{1,2})?",
        ]
    }

    fn other() -> impl Strategy<Value = String> {
        prop_oneof![
            name(),
            "\\$[1-9]",
            "[a-z$' -]{1,5}".prop_map(|it| format!("\"{it}\"")),
            "[QZ'$ ]{0,5}".prop_map(|it| format!("/*{it}*/")),
            ("[QZ'\"$ ]{0,5}", "[\n\r]").prop_map(|(it, end)| format!("--{it}{end}")),
        ]
    }

    fn statement() -> impl Strategy<Value = String> {
        let gap = prop_oneof![
            Just(" "),
            Just(","),
            Just("("),
            Just(" = "),
            Just("\n"),
            Just("||")
        ];
        let piece = prop_oneof![literal(), other()];
        let pieces = proptest::collection::vec((piece, gap), 0..12);
        pieces.prop_map(|all| {
            all.into_iter()
                .flat_map(|(it, gap)| [it, gap.to_owned()])
                .collect()
        })
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_fail_or_grow(text in ".{0,300}") {
            let shown = masked(&text);
            proptest::prop_assert!(shown.chars().count() <= SHOWN * 2 + 300);
            proptest::prop_assert!(!shown.contains(|one: char| one.is_control()));
        }

        /// Whole, and cut anywhere as the server cuts it.
        #[test]
        fn no_literals_text_ever_survives(statement in statement(), at in 0_usize..200) {
            let cut: String = statement.chars().take(at).collect();
            for text in [&statement, &cut] {
                let shown = masked(text);
                proptest::prop_assert!(!shown.contains(['Q', 'Z']), "{text:?} shows {shown:?}");
            }
        }
    }
}
