//! Plan: documents and what was observed become a graph of operations.
//!
//! Pure and deterministic: no clock, no randomness, no files, no network. Every
//! choice of scalectl is made in this room; `execute/` only carries it out.
//! Next: `operation.rs` (what can be done), `observed.rs` (what is known),
//! `rules.rs` (the rules in their order), `text.rs` (how a plan reads).

mod changeover;
mod conflicts;
mod create;
mod fleet;
mod graph;
mod instance;
mod labels;
mod leaving;
mod migrating;
mod observed;
mod operation;
mod order;
mod removal;
mod resources;
mod restart;
mod rolled;
mod rules;
mod services;
mod spec;
mod stranded;
mod text;
mod values;

pub use conflicts::{Conflict, PlanError};
pub use labels::{LABELS, Labels, used_services};
pub use migrating::{Migrating, NoMark};
pub use observed::{
    ContainerState, Data, EngineFacts, Health, ImageFacts, Observed, ObservedContainer,
    ObservedNetwork, ObservedVolume, Ownership,
};
pub use operation::{Await, Call, Cause, FileContent, InjectedFile, OpId, Operation, Plan};
pub use resources::member_volumes;
pub use restart::{restart, restart_as};
pub use rolled::in_place;
pub use rules::{Goal, Volumes, build};
pub use spec::{ContainerSpec, NetworkPlace};
pub use stranded::stranded;
pub use values::read_label as read_values;
