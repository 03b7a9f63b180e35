//! Ports for a stack of a test's own, so that two runs at once do not meet.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which a system takes ports for outgoing connections.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
const LENGTH: u16 = 4;

/// Four ports in a row: HTTP, HTTPS, Prometheus, Grafana.
pub struct Block {
    pub first: u16,
}

impl Block {
    /// Ports that nobody listens on now. Each run begins elsewhere, and no two calls
    /// of one run get the same ones.
    pub fn free() -> Self {
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        let blocks = (RANGE.end - RANGE.start) / LENGTH;
        let start = u16::try_from(std::process::id() % u32::from(blocks)).expect("below blocks");
        // A prime stride: runs whose process ids are neighbours do not meet either.
        (0..blocks)
            .map(|_| TAKEN.fetch_add(1, Ordering::Relaxed))
            .map(|taken| (u32::from(start) * 37 + u32::from(taken)) % u32::from(blocks))
            .map(|block| RANGE.start + LENGTH * u16::try_from(block).expect("below blocks"))
            .find(|first| (*first..first + LENGTH).all(is_free))
            .map(|first| Self { first })
            .expect("four ports in a row are free between 20000 and 32000")
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}
