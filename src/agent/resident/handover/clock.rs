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
}

impl Hold {
    pub fn new(held: Held) -> Self {
        let begun = held.since;
        let mut hold = Self {
            held: Some(held),
            begun,
            steps: Vec::new(),
            step_begun: begun,
        };
        hold.step("hold");
        hold
    }

    pub async fn release(&mut self) {
        if let Some(held) = self.held.take() {
            held.release().await;
        }
    }

    pub fn step(&mut self, name: &'static str) {
        self.steps
            .push((name, milliseconds(self.step_begun.elapsed())));
        self.step_begun = Instant::now();
    }
}

pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
