//! PgBouncer's admin console over its unix socket, as much as one command.
//!
//! The socket's peer is checked by the operating system (`peer`), so there is
//! no password. Source of the messages: PostgreSQL's documentation, "Message
//! Formats" (protocol 3.0, simple query).

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);
const MESSAGE_LIMIT_BYTES: usize = 1 << 20;
const PROTOCOL_3: u32 = 196_608;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConsoleError {
    #[error("{command} on {}", socket.display())]
    Io {
        socket: PathBuf,
        command: String,
        source: io::Error,
    },
    #[error("{command} on {}: {message}", socket.display())]
    Refused {
        socket: PathBuf,
        command: String,
        message: String,
    },
    #[error("{} asks {user} for a password", socket.display())]
    Password { socket: PathBuf, user: String },
}

/// Sends one command and waits for its end.
pub async fn command(socket: &Path, user: &str, command: &str) -> Result<(), ConsoleError> {
    let fault = |source| ConsoleError::Io {
        socket: socket.to_owned(),
        command: command.to_owned(),
        source,
    };
    let ended = timeout(PATIENCE, exchange(socket, user, command)).await;
    match ended
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
        .map_err(fault)?
    {
        End::Done => Ok(()),
        End::Refused(message) => Err(ConsoleError::Refused {
            socket: socket.to_owned(),
            command: command.to_owned(),
            message,
        }),
        End::Password => Err(ConsoleError::Password {
            socket: socket.to_owned(),
            user: user.to_owned(),
        }),
    }
}

enum End {
    Done,
    Refused(String),
    Password,
}

async fn exchange(socket: &Path, user: &str, command: &str) -> io::Result<End> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    let mut start = PROTOCOL_3.to_be_bytes().to_vec();
    for text in ["user", user, "database", "pgbouncer", ""] {
        start.extend_from_slice(text.as_bytes());
        start.push(0);
    }
    stream.write_all(&framed(None, &start)?).await?;
    if let Some(end) = until_ready(&mut stream).await? {
        return Ok(end);
    }
    let mut query = command.as_bytes().to_vec();
    query.push(0);
    stream.write_all(&framed(Some(b'Q'), &query)?).await?;
    let end = until_ready(&mut stream).await?;
    // Said goodbye to, so that it is no error in the pooler's log.
    let _ = stream.write_all(&framed(Some(b'X'), &[])?).await;
    Ok(end.unwrap_or(End::Done))
}

fn framed(kind: Option<u8>, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(body);
    Ok(message)
}

/// Reads to "ready for a query"; nothing if all went well.
async fn until_ready(stream: &mut BufReader<UnixStream>) -> io::Result<Option<End>> {
    let mut refused = None;
    loop {
        let kind = stream.read_u8().await?;
        let length = stream.read_u32().await? as usize;
        let body = length
            .checked_sub(4)
            .filter(|length| *length <= MESSAGE_LIMIT_BYTES);
        let mut body =
            vec![0; body.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no message"))?];
        stream.read_exact(&mut body).await?;
        match kind {
            b'Z' => return Ok(refused),
            b'R' if body != [0; 4] => return Ok(Some(End::Password)),
            b'E' => {
                let refusal = End::Refused(message_of(&body));
                // An error in the start is followed by the end of the connection.
                if is_fatal(&body) {
                    return Ok(Some(refusal));
                }
                refused = Some(refusal);
            }
            _ => {}
        }
    }
}

fn fields(error: &[u8]) -> impl Iterator<Item = (u8, String)> {
    error.split(|byte| *byte == 0).filter_map(|field| {
        let (kind, text) = field.split_first()?;
        Some((*kind, String::from_utf8_lossy(text).into_owned()))
    })
}

fn message_of(error: &[u8]) -> String {
    fields(error)
        .find(|(kind, _)| *kind == b'M')
        .map_or_else(|| "no reason given".to_owned(), |(_, text)| text)
}

fn is_fatal(error: &[u8]) -> bool {
    fields(error).any(|(kind, text)| kind == b'S' && text == "FATAL")
}
