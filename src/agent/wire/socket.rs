//! A blocking connection with one deadline for all that happens on it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{Address, WireError};

pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A socket that gives up at the deadline, whatever the peer sends in between.
pub struct Socket {
    kind: Kind,
    deadline: Instant,
}

enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Connects to the first address that answers.
pub fn connect(address: &Address, deadline: Instant) -> Result<Socket, WireError> {
    let kind = match address {
        Address::Unix(path) => UnixStream::connect(path).map(Kind::Unix),
        Address::Tcp { host, port } => connect_tcp(host, *port, deadline).map(Kind::Tcp),
    };
    let kind = kind.map_err(WireError::io(format!("connect to {address}")))?;
    Ok(Socket { kind, deadline })
}

fn connect_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
    } else {
        Ok(left)
    }
}

impl Socket {
    fn within<T>(&mut self, act: impl FnOnce(&mut dyn Stream) -> io::Result<T>) -> io::Result<T> {
        let left = Some(left(self.deadline)?);
        let done = match &mut self.kind {
            Kind::Tcp(stream) => {
                stream.set_read_timeout(left)?;
                stream.set_write_timeout(left)?;
                act(stream)
            }
            Kind::Unix(stream) => {
                stream.set_read_timeout(left)?;
                stream.set_write_timeout(left)?;
                act(stream)
            }
        };
        done.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
            }
            _ => error,
        })
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.within(|stream| stream.read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.within(|stream| stream.write(buffer))
    }
    fn flush(&mut self) -> io::Result<()> {
        self.within(|stream| stream.flush())
    }
}
