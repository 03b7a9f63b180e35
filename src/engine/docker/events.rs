//! The engine's event stream: one per process, opened before the first start.
//!
//! Keeps the last known state of every container that this process started, and
//! wakes who waits. It must never be the only witness: after every break of the
//! stream (`generation` counts them) a waiter looks for itself.
//! Next: `wait.rs` (what a waiter makes of it), `stream.rs` (how it is read).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::models::EventMessage;
use tokio::sync::{Mutex as Turn, Notify};

use crate::errors::Fault;
use crate::stream::EventStream;
use crate::transport::Wire;

/// How long an engine that went away may take to come back.
const COMING_BACK: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(250);
/// `health_status` stands for all of its forms. Events of the health checks'
/// own commands are left out: they are the most, and tell nothing.
const WANTED: &str =
    r#"{"type":["container"],"event":["start","die","destroy","health_status","oom"]}"#;

/// What happened to a container since this process started or first saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Track {
    id: Option<String>,
    /// Only this id counts, and before it is known only a start: what is told
    /// of an earlier container of that name, or of a life before, is not about it.
    is_strict: bool,
    pub healthy: bool,
    /// Its exit code, until it is started again.
    pub ended: Option<i64>,
    pub gone: bool,
    /// The stream that has watched it from its start on.
    generation: u64,
}

pub(crate) struct Events {
    wire: Arc<Wire>,
    inner: Mutex<Inner>,
    /// Held by whoever opens the stream.
    opening: Turn<()>,
    pub changed: Notify,
}

struct Inner {
    tracks: HashMap<String, Track>,
    /// Counts the streams that were opened.
    generation: u64,
    is_open: bool,
}

impl Events {
    pub fn new(wire: Arc<Wire>) -> Self {
        let inner = Inner {
            tracks: HashMap::new(),
            generation: 0,
            is_open: false,
        };
        Self {
            wire,
            inner: Mutex::new(inner),
            opening: Turn::new(()),
            changed: Notify::new(),
        }
    }

    /// Opens the stream unless it is open, and says which one it is. Waits a
    /// bounded time for an engine that is being restarted.
    pub async fn ensure_open(self: &Arc<Self>) -> Result<u64, Fault> {
        let _turn = self.opening.lock().await;
        let give_up = tokio::time::Instant::now() + COMING_BACK;
        loop {
            let (is_open, generation) = {
                let inner = self.inner();
                (inner.is_open, inner.generation)
            };
            if is_open {
                return Ok(generation);
            }
            match self.open().await {
                // Before the first stream there is nothing that could come back.
                Err(_) if generation > 0 && tokio::time::Instant::now() < give_up => {
                    tokio::time::sleep(RETRY).await
                }
                ended => return ended,
            }
        }
    }

    async fn open(self: &Arc<Self>) -> Result<u64, Fault> {
        let mut stream = EventStream::open(&self.wire, WANTED).await?;
        let generation = {
            let mut inner = self.inner();
            inner.generation += 1;
            inner.is_open = true;
            inner.generation
        };
        let events = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(told) = stream.next().await {
                let Some(events) = events.upgrade() else {
                    return;
                };
                told.into_iter().for_each(|event| events.take_in(event));
                events.changed.notify_waiters();
            }
            if let Some(events) = events.upgrade() {
                events.distrust(generation);
                events.changed.notify_waiters();
            }
        });
        Ok(generation)
    }

    /// `container` is about to be started; what it did before does not count.
    pub fn expect_start(&self, container: &str, generation: u64) {
        let track = Track {
            generation,
            is_strict: true,
            ..Track::default()
        };
        self.inner().tracks.insert(container.to_owned(), track);
    }

    /// `container` is about to be looked at; what is told meanwhile is kept.
    pub fn watch(&self, container: &str, generation: u64) {
        let track = Track {
            generation,
            ..Track::default()
        };
        self.inner().tracks.insert(container.to_owned(), track);
    }

    /// The look found this id under that name.
    pub fn found(&self, container: &str, id: &str) {
        if let Some(track) = self.inner().tracks.get_mut(container) {
            track.settle(id);
        }
    }

    /// An answer was lost although the stream seemed to live: open another one.
    pub fn distrust(&self, generation: u64) {
        let mut inner = self.inner();
        if inner.generation == generation {
            inner.is_open = false;
        }
    }

    /// No start is coming: it ran already, or could not be started.
    pub fn forget(&self, container: &str) {
        self.inner().tracks.remove(container);
    }

    /// What is known of `container` if the stream has seen all of it.
    pub fn seen(&self, container: &str) -> Option<Track> {
        let inner = self.inner();
        let track = inner.tracks.get(container)?;
        (inner.is_open && track.generation == inner.generation).then(|| track.clone())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(&self, event: EventMessage) {
        let Some(actor) = event.actor else { return };
        let (id, attributes) = (
            actor.id.unwrap_or_default(),
            actor.attributes.unwrap_or_default(),
        );
        let name = attributes.get("name").cloned().unwrap_or_default();
        let action = event.action.unwrap_or_default();
        let code = attributes
            .get("exitCode")
            .and_then(|code| code.parse().ok());
        let mut inner = self.inner();
        for key in [&name, &id] {
            if let Some(track) = inner.tracks.get_mut(key) {
                track.advance(&id, &action, code);
            }
        }
    }
}

impl Track {
    fn advance(&mut self, id: &str, action: &str, code: Option<i64>) {
        if self.id.as_deref() != Some(id) {
            if self.is_strict && action != "start" {
                return;
            }
            *self = Self {
                id: Some(id.to_owned()),
                is_strict: self.is_strict,
                generation: self.generation,
                ..Self::default()
            };
        }
        match action {
            "start" => (self.healthy, self.ended) = (false, None),
            "die" => (self.healthy, self.ended) = (false, Some(code.unwrap_or(-1))),
            "destroy" => self.gone = true,
            "health_status: healthy" => self.healthy = true,
            "health_status: unhealthy" => self.healthy = false,
            _ => {}
        }
    }

    fn settle(&mut self, id: &str) {
        if self.id.as_deref() != Some(id) {
            *self = Self {
                id: Some(id.to_owned()),
                generation: self.generation,
                ..Self::default()
            };
        }
        self.is_strict = true;
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
