//! Defaults of settings, and how values are written.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::wire::{Address, Url};

pub(super) fn engine_resolver() -> SocketAddr {
    // Both engines have it at this address in every container of a network.
    SocketAddr::from(([127, 0, 0, 11], 53))
}

pub(super) fn discovery_interval() -> Duration {
    Duration::from_millis(250)
}

pub(super) fn database_interval() -> Duration {
    Duration::from_secs(1)
}

pub(super) fn sixteen_mebibytes() -> u64 {
    16 << 20
}

pub(super) fn first_generation() -> u32 {
    1
}

pub(super) fn pooler_port() -> u16 {
    6432
}

pub(super) fn pooler_user() -> String {
    "agent".to_owned()
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn milliseconds<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Duration, D::Error> {
    let milliseconds = u64::deserialize(from)?;
    if milliseconds == 0 {
        Err(serde::de::Error::custom("at least 1 ms"))
    } else {
        Ok(Duration::from_millis(milliseconds))
    }
}

pub(super) fn url<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    String::deserialize(from)?
        .parse()
        .map_err(serde::de::Error::custom)
}

pub(super) fn addresses<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Vec<Address>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts
        .iter()
        .map(|text| text.parse().map_err(serde::de::Error::custom))
        .collect()
}
