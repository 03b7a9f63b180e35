//! Just enough HTTP/1.1 to know where a message ends: heads, sized and chunked bodies.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// How long a message's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    None,
    Sized(u64),
    Chunked,
    /// Until the connection ends.
    UntilEnd,
}

/// The first line and the headers of a message, as they came.
pub struct Head {
    pub line: String,
    pub bytes: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(it, _)| it == name)?;
        Some(found.1.as_str())
    }

    fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1);
        status.and_then(|it| it.parse().ok()).unwrap_or(0)
    }

    fn framed(&self) -> Option<Body> {
        if self.header("transfer-encoding").is_some() {
            return Some(Body::Chunked);
        }
        let size = self.header("content-length")?.parse().ok()?;
        Some(Body::Sized(size))
    }

    pub fn body_of_request(&self) -> Body {
        self.framed().unwrap_or(Body::None)
    }

    pub fn body_of_answer(&self, request: &str) -> Body {
        match self.status() {
            204 | 304 => Body::None,
            _ if request.starts_with("HEAD ") => Body::None,
            _ => self.framed().unwrap_or(Body::UntilEnd),
        }
    }

    /// From here on both sides speak something else (attach, exec).
    pub fn is_upgraded(&self) -> bool {
        let raw = self.header("content-type");
        let is_raw = raw.is_some_and(|it| it.contains("docker.raw-stream"));
        self.status() == 101 || (is_raw && self.framed().is_none())
    }
}

/// One side of a connection.
pub struct Peer {
    read: BufReader<UnixStream>,
}

impl Peer {
    pub fn new(stream: UnixStream) -> Self {
        Self {
            read: BufReader::new(stream),
        }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.read.get_mut().write_all(bytes)
    }

    /// The next message's head; none if the other side is done.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        let mut bytes = Vec::new();
        let mut lines = Vec::new();
        loop {
            let begin = bytes.len();
            if self.read.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            let line = String::from_utf8_lossy(&bytes[begin..]).trim().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let split = |line: &String| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Ok(Some(Head {
            headers: lines.iter().skip(1).filter_map(split).collect(),
            line: lines.into_iter().next().unwrap_or_default(),
            bytes,
        }))
    }

    /// The head of an answer that is the last one to its request.
    pub fn answer(&mut self) -> io::Result<Head> {
        loop {
            let head = self.head()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if head.status() != 100 {
                return Ok(head);
            }
        }
    }

    pub fn take(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.read).take(size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a body and gives it to nobody.
    pub fn drain(&mut self, body: Body) -> io::Result<()> {
        self.copy(body, &mut |_| Ok(()))
    }

    pub fn pass(&mut self, body: Body, to: &mut Peer) -> io::Result<()> {
        self.copy(body, &mut |bytes| to.write(bytes))
    }

    fn copy(&mut self, body: Body, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match body {
            Body::None => Ok(()),
            Body::Sized(size) => self.copy_some(size, to),
            Body::UntilEnd => self.copy_some(u64::MAX, to),
            Body::Chunked => loop {
                let mut line = Vec::new();
                self.read.read_until(b'\n', &mut line)?;
                to(&line)?;
                let text = String::from_utf8_lossy(&line);
                let size = text.trim().split(';').next().unwrap_or_default();
                let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
                // With the line's end behind the chunk, or behind the last one.
                self.copy_some(size + 2, to)?;
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    /// At most `left` bytes; passed on as they come, for streams that never end.
    fn copy_some(
        &mut self,
        mut left: u64,
        to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while left > 0 {
            let there = self.read.fill_buf()?;
            if there.is_empty() {
                return Ok(());
            }
            let count = there.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            to(&there[..count])?;
            self.read.consume(count);
            left -= count as u64;
        }
        Ok(())
    }

    /// Passes bytes on in both directions until both have ended.
    pub fn join(&mut self, other: &mut Peer) {
        std::thread::scope(|scope| {
            let streams = (
                self.read.get_ref().try_clone(),
                other.read.get_ref().try_clone(),
            );
            let (Ok(mut to_self), Ok(mut to_other)) = streams else {
                return;
            };
            let read = &mut self.read;
            scope.spawn(move || {
                let _ = io::copy(read, &mut to_other);
                let _ = to_other.shutdown(Shutdown::Write);
            });
            let _ = io::copy(&mut other.read, &mut to_self);
            let _ = to_self.shutdown(Shutdown::Write);
        });
    }
}
