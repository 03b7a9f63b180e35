//! One stream of the engine's events, as it is read from the wire.
//!
//! Not through bollard, which sends the request only with the first event that
//! is asked for: here the stream is open when `open` returns.
//! Next: `events.rs` (what waiters need of it), `changes.rs` (what people see).

use std::sync::Arc;
use std::time::Duration;

use bollard::models::EventMessage;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;

use crate::connect::empty;
use crate::errors::Fault;
use crate::transport::Wire;

const OPEN_LIMIT: u64 = 20;

pub(crate) struct EventStream {
    body: Incoming,
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
}

impl EventStream {
    /// Opens a stream of what happens from now on; `filters` as JSON in the API's
    /// form. Nothing from before is asked for: it could not be told apart from
    /// what happens next to a container of the same name.
    pub async fn open(wire: &Arc<Wire>, filters: &str) -> Result<Self, Fault> {
        Self::open_at(wire, format!("/events?filters={}", percent(filters))).await
    }

    /// Opens a stream of what happened from `since` to `until` (seconds since 1970
    /// by the engine's clock), as far as the engine remembers. Ends by itself.
    pub async fn open_past(
        wire: &Arc<Wire>,
        filters: &str,
        since: u64,
        until: u64,
    ) -> Result<Self, Fault> {
        let filters = percent(filters);
        let path = format!("/events?since={since}&until={until}&filters={filters}");
        Self::open_at(wire, path).await
    }

    async fn open_at(wire: &Arc<Wire>, path: String) -> Result<Self, Fault> {
        let request = Request::get(path)
            .body(empty())
            .map_err(|error| Fault::Lost(Box::new(error)))?;
        let answer =
            tokio::time::timeout(Duration::from_secs(OPEN_LIMIT), wire.send(request)).await;
        let answer = answer.map_err(|_| Fault::late(OPEN_LIMIT))??;
        match answer.status() {
            status if status.is_success() => Ok(Self {
                body: answer.into_body(),
                rest: Vec::new(),
            }),
            status => Err(Fault::Answered {
                status: status.as_u16(),
                message: "it does not tell its events".to_owned(),
            }),
        }
    }

    /// The next events; none when the stream has broken. A line of a form that
    /// is new is passed over.
    pub async fn next(&mut self) -> Option<Vec<EventMessage>> {
        loop {
            // What is no data is trailers.
            let Ok(chunk) = self.body.frame().await?.ok()?.into_data() else {
                continue;
            };
            self.rest.extend_from_slice(&chunk);
            let lines = take_lines(&mut self.rest);
            if !lines.is_empty() {
                return Some(
                    lines
                        .iter()
                        .filter_map(|line| serde_json::from_slice(line).ok())
                        .collect(),
                );
            }
        }
    }
}

/// The whole lines of `rest`; what is left of a line stays in it.
fn take_lines(rest: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
        return Vec::new();
    };
    let tail = rest.split_off(end + 1);
    let whole = std::mem::replace(rest, tail);
    whole
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// Everything but letters, digits and a few marks as `%XX`.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_even_when_they_come_in_parts() {
        let mut rest = b"{\"a\":1}\n{\"b\"".to_vec();
        assert_eq!(take_lines(&mut rest), [b"{\"a\":1}".to_vec()]);
        assert!(
            take_lines(&mut rest).is_empty(),
            "half a line waits for its end"
        );
        rest.extend_from_slice(b":2}\n");
        assert_eq!(take_lines(&mut rest), [b"{\"b\":2}".to_vec()]);
    }

    #[test]
    fn a_filter_is_safe_in_a_path() {
        assert_eq!(
            percent(r#"{"a":["b_c"]}"#),
            "%7B%22a%22%3A%5B%22b_c%22%5D%7D"
        );
    }
}
