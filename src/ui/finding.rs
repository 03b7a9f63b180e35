//! Findings of `doctor`: a mark, what it is about, what is, what to do.

use std::io::IsTerminal;

use crate::printer::Printer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Ok,
    Note,
    Wrong,
}

/// One finding in one line, and one more with what to do.
pub fn finding_text(
    printer: &Printer,
    mark: Mark,
    about: &str,
    says: &str,
    fix: Option<&str>,
) -> String {
    let (word, style) = match mark {
        Mark::Ok => ("ok", "32"),
        Mark::Note => ("note", "33"),
        Mark::Wrong => ("wrong", "1;31"),
    };
    // These are data, and go to stdout.
    let printer = Printer {
        is_coloured: printer.is_coloured && std::io::stdout().is_terminal(),
        ..*printer
    };
    let word = printer.styled(&format!("{word:5}"), style);
    let mut text = format!("{word}  {about:10}  {says}\n");
    if let Some(fix) = fix {
        text += &format!("{:19}{} {fix}\n", "", printer.styled("fix:", "1;36"));
    }
    text
}
