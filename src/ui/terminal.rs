//! The terminal handed to a command in a container: raw mode, its size, its keys.
//!
//! Raw mode ends however this ends, a panic included. Keys are read by a thread
//! of their own: a read of a terminal cannot be given up, and must not hold the
//! end of the program back.

use std::io::{self, IsTerminal, Read, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc::{Receiver, channel};

const CHUNK: usize = 16 << 10;

/// Whether a command can be given this terminal: keys come from it and output
/// goes to it.
pub fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether stdout is a terminal.
pub fn writes_to_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Raw mode, until it is dropped: every key goes to the command, Ctrl-C as well.
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// # Errors
    /// Stdin is no terminal.
    pub fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Columns and rows of the terminal, if there is one that tells.
pub fn terminal_size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some((size.ws_col, size.ws_row))
}

/// What comes in on stdin, until its end.
pub fn stdin_parts() -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel(4);
    std::thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if sender.blocking_send(chunk[..count].to_vec()).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

/// Writes what a command wrote, as it is, at once.
///
/// # Errors
/// The stream is closed or full.
pub fn pass_on(is_stderr: bool, bytes: &[u8]) -> io::Result<()> {
    match is_stderr {
        true => io::stderr().lock().write_all(bytes),
        false => {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        }
    }
}
