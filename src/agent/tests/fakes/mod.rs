//! Peers of the agent, as small as they can be, all on loopback or in a folder: one
//! file a peer.

mod console;
mod dns;
mod pages;

use std::time::{Duration, Instant};

pub use console::Console;
pub use dns::{Dns, Says};
pub use pages::Pages;

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
