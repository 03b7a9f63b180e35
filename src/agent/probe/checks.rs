//! The checks that are no HTTP: one small exchange each.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use super::stream::{Stream, connect, with_tls};
use super::{ProbeError, TlsFiles};
use crate::address::Address;

pub fn file(path: &Path) -> Result<(), ProbeError> {
    let found = std::fs::metadata(path).map_err(|source| ProbeError::File { path: path.to_owned(), source })?;
    if found.len() > 0 { Ok(()) } else { Err(ProbeError::Empty { path: path.to_owned() }) }
}

/// PING without a login: one that wants a login first is up, one that loads its
/// data or has lost its primary is not ready.
pub fn valkey(address: &Address, tls: &TlsFiles, deadline: Instant) -> Result<(), ProbeError> {
    let socket = connect(address, deadline)?;
    let line = match (tls.ca.is_some(), address) {
        (true, Address::Tcp { host, .. }) => ping(with_tls(socket, host, tls)?),
        _ => ping(socket),
    };
    let line = line.map_err(ProbeError::io(format!("PING {address}")))?;
    if line == "+PONG" || line.starts_with("-NOAUTH") || line.starts_with("-NOPERM") {
        Ok(())
    } else if let Some(refusal) = line.strip_prefix('-') {
        Err(ProbeError::NotReady { address: address.to_string(), answer: refusal.to_owned() })
    } else {
        Err(ProbeError::Nonsense { address: address.to_string(), protocol: "Valkey" })
    }
}

fn ping(mut stream: impl Stream) -> io::Result<String> {
    stream.write_all(b"PING\r\n")?;
    stream.flush()?;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < 200 && stream.read(&mut byte)? == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().chars().filter(|one| !one.is_control()).collect())
}

/// PostgreSQL's SSLRequest: answered in one byte before any login.
/// Source: PostgreSQL's protocol documentation, "SSL Session Encryption".
pub fn postgres(address: &Address, deadline: Instant) -> Result<(), ProbeError> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let mut socket = connect(address, deadline)?;
    let mut answer = [0];
    socket
        .write_all(&SSL_REQUEST)
        .and_then(|()| socket.read_exact(&mut answer))
        .map_err(ProbeError::io(format!("ask {address}")))?;
    match answer {
        [b'S' | b'N'] => Ok(()),
        _ => Err(ProbeError::Nonsense { address: address.to_string(), protocol: "PostgreSQL" }),
    }
}
