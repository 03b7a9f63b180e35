//! What went wrong: the error, its causes once, its related errors, then hints.

use std::error::Error;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::printer::Printer;

/// Longer lines of a log are cut, in characters.
const LINE_LIMIT: usize = 240;

/// Prints an error for people. One with a place in a file shows the place.
pub fn print_error(printer: &Printer, error: &dyn Diagnostic) {
    printer.say(&error_text(printer, error));
}

/// Prints the last lines of a container that failed.
pub fn print_tail(printer: &Printer, container: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    printer.say(&format!("last lines of {container}:"));
    for line in lines {
        let shown: String = line.chars().take(LINE_LIMIT).collect();
        let rest = if shown.len() < line.len() { " ..." } else { "" };
        printer.say(&format!("  | {shown}{rest}"));
    }
}

fn error_text(printer: &Printer, error: &dyn Diagnostic) -> String {
    let is_located = error.source_code().is_some() && error.labels().is_some();
    let related: Vec<_> = error.related().into_iter().flatten().collect();
    if is_located || related.iter().any(|it| it.labels().is_some()) {
        return graphical(printer, error);
    }
    let mut lines = vec![format!("{} {error}", printer.styled("error:", "1;31"))];
    lines.extend(causes(error));
    for one in &related {
        lines.push(format!("  {} {one}", printer.styled("-", "31")));
        lines.extend(causes(*one).into_iter().map(|line| format!("  {line}")));
        lines.extend(
            one.help()
                .map(|help| format!("    {} {help}", printer.styled("hint:", "1;36"))),
        );
    }
    lines.extend(
        error
            .help()
            .map(|help| format!("{} {help}", printer.styled("hint:", "1;36"))),
    );
    lines.join("\n")
}

fn causes(error: &dyn Diagnostic) -> Vec<String> {
    let mut lines = Vec::new();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(one) = cause {
        lines.push(format!("  caused by: {one}"));
        cause = one.source();
    }
    lines
}

fn graphical(printer: &Printer, error: &dyn Diagnostic) -> String {
    let theme = match printer.is_coloured {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    let mut text = String::new();
    match handler.render_report(&mut text, error) {
        Ok(()) => text.trim_end().to_owned(),
        Err(_) => format!("error: {error}"),
    }
}
