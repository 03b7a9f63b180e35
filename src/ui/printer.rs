//! Where words go: data to stdout, words for people to stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// The form of what goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// How this run may speak.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    pub format: Format,
    /// Colour and live lines on stderr: a terminal, no NO_COLOR, no CI.
    pub is_live: bool,
    pub is_coloured: bool,
    /// Somebody can answer a question.
    pub can_ask: bool,
}

impl Printer {
    /// Looks at stderr, stdin, NO_COLOR, TERM and CI.
    pub fn new(format: Format) -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = io::stderr().is_terminal() && !is_dumb;
        Self {
            format,
            is_live: is_terminal && !is_set("CI"),
            is_coloured: is_terminal && !is_set("NO_COLOR"),
            can_ask: is_terminal && io::stdin().is_terminal(),
        }
    }

    /// Data, as it is, to stdout.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn data(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Data as indented JSON to stdout.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn json(&self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.data(&(text + "\n"))
    }

    /// A line for people, to stderr. Nobody reading it is not a failure.
    pub fn say(&self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// `text` in bold where colour is wanted.
    pub fn bold(&self, text: &str) -> String {
        self.styled(text, "1")
    }

    /// `text` in a style of ANSI numbers, where colour is wanted.
    pub fn styled(&self, text: &str, style: &str) -> String {
        match self.is_coloured {
            true => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
