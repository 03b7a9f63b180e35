//! Requests through the edge, on kept connections or on new ones.

use std::cell::RefCell;
use std::net::SocketAddr;

use super::super::history::Outcome;
use crate::load::exchange::{Answer, Connection, Connector};

pub struct Edge {
    connector: Connector,
    idle: RefCell<Vec<Connection>>,
}

impl Edge {
    pub fn new(to: SocketAddr) -> Self {
        Self {
            connector: Connector::new(to),
            idle: RefCell::default(),
        }
    }

    /// One request; an error is what it means for a write.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: &str,
        is_new: bool,
    ) -> Result<Answer, Outcome> {
        let kept = if is_new { None } else { self.kept() };
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let connected = self.connector.connect().await;
                connected
                    .map_err(|fault| Outcome::Failed(format!("{} {}", fault.kind, fault.detail)))?
            }
        };
        let ends = if is_new { "Connection: close\r\n" } else { "" };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n{ends}\r\n{body}"
        );
        let answer = connection.ask(&request).await;
        let answer =
            answer.map_err(|fault| Outcome::Unknown(format!("{} {}", fault.kind, fault.detail)))?;
        if answer.keeps && !is_new {
            self.idle.borrow_mut().push(connection);
        }
        Ok(answer)
    }

    /// An idle connection that the other side has not ended.
    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut connection) = idle.pop() {
            if connection.is_open() {
                return Some(connection);
            }
        }
        None
    }
}

/// What an answer that is not good means: below 500 it was surely not done.
pub fn refused(answer: &Answer) -> Outcome {
    let fault = answer.refusal();
    let reason = format!("{}: {}", fault.kind, fault.detail);
    match answer.status {
        500.. => Outcome::Unknown(reason),
        _ => Outcome::Failed(reason),
    }
}
