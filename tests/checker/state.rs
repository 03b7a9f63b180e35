//! What the primary holds of all that the population wrote.

use std::collections::BTreeMap;

use super::history::Id;

/// One of the two rows of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub key: u32,
    /// What the transaction wrote to that counter.
    pub value: i64,
}

/// The rows of an order or a transfer, which are written together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Orders or transfers of that id.
    pub heads: u64,
    pub lines: u64,
    pub movements: u64,
    /// Of a transfer: what its movements sum up to.
    pub sum: i64,
}

#[derive(Clone, Debug, Default)]
pub struct State {
    /// How many rows have that id.
    pub appends: BTreeMap<Id, u64>,
    pub parts: BTreeMap<Id, Vec<Part>>,
    pub counters: BTreeMap<u32, i64>,
    pub beat: u64,
    pub orders: BTreeMap<Id, Rows>,
    pub transfers: BTreeMap<Id, Rows>,
    /// The shop's own audit: what is wrong, and how often.
    pub audit: BTreeMap<String, i64>,
}
