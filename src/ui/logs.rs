//! Lines of many containers, each behind the name of who wrote it.
//!
//! They are data and go to stdout, byte for byte. Colour tells containers
//! apart, where stdout is a terminal. Next: `printer.rs`.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// What stands before a line.
#[derive(Debug, Clone, Copy)]
pub struct LogStyle {
    /// As wide as the longest name.
    pub width: usize,
    pub has_names: bool,
}

/// Writes lines to stdout.
pub struct LogWriter<W: Write = BufWriter<Stdout>> {
    out: W,
    style: LogStyle,
    is_coloured: bool,
    /// In the order in which they first wrote: that gives each its colour.
    names: Vec<String>,
}

/// Readable on a dark and on a light ground, and none of them is red: that is
/// the colour of errors.
const COLOURS: [&str; 10] = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"];

impl LogWriter {
    /// A writer to stdout; coloured if that is a terminal and NO_COLOR is not set.
    pub fn new(style: LogStyle) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let out = io::stdout();
        let is_coloured = out.is_terminal() && !no_colour;
        Self::to(BufWriter::new(out), style, is_coloured)
    }
}

impl<W: Write> LogWriter<W> {
    fn to(out: W, style: LogStyle, is_coloured: bool) -> Self {
        Self {
            out,
            style,
            is_coloured,
            names: Vec::new(),
        }
    }

    /// Writes a line of `name`; `time` stands before it where there is one.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn line(&mut self, name: &str, time: Option<&str>, line: &[u8]) -> io::Result<()> {
        if self.style.has_names {
            let width = self.style.width;
            let prefix = format!("{name:width$} |");
            let colour = self.colour(name);
            match self.is_coloured {
                true => write!(self.out, "\u{1b}[{}m{prefix}\u{1b}[0m ", colour)?,
                false => write!(self.out, "{prefix} ")?,
            }
        }
        if let Some(time) = time {
            write!(self.out, "{time} ")?;
        }
        self.out.write_all(line)?;
        // What a line left switched on must not colour the next one.
        let is_open = self.is_coloured && line.contains(&0x1b);
        self.out
            .write_all(if is_open { b"\x1b[0m\n" } else { b"\n" })
    }

    /// Lets everything so far be seen.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn colour(&mut self, name: &str) -> &'static str {
        let known = self.names.iter().position(|it| it == name);
        let place = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        COLOURS[place % COLOURS.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(has_names: bool, is_coloured: bool, lines: &[(&str, &[u8])]) -> Vec<u8> {
        let style = LogStyle {
            width: 5,
            has_names,
        };
        let mut writer = LogWriter::to(Vec::new(), style, is_coloured);
        for (name, line) in lines {
            writer.line(name, None, line).unwrap();
        }
        writer.out
    }

    #[test]
    fn names_line_up_and_bytes_pass_as_they_are() {
        let found = written(true, false, &[("app-1", b"a\xff\x1b[1m"), ("db", b"")]);
        assert_eq!(found, b"app-1 | a\xff\x1b[1m\ndb    | \n");
        assert_eq!(written(false, false, &[("app-1", b"bare")]), b"bare\n");
    }

    #[test]
    fn each_container_keeps_its_colour_and_no_line_colours_the_next() {
        let found = written(true, true, &[("a", b"1"), ("b", b"\x1b[31m2"), ("a", b"3")]);
        let text = String::from_utf8(found).unwrap();
        assert_eq!(
            text,
            "\u{1b}[36ma     |\u{1b}[0m 1\n\u{1b}[33mb     |\u{1b}[0m \u{1b}[31m2\u{1b}[0m\n\u{1b}[36ma     |\u{1b}[0m 3\n"
        );
    }
}
