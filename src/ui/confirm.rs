//! Questions, before anything that cannot be undone.

use std::io::{self, BufRead, Write};

use crate::printer::Printer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// There is nobody to ask.
    Nobody,
}

/// Asks a question that only the full word `yes` answers with yes.
pub fn confirm(printer: &Printer, question: &str) -> Answer {
    if !printer.can_ask {
        return Answer::Nobody;
    }
    let _ = write!(io::stderr().lock(), "{question} Type `yes` to go on: ");
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(_) if line.trim() == "yes" => Answer::Yes,
        _ => Answer::No,
    }
}
