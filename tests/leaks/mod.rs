//! A search for secrets in everything that a stack shows of itself.
//!
//! It must be told the secrets (read from the stack's own `state` volume) and never
//! print one: a finding names the secret, its form and its place.
//! Next: `needles.rs` (what is looked for), `places.rs` (where), `processes.rs`, `control.rs`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod control;
mod needles;
mod places;
mod processes;

pub use control::Control;
pub use needles::{Form, Needles, Secret};
pub use places::{Place, bytes, of_engine, of_folder, of_run};
pub use processes::Watch;

/// Where a secret was found, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub place: String,
    pub secret: String,
    pub form: Form,
}

/// Every secret found in these places, each once a place and form.
pub fn search(needles: &Needles, places: &[Place]) -> Vec<Finding> {
    let mut found: Vec<_> = places
        .iter()
        .flat_map(|place| {
            needles
                .found_in(&place.content)
                .into_iter()
                .map(|(secret, form)| Finding {
                    place: place.name.clone(),
                    secret,
                    form,
                })
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
