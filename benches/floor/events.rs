//! What the engine tells about containers while they start and end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::error::FloorError;
use crate::wire::{Connection, Wire};

/// `{"type":["container"],"event":["die","health_status"]}`, percent-encoded.
const PATH: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22die%22%2C%22health_status%22%5D%7D";

#[derive(Default)]
pub struct Events {
    seen: RefCell<HashMap<String, Seen>>,
    is_over: RefCell<bool>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Healthy,
    Ended(i64),
}

impl Events {
    /// Opens the stream; what is started after this is not missed.
    pub async fn open(wire: &Wire) -> Result<Rc<Self>, FloorError> {
        let stream = wire.stream(PATH).await.map_err(FloorError::Wire)?;
        let events = Rc::new(Self::default());
        tokio::task::spawn_local(Rc::clone(&events).follow(stream));
        Ok(events)
    }

    async fn follow(self: Rc<Self>, mut stream: Connection) {
        let mut text = Vec::new();
        while let Ok(Some(chunk)) = stream.chunk().await {
            text.extend_from_slice(&chunk);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                self.take_in(&line);
            }
            self.changed.notify_waiters();
        }
        *self.is_over.borrow_mut() = true;
        self.changed.notify_waiters();
    }

    fn take_in(&self, line: &[u8]) {
        let Ok(event) = serde_json::from_slice::<serde_json::Value>(line) else {
            return;
        };
        let attributes = &event["Actor"]["Attributes"];
        let name = attributes["name"].as_str().unwrap_or_default().to_owned();
        let seen = match event["Action"].as_str() {
            Some("health_status: healthy") => Seen::Healthy,
            Some("die") => {
                let code = attributes["exitCode"].as_str();
                Seen::Ended(code.and_then(|code| code.parse().ok()).unwrap_or(-1))
            }
            _ => return,
        };
        self.seen.borrow_mut().insert(name, seen);
    }

    pub async fn until_healthy(&self, container: &str) -> Result<(), FloorError> {
        match self.next(container).await? {
            Seen::Healthy => Ok(()),
            Seen::Ended(code) => Err(ended(container, code)),
        }
    }

    pub async fn until_done(&self, container: &str) -> Result<(), FloorError> {
        loop {
            match self.next(container).await? {
                Seen::Ended(0) => return Ok(()),
                Seen::Ended(code) => return Err(ended(container, code)),
                Seen::Healthy => self.seen.borrow_mut().remove(container),
            };
        }
    }

    async fn next(&self, container: &str) -> Result<Seen, FloorError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(seen) = self.seen.borrow().get(container) {
                return Ok(*seen);
            }
            if *self.is_over.borrow() {
                return Err(FloorError::Blind);
            }
            changed.await;
        }
    }
}

fn ended(container: &str, code: i64) -> FloorError {
    FloorError::Ended {
        container: container.to_owned(),
        code,
    }
}
