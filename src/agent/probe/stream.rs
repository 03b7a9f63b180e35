//! A blocking connection, plain or TLS, with one deadline for all of it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{ProbeError, TlsFiles};
use crate::address::Address;

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
pub fn connect(address: &Address, deadline: Instant) -> Result<Socket, ProbeError> {
    let kind = match address {
        Address::Unix(path) => UnixStream::connect(path).map(Kind::Unix),
        Address::Tcp { host, port } => connect_tcp(host, *port, deadline).map(Kind::Tcp),
    };
    let kind = kind.map_err(ProbeError::io(format!("connect to {address}")))?;
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
    if left.is_zero() { Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")) } else { Ok(left) }
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
            io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
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

/// TLS over that socket; the handshake happens with the first byte.
pub fn with_tls(socket: Socket, host: &str, files: &TlsFiles) -> Result<impl Stream + use<>, ProbeError> {
    let name = files.server_name.as_deref().unwrap_or(host);
    let server =
        ServerName::try_from(name.to_owned()).map_err(|_| ProbeError::BadName { name: name.to_owned() })?;
    let connection = ClientConnection::new(Arc::new(client_config(files)?), server)?;
    Ok(StreamOwned::new(connection, socket))
}

/// Trusts only the stack's CA, whatever the image trusts.
pub fn client_config(files: &TlsFiles) -> Result<ClientConfig, ProbeError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(files.ca.as_deref().ok_or(ProbeError::NoAuthority)?)? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?.with_root_certificates(roots);
    match (&files.cert, &files.key) {
        (Some(certificate), Some(key)) => {
            let parsed = PrivateKeyDer::from_pem_file(key).map_err(|_| ProbeError::BadPem { path: key.clone() })?;
            Ok(builder.with_client_auth_cert(read_chain(certificate)?, parsed)?)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, ProbeError> {
    let text = std::fs::read(path).map_err(|source| ProbeError::File { path: path.to_owned(), source })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| ProbeError::BadPem { path: path.to_owned() })
}
