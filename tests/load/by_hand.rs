//! The load of the tests, by hand: `cargo run --example load -- PORT RATE SECONDS`.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool of the tests"
)]

#[path = "mod.rs"]
mod load;

use std::time::Duration;

fn main() {
    let words: Vec<u16> = std::env::args()
        .skip(1)
        .map(|word| word.parse().expect("PORT RATE SECONDS are numbers"))
        .collect();
    let [port, rate, seconds] = words[..] else {
        panic!("PORT RATE SECONDS");
    };
    let run = format!("hand-{}", std::process::id());
    let load = load::Load {
        rate: u32::from(rate),
        ..load::Load::on(port, &run)
    };
    let report = load
        .start()
        .finish_after(Duration::from_secs(u64::from(seconds)));
    println!("{report}");
    std::process::exit(i32::from(!report.failures.is_empty()));
}
