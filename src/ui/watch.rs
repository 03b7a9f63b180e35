//! A table that is drawn again in its place when something has changed.

use std::io::{self, IsTerminal, Write};

/// Where the table is drawn: over the last one on a terminal, else below it.
pub struct Screen {
    is_terminal: bool,
    last: String,
}

impl Screen {
    #[expect(clippy::new_without_default, reason = "it looks at stdout")]
    pub fn new() -> Self {
        Self {
            is_terminal: io::stdout().is_terminal(),
            last: String::new(),
        }
    }

    /// Draws `text`, unless it is what stands there already.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn draw(&mut self, text: &str) -> io::Result<()> {
        if self.last == text {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match (self.is_terminal, self.last.is_empty()) {
            // Home, each line cleared to its end, then all below: no flicker.
            (true, _) => {
                let lines = text.replace('\n', "\u{1b}[K\n");
                write!(out, "\u{1b}[H{lines}\u{1b}[J")?;
            }
            (false, true) => out.write_all(text.as_bytes())?,
            (false, false) => write!(out, "\n{text}")?,
        }
        out.flush()?;
        text.clone_into(&mut self.last);
        Ok(())
    }
}
