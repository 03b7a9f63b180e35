//! Bytes on their way: how many so far, on a terminal.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::printer::Printer;

/// The display of one transfer.
pub struct Transfer {
    bar: Option<ProgressBar>,
    bytes: Rc<Cell<u64>>,
}

impl Transfer {
    /// `of` is the number of bytes in all, where that is known.
    pub fn new(printer: Printer, what: &'static str, of: Option<u64>) -> Self {
        let bar = printer.is_live.then(|| {
            let (bar, form) = match of {
                Some(of) => (
                    ProgressBar::new(of),
                    "  {spinner} {msg} {bytes} of {total_bytes} {elapsed}",
                ),
                None => (
                    ProgressBar::new_spinner(),
                    "  {spinner} {msg} {bytes} {elapsed}",
                ),
            };
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style);
            }
            bar.set_message(what);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            bar,
            bytes: Rc::default(),
        }
    }

    /// Counts what goes through `inner`.
    pub fn counting<T>(&self, inner: T) -> Counting<T> {
        Counting {
            inner,
            bar: self.bar.clone(),
            bytes: Rc::clone(&self.bytes),
        }
    }

    /// How many bytes went through.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Takes the live line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A reader or writer whose bytes are counted.
pub struct Counting<T> {
    inner: T,
    bar: Option<ProgressBar>,
    bytes: Rc<Cell<u64>>,
}

impl<T> Counting<T> {
    fn count(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
        if let Some(bar) = &self.bar {
            bar.set_position(self.bytes.get());
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counting<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.count(count);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counting<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.count(buffer.filled().len() - before);
        read
    }
}
