//! The clock of one hold: since when, and how long each step within it took.

use std::time::{Duration, Instant};

use super::super::hold::Held;

/// The clock of one hold.
pub struct Hold {
    /// Nothing once it was released.
    held: Option<Held>,
    pub begun: Instant,
    pub steps: Vec<(&'static str, u64)>,
    step_begun: Instant,
    held_ms: u64,
}

impl Hold {
    pub fn new(held: Held) -> Self {
        let begun = held.since;
        let mut hold = Self {
            held: Some(held),
            begun,
            steps: Vec::new(),
            step_begun: begun,
            held_ms: 0,
        };
        hold.step("hold");
        hold
    }

    /// Lets writes go on, if they do not yet; how long they waited, in milliseconds.
    pub async fn release(&mut self) -> u64 {
        if let Some(held) = self.held.take() {
            held.release().await;
            self.held_ms = milliseconds(self.begun.elapsed());
        }
        self.held_ms
    }

    pub fn step(&mut self, name: &'static str) {
        self.steps
            .push((name, milliseconds(self.step_begun.elapsed())));
        self.step_begun = Instant::now();
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
