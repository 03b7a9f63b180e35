//! The resident's log: one line an event, on stderr, without a time.
//!
//! The engine stamps each line already (`logs -t`). Never hand a secret or the
//! content of a file to it. Next: `cli.rs`, where errors become lines.

use std::fmt::{Arguments, Display};
use std::io::Write;

use miette::Diagnostic;

/// Writes what happened; a log that cannot be written is no reason to stop.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    part: &'static str,
}

impl Log {
    pub const fn new(part: &'static str) -> Self {
        Self { part }
    }

    pub fn info(self, text: Arguments<'_>) {
        self.line("", text);
    }

    pub fn warn(self, text: Arguments<'_>) {
        self.line("warning: ", text);
    }

    /// The error, its causes once each, then its hint.
    pub fn error(self, error: &(impl Diagnostic + ?Sized)) {
        self.line("error: ", format_args!("{}", chain(error)));
        if let Some(help) = error.help() {
            self.line("hint: ", format_args!("{help}"));
        }
    }

    fn line(self, level: &str, text: Arguments<'_>) {
        let line = format!("{}: {level}{text}\n", self.part);
        // One write a line: lines of several processes do not mix.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

/// An error with all its causes, in one line.
pub fn chain<E: std::error::Error + ?Sized>(error: &E) -> impl Display {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read the map")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn an_error_is_told_with_each_of_its_causes_once() {
        let error = Outer(std::io::Error::other("no light"));
        assert_eq!(chain(&error).to_string(), "read the map: no light");
    }
}
