//! PgBouncer's admin console over its unix socket, as much as one command or one table.
//!
//! The socket's peer is checked by the operating system (`peer`), so there is
//! no password. Source of the messages: PostgreSQL's documentation, "Message
//! Formats" (protocol 3.0, simple query).

use std::collections::BTreeMap;
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

/// One row of a table, by column. What is NULL is not in it.
pub type Row = BTreeMap<String, String>;

/// Sends one command and waits for its end.
pub async fn command(socket: &Path, user: &str, command: &str) -> Result<(), ConsoleError> {
    rows(socket, user, command).await.map(|_| ())
}

/// The same, with the rows that it answers.
pub async fn rows(socket: &Path, user: &str, command: &str) -> Result<Vec<Row>, ConsoleError> {
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
        End::Done(rows) => Ok(rows),
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
    Done(Vec<Row>),
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
    match until_ready(&mut stream).await? {
        End::Done(_) => {}
        end => return Ok(end),
    }
    let mut query = command.as_bytes().to_vec();
    query.push(0);
    stream.write_all(&framed(Some(b'Q'), &query)?).await?;
    let end = until_ready(&mut stream).await?;
    // Said goodbye to, so that it is no error in the pooler's log.
    let _ = stream.write_all(&framed(Some(b'X'), &[])?).await;
    Ok(end)
}

fn framed(kind: Option<u8>, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(body);
    Ok(message)
}

/// Reads to "ready for a query".
async fn until_ready(stream: &mut BufReader<UnixStream>) -> io::Result<End> {
    let (mut refused, mut columns, mut rows) = (None, Vec::new(), Vec::new());
    loop {
        let kind = stream.read_u8().await?;
        let length = stream.read_u32().await? as usize;
        let body = length
            .checked_sub(4)
            .filter(|length| *length <= MESSAGE_LIMIT_BYTES);
        let mut body = vec![0; body.ok_or_else(no_message)?];
        stream.read_exact(&mut body).await?;
        match kind {
            b'Z' => return Ok(refused.unwrap_or(End::Done(rows))),
            b'R' if body != [0; 4] => return Ok(End::Password),
            b'T' => columns = columns_of(&body).ok_or_else(no_message)?,
            b'D' => rows.push(row_of(&columns, &body).ok_or_else(no_message)?),
            b'E' => {
                let refusal = End::Refused(message_of(&body));
                // An error in the start is followed by the end of the connection.
                if is_fatal(&body) {
                    return Ok(refusal);
                }
                refused = Some(refusal);
            }
            _ => {}
        }
    }
}

fn no_message() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no message")
}

fn short(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<2>()?;
    Some((usize::from(u16::from_be_bytes(*number)), rest))
}

/// The names; each is followed by what type it is.
fn columns_of(body: &[u8]) -> Option<Vec<String>> {
    const TYPE_BYTES: usize = 18;
    let (count, mut rest) = short(body)?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let end = rest.iter().position(|byte| *byte == 0)?;
        columns.push(String::from_utf8_lossy(&rest[..end]).into_owned());
        rest = rest.get(end + 1 + TYPE_BYTES..)?;
    }
    Some(columns)
}

fn row_of(columns: &[String], body: &[u8]) -> Option<Row> {
    let (count, mut rest) = short(body)?;
    let mut row = Row::new();
    for column in columns.iter().take(count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        // A length of -1 is NULL.
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            continue;
        };
        let (value, after) = rest.split_at_checked(length)?;
        row.insert(column.clone(), String::from_utf8_lossy(value).into_owned());
        rest = after;
    }
    Some(row)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_by_its_columns_and_one_that_is_cut_is_none() {
        let kind = [0; 18];
        let columns = [&b"\0\x02pid\0"[..], &kind, b"link\0", &kind].concat();
        let columns = columns_of(&columns).unwrap();
        assert_eq!(columns, ["pid", "link"]);
        let row = row_of(&columns, b"\0\x02\0\0\0\x0247\xff\xff\xff\xff").unwrap();
        assert_eq!(row, Row::from([("pid".to_owned(), "47".to_owned())]));
        assert_eq!(row_of(&columns, b"\0\x02\0\0\0\x034"), None);
        assert_eq!(columns_of(b"\0\x02pid\0"), None);
    }
}
