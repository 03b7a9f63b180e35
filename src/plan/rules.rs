//! The rules in their order: resources, services, removals; then what forbids it.
//!
//! `down` is the same with a document of nothing. Next: one file a rule.

use std::collections::BTreeSet;

use scalectl_documents::{Compose, Span};
use sha2::{Digest, Sha256};

use crate::conflicts::{self, PlanError};
use crate::fleet::Fleet;
use crate::graph::Graph;
use crate::observed::{Health, Observed, Ownership};
use crate::operation::Plan;
use crate::removal::Removed;
use crate::{removal, resources, services};

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Goal<'a> {
    pub compose: &'a Compose,
    pub volumes: Volumes<'a>,
    /// How long each wait may take.
    pub wait_timeout: Span,
    /// It is a step of a migration: the stack may have another phase, or be between two.
    pub migrates: bool,
    /// Somebody died at work on the stack: what runs may be unknown to those in front of it.
    pub is_unsettled: bool,
}

/// What happens to volumes that the document does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volumes<'a> {
    Keep,
    /// Their data is destroyed: only with the user's explicit word.
    Remove,
    /// The same for those that are named, by the engine's names; others are kept.
    Discard(&'a BTreeSet<String>),
}

impl<'a> Goal<'a> {
    /// Everything of `compose`, and every volume kept.
    pub fn up(compose: &'a Compose, wait_timeout: Span) -> Self {
        Self {
            compose,
            volumes: Volumes::Keep,
            wait_timeout,
            migrates: false,
            is_unsettled: false,
        }
    }
}

/// Plans from what was observed to what is wanted.
///
/// # Errors
/// `PlanError` with every reason at once why nothing may be changed: names and
/// ports that something else holds, images that are not there, another phase.
pub fn build(goal: &Goal<'_>, observed: &Observed) -> Result<Plan, PlanError> {
    let fleet = Fleet::of(observed);
    let (mut graph, mut removed) = (Graph::default(), Removed::new());
    let resources = resources::plan(goal.compose, observed, &fleet, &mut removed, &mut graph);
    services::plan(goal, observed, &fleet, resources, &mut removed, &mut graph);
    let keeps = removal::plan(goal, observed, &mut removed, &mut graph);
    conflicts::refuse(goal, observed, graph.operations())?;
    Ok(Plan {
        project: goal.compose.name.clone(),
        operations: graph.into_operations(),
        keeps,
        fingerprint: fingerprint(observed),
    })
}

/// A hash of what a plan rests on: the project's own objects and the images.
/// Health and addresses are left out, because they change by themselves.
pub(crate) fn fingerprint(observed: &Observed) -> String {
    let mut basis = observed.clone();
    basis
        .containers
        .retain(|_, container| container.ownership == Ownership::Ours);
    basis
        .networks
        .retain(|_, network| network.ownership == Ownership::Ours);
    basis
        .volumes
        .retain(|_, volume| volume.ownership == Ownership::Ours);
    for container in basis.containers.values_mut() {
        container.health = Health::None;
        container.addresses.clear();
        container.published.clear();
    }
    // Types made of text, numbers and maps with text keys always serialise.
    let bytes = serde_json::to_vec(&basis).unwrap_or_default();
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
