//! The thinnest HTTP that the engine understands: HTTP/1.1 on its unix socket.
//!
//! A request is one write; an answer is read to its end and the connection is
//! used again. Next: `events.rs` (the one answer without an end).

use std::cell::RefCell;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::error::FloorError;

const DEFAULT: &str = "unix:///var/run/docker.sock";

pub struct Wire {
    path: String,
    idle: RefCell<Vec<Connection>>,
}

/// A connection and what was read of it and not used yet.
pub struct Connection {
    stream: UnixStream,
    buffer: Vec<u8>,
}

struct Head {
    status: u16,
    length: Option<usize>,
    is_chunked: bool,
}

pub struct Request<'a> {
    pub method: &'static str,
    pub path: &'a str,
    pub content_type: &'static str,
    pub body: &'a [u8],
}

impl Wire {
    pub fn from_env() -> Result<Self, FloorError> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let host = if host.is_empty() { DEFAULT } else { &host };
        let path = host
            .strip_prefix("unix://")
            .ok_or_else(|| FloorError::Host(host.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            idle: RefCell::default(),
        })
    }

    /// Sends one request with a JSON body; any status from 400 on but those in
    /// `fine` is a fault.
    pub async fn json(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&serde_json::Value>,
        fine: &[u16],
    ) -> Result<Vec<u8>, FloorError> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = Request {
            method,
            path,
            content_type: "application/json",
            body: body.as_bytes(),
        };
        self.send(&request, fine).await
    }

    pub async fn send(&self, request: &Request<'_>, fine: &[u16]) -> Result<Vec<u8>, FloorError> {
        let (status, body) = self.exchange(request).await.map_err(FloorError::Wire)?;
        if status < 400 || fine.contains(&status) {
            return Ok(body);
        }
        Err(FloorError::Refused {
            method: request.method,
            path: request.path.to_owned(),
            status,
            message: String::from_utf8_lossy(&body).trim().to_owned(),
        })
    }

    async fn exchange(&self, request: &Request<'_>) -> io::Result<(u16, Vec<u8>)> {
        let idle = self.idle.borrow_mut().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.path).await?,
        };
        let head = connection.ask(request).await?;
        let body = connection.body(&head).await?;
        self.idle.borrow_mut().push(connection);
        Ok((head.status, body))
    }

    /// A request whose answer has no end.
    pub async fn stream(&self, path: &str) -> io::Result<Connection> {
        let mut connection = Connection::open(&self.path).await?;
        let request = Request {
            method: "GET",
            path,
            content_type: "",
            body: &[],
        };
        let head = connection.ask(&request).await?;
        match (head.status, head.is_chunked) {
            (200, true) => Ok(connection),
            (status, _) => Err(io::Error::other(format!("status {status}, not a stream"))),
        }
    }

    /// A request whose connection becomes a stream of the command's output, and
    /// ends with it.
    pub async fn until_closed(&self, path: &str, body: &[u8]) -> io::Result<()> {
        let mut connection = Connection::open(&self.path).await?;
        let request = Request {
            method: "POST",
            path,
            content_type: "application/json",
            body,
        };
        connection.ask(&request).await?;
        while connection.stream.read_buf(&mut connection.buffer).await? > 0 {
            connection.buffer.clear();
        }
        Ok(())
    }
}

impl Connection {
    async fn open(path: &str) -> io::Result<Self> {
        let stream = UnixStream::connect(path).await?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    async fn ask(&mut self, request: &Request<'_>) -> io::Result<Head> {
        let mut text = format!(
            "{} {} HTTP/1.1\r\nHost: docker\r\nContent-Length: {}\r\n",
            request.method,
            request.path,
            request.body.len()
        );
        if !request.content_type.is_empty() {
            text += &format!("Content-Type: {}\r\n", request.content_type);
        }
        text += "\r\n";
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(request.body);
        self.stream.write_all(&bytes).await?;
        self.head().await
    }

    async fn head(&mut self) -> io::Result<Head> {
        let mut head = Head {
            status: 0,
            length: None,
            is_chunked: false,
        };
        loop {
            let line = self.line().await?;
            let lower = line.to_ascii_lowercase();
            if head.status == 0 {
                let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
                head.status = status.ok_or_else(|| io::Error::other("no HTTP answer"))?;
            } else if let Some(length) = lower.strip_prefix("content-length:") {
                head.length = length.trim().parse().ok();
            } else if lower.starts_with("transfer-encoding:") {
                head.is_chunked = lower.contains("chunked");
            } else if line.is_empty() {
                return Ok(head);
            }
        }
    }

    async fn body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        if !head.is_chunked {
            // 204 and 304 have none.
            return self.take(head.length.unwrap_or(0)).await;
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The next chunk of a chunked answer; none at its end.
    pub async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line().await?;
        let length = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16);
        let length = length.map_err(io::Error::other)?;
        let chunk = self.take(length).await?;
        self.line().await?;
        Ok((length > 0).then_some(chunk))
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
