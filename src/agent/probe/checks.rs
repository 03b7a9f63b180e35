//! One small exchange a protocol.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use super::{HttpCheck, ProbeError};
use crate::wire::{Address, TlsFiles, WireError, connect, http::request, with_tls};

pub fn http(check: &HttpCheck, deadline: Instant) -> Result<(), ProbeError> {
    let own = check.url.address();
    let socket = connect(check.connect.as_ref().unwrap_or(&own), deadline)?;
    let (host, path) = (own.to_string(), &check.url.path);
    let answer = if check.url.is_tls {
        request(
            with_tls(socket, &check.url.host, &check.tls)?,
            "GET",
            &host,
            path,
        )
    } else {
        request(socket, "GET", &host, path)
    };
    let status = answer
        .map_err(WireError::io(format!("GET {}", check.url)))?
        .status;
    expect(status, check.expect).map_err(|status| ProbeError::Status {
        url: check.url.to_string(),
        status,
    })
}

pub fn unix(path: &Path, get: Option<&str>, deadline: Instant) -> Result<(), ProbeError> {
    let address = Address::Unix(path.to_owned());
    let socket = connect(&address, deadline)?;
    let Some(get) = get else { return Ok(()) };
    let status = request(socket, "GET", "localhost", get)
        .map_err(WireError::io(format!("GET {get} of {address}")))?
        .status;
    expect(status, None).map_err(|status| ProbeError::Status {
        url: format!("{address} {get}"),
        status,
    })
}

fn expect(status: u16, wanted: Option<u16>) -> Result<(), u16> {
    let is_good = wanted.map_or((200..400).contains(&status), |wanted| status == wanted);
    if is_good { Ok(()) } else { Err(status) }
}

pub fn file(path: &Path) -> Result<(), ProbeError> {
    let found = std::fs::metadata(path).map_err(|source| ProbeError::File {
        path: path.to_owned(),
        source,
    })?;
    if found.len() > 0 {
        Ok(())
    } else {
        Err(ProbeError::Empty {
            path: path.to_owned(),
        })
    }
}

/// PING without a login: one that wants a login first is up, one that loads its
/// data or has lost its primary is not ready.
pub fn valkey(address: &Address, tls: &TlsFiles, deadline: Instant) -> Result<(), ProbeError> {
    let socket = connect(address, deadline)?;
    let line = match (tls.ca.is_some(), address) {
        (true, Address::Tcp { host, .. }) => ping(with_tls(socket, host, tls)?),
        _ => ping(socket),
    };
    let line = line.map_err(WireError::io(format!("PING {address}")))?;
    if line == "+PONG" || line.starts_with("-NOAUTH") || line.starts_with("-NOPERM") {
        Ok(())
    } else if let Some(refusal) = line.strip_prefix('-') {
        Err(ProbeError::NotReady {
            address: address.clone(),
            answer: refusal.to_owned(),
        })
    } else {
        Err(ProbeError::Nonsense {
            address: address.clone(),
            protocol: "Valkey",
        })
    }
}

fn ping(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"PING\r\n")?;
    stream.flush()?;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < 200 && stream.read(&mut byte)? == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line)
        .trim_end()
        .chars()
        .filter(|one| !one.is_control())
        .collect())
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
        .map_err(WireError::io(format!("ask {address}")))?;
    match answer {
        [b'S' | b'N'] => Ok(()),
        _ => Err(ProbeError::Nonsense {
            address: address.clone(),
            protocol: "PostgreSQL",
        }),
    }
}
