//! One GET, read to its end so that no server logs a broken pipe.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Instant;

use super::stream::{Stream, connect, with_tls};
use super::{ProbeError, TlsFiles};
use crate::address::Address;

/// More than any health answer; a server that sends on is cut off.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;
const HEAD_LIMIT_BYTES: usize = 16 << 10;

/// `http://host[:port]/path` or https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub is_tls: bool,
    pub host: String,
    pub port: u16,
    pub path: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a URL like http://host:port/path")]
pub struct UrlError(String);

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let refuse = || UrlError(text.to_owned());
        let (is_tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(refuse()),
        };
        let (place, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(refuse());
        }
        let default = if is_tls { ":443" } else { ":80" };
        let address = place.parse().or_else(|_| format!("{place}{default}").parse()).map_err(|_| refuse())?;
        match address {
            Address::Tcp { host, port } => Ok(Self { is_tls, host, port, path: path.to_owned() }),
            Address::Unix(_) => Err(refuse()),
        }
    }
}

impl Url {
    /// Where it points, as an address.
    pub fn address(&self) -> Address {
        Address::Tcp { host: self.host.clone(), port: self.port }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(to, "{scheme}://{}{}", self.address(), self.path)
    }
}

pub fn check(
    url: &Url,
    place: Option<&Address>,
    expect: Option<u16>,
    tls: &TlsFiles,
    deadline: Instant,
) -> Result<(), ProbeError> {
    let own = url.address();
    let socket = connect(place.unwrap_or(&own), deadline)?;
    let status = if url.is_tls { get(with_tls(socket, &url.host, tls)?, url) } else { get(socket, url) };
    let status = status.map_err(ProbeError::io(format!("GET {url}")))?;
    let is_good = expect.map_or((200..300).contains(&status), |expected| status == expected);
    if is_good { Ok(()) } else { Err(ProbeError::Status { url: url.to_string(), status }) }
}

fn get(mut stream: impl Stream, url: &Url) -> io::Result<u16> {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: scalectl-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.path,
        url.address()
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::with_capacity(4096);
    let mut buffer = [0; 4096];
    while !is_complete(&answer) && answer.len() < ANSWER_LIMIT_BYTES {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            // A server that closes without TLS's own goodbye has answered too.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    status(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let rest = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    let code = rest.split(' ').nth(1)?;
    code.parse().ok().filter(|code| (100..600).contains(code))
}

/// Whether head and announced body are all there (without a length: never).
fn is_complete(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).take(HEAD_LIMIT_BYTES).position(|four| four == b"\r\n\r\n") else {
        return answer.len() > HEAD_LIMIT_BYTES;
    };
    let lines = String::from_utf8_lossy(&answer[..head]);
    let length = lines.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| answer.len() >= head + 4 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_with_their_default_ports() {
        let url: Url = "https://db-1:8008/health?x=1".parse().unwrap();
        assert_eq!(
            url,
            Url { is_tls: true, host: "db-1".to_owned(), port: 8008, path: "/health?x=1".to_owned() }
        );
        assert_eq!("http://a".parse::<Url>().unwrap().to_string(), "http://a:80/");
        assert_eq!("https://[::1]/x".parse::<Url>().unwrap().to_string(), "https://[::1]:443/x");
        for text in ["a:80", "ftp://a/", "http://", "http://a:b/", "http://a/ b", "http://a/\r\nX: y"] {
            assert!(text.parse::<Url>().is_err(), "{text:?} was taken for a URL");
        }
    }

    #[test]
    fn an_answer_is_read_to_its_announced_end() {
        assert!(!is_complete(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"));
        assert!(is_complete(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"));
        assert!(!is_complete(b"HTTP/1.1 200 OK\r\n\r\nwho knows"));
        assert_eq!(status(b"HTTP/1.0 503 Service Unavailable\r\n"), Some(503));
        assert_eq!(status(b"SSH-2.0-x\r\n"), None);
    }
}
