//! `bootstrap --every`: the same work again and again, for renewals.
//!
//! Ended at any moment it has done no harm, for a run may be killed anywhere.

use std::io;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("listen for signals")]
pub struct StayError(#[source] io::Error);

/// Calls `once` every so often, until it is told to stop.
pub fn stay(every: Duration, once: impl Fn() + Send + 'static) -> Result<(), StayError> {
    // As process 1 it would not end at a signal that it does not listen for.
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(StayError)?;
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(every);
            once();
        }
    });
    signals.forever().next();
    Ok(())
}
