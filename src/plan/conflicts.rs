//! What forbids a plan: everything in its way is named at once, nothing changes.
//!
//! An object that scalectl did not make is never touched, whatever its name.
//! Looks at the operations, so that only what would be done can be in conflict.
//! Next: `rules.rs` (asks here last).

use std::collections::BTreeSet;

use scalectl_documents::{Compose, PullPolicy};

use crate::observed::{Data, Observed, Ownership};
use crate::operation::{Call, Operation};
use crate::resources::{ClusterVolumes, wanted_networks};
use crate::rules::{Goal, Volumes};
use crate::spec::ContainerSpec;

/// Why nothing may be changed now.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("nothing was changed: {} stand{} in the way", count(conflicts.len()), if conflicts.len() == 1 { "s" } else { "" })]
#[diagnostic(code(scalectl::plan::refused))]
pub struct PlanError {
    #[related]
    pub conflicts: Vec<Conflict>,
}

fn count(number: usize) -> String {
    match number {
        1 => "one thing".to_owned(),
        _ => format!("{number} things"),
    }
}

/// One thing in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum Conflict {
    #[error(
        "the {kind} name {name} is taken by something that scalectl did not make for {project} ({owner})"
    )]
    #[diagnostic(
        code(scalectl::plan::name_taken),
        help(
            "it is left as it is: rename or remove it, or use another project name with `-p NAME`"
        )
    )]
    NameTaken {
        kind: &'static str,
        name: String,
        project: String,
        owner: String,
    },
    #[error("port {port} on {address} is already in use by container {by}")]
    #[diagnostic(
        code(scalectl::plan::port_taken),
        help(
            "stop that container, or choose another port in scale.yaml (`edge:` and `monitoring:` have them)"
        )
    )]
    PortTaken {
        address: String,
        port: u16,
        by: String,
    },
    #[error("the engine does not have the image {reference}")]
    #[diagnostic(
        code(scalectl::plan::image_missing),
        help(
            "`scalectl images build` makes the images of this project; `scalectl images list` shows which are there"
        )
    )]
    ImageMissing { reference: String },
    #[error("{project} runs phase {running}, and phase {wanted} was asked for")]
    #[diagnostic(
        code(scalectl::plan::other_phase),
        help("`scalectl migrate --to {wanted}` moves it while it serves")
    )]
    OtherPhase {
        project: String,
        running: u8,
        wanted: u8,
    },
    #[error("a migration of {project} {way} is open")]
    #[diagnostic(
        code(scalectl::plan::migrating),
        help(
            "`scalectl migrate status` tells how far it is, `scalectl migrate resume` finishes it, `scalectl migrate abort` takes it back"
        )
    )]
    Migrating { project: String, way: String },
    #[error("the volume {volume} holds data of a database member that would be left out")]
    #[diagnostic(
        code(scalectl::plan::member_left_behind),
        help(
            "it may hold newer writes than the others: bring up what has that member (the larger phase, `size: ha`); a smaller phase is reached by `scalectl migrate`; for fewer members in the same phase take a dump (`scalectl db dump`), begin anew (`scalectl down --volumes`) and restore it"
        )
    )]
    MemberLeftBehind { volume: String },
    #[error(
        "the volume {volume} holds data of a cluster whose founder and store are lost: {knowing}"
    )]
    #[diagnostic(
        code(scalectl::plan::cluster_lost),
        help(
            "no other cluster is founded beside it, for it may be all that is left: put one of those volumes back; or give it up, with every other volume of the stack: `scalectl down --volumes`"
        )
    )]
    ClusterLost { volume: String, knowing: String },
    #[error(
        "the {kind} {name} is to be removed, and container {by} uses it, which scalectl did not make"
    )]
    #[diagnostic(
        code(scalectl::plan::in_use),
        help("it is left as it is: remove that container, then run the same command again")
    )]
    InUse {
        kind: &'static str,
        name: String,
        by: String,
    },
}

pub(crate) fn refuse(
    goal: &Goal<'_>,
    observed: &Observed,
    operations: &[Operation],
) -> Result<(), PlanError> {
    let compose = goal.compose;
    let mut conflicts = Vec::new();
    // A migration asks the database before it leaves out a member, and keeps its volume
    // until it has asked again.
    match (goal.migrates, migrating(goal, observed)) {
        (true, _) => {}
        (false, Some(open)) => conflicts.push(open),
        (false, None) => {
            other_phase(compose, observed, &mut conflicts);
            members_left_behind(compose, observed, &mut conflicts);
        }
    }
    cluster_lost(compose, observed, &mut conflicts);
    names_taken(compose, observed, operations, &mut conflicts);
    ports_taken(compose, observed, &mut conflicts);
    images_missing(observed, operations, &mut conflicts);
    in_use(observed, operations, &mut conflicts);
    match conflicts.is_empty() {
        true => Ok(()),
        false => Err(PlanError { conflicts }),
    }
}

/// What is between two phases has no document of its own that could be brought up; to
/// destroy all of it is always possible.
fn migrating(goal: &Goal<'_>, observed: &Observed) -> Option<Conflict> {
    let way = observed.migrating?.way();
    let project = goal.compose.name.clone();
    (goal.volumes != Volumes::Remove).then_some(Conflict::Migrating { project, way })
}

fn other_phase(compose: &Compose, observed: &Observed, conflicts: &mut Vec<Conflict>) {
    if let Some((wanted, running)) = phases_that_differ(compose, observed) {
        conflicts.push(Conflict::OtherPhase {
            project: compose.name.clone(),
            running,
            wanted,
        });
    }
}

/// The phase that is wanted and the one that runs, where they are not the same.
fn phases_that_differ(compose: &Compose, observed: &Observed) -> Option<(u8, u8)> {
    let phases = (compose.about.as_ref()?.phase, observed.phase?);
    (phases.0 != phases.1).then_some(phases)
}

/// Whether the stack runs or is down: a smaller one would stop a member that may
/// be the primary, or start others beside the newest data. What another phase
/// would leave out is told by its own conflict.
fn members_left_behind(compose: &Compose, observed: &Observed, conflicts: &mut Vec<Conflict>) {
    if compose.services.is_empty() || phases_that_differ(compose, observed).is_some() {
        return;
    }
    let wanted: BTreeSet<_> = compose
        .volumes
        .keys()
        .map(|key| compose.volume_name(key))
        .collect();
    let left = observed.volumes.iter().filter(|(name, volume)| {
        volume.ownership == Ownership::Ours
            && volume.data == Data::Member
            && !wanted.contains(*name)
    });
    conflicts.extend(left.map(|(name, _)| Conflict::MemberLeftBehind {
        volume: name.clone(),
    }));
}

/// A new founder would take an empty database for the stack's, beside a member that
/// holds what was written (decision 0025).
fn cluster_lost(compose: &Compose, observed: &Observed, conflicts: &mut Vec<Conflict>) {
    let cluster = ClusterVolumes::of(compose);
    let engine_names = |keys: &[&String]| -> Vec<String> {
        keys.iter().map(|key| compose.volume_name(key)).collect()
    };
    let knowing = engine_names(&cluster.founding);
    if knowing
        .iter()
        .any(|name| observed.volumes.contains_key(name))
    {
        return;
    }
    let others = engine_names(&cluster.others);
    let left = others.into_iter().find(|name| {
        let volume = observed.volumes.get(name);
        volume.is_some_and(|it| it.ownership == Ownership::Ours)
    });
    conflicts.extend(left.map(|volume| Conflict::ClusterLost {
        volume,
        knowing: knowing.join(" and "),
    }));
}

fn names_taken(
    compose: &Compose,
    observed: &Observed,
    operations: &[Operation],
    conflicts: &mut Vec<Conflict>,
) {
    let mut check = |kind, name: &String, ownership: Option<&Ownership>| {
        if let Some(Ownership::Foreign { owner }) = ownership {
            let (name, project, owner) = (name.clone(), compose.name.clone(), owner.clone());
            conflicts.push(Conflict::NameTaken {
                kind,
                name,
                project,
                owner,
            });
        }
    };
    for name in created(operations).map(|spec| &spec.name) {
        let there = observed.containers.get(name);
        check("container", name, there.map(|it| &it.ownership));
    }
    for key in wanted_networks(compose).keys() {
        let name = compose.network_name(key);
        let there = observed.networks.get(&name);
        check("network", &name, there.map(|it| &it.ownership));
    }
    for name in compose.volumes.keys().map(|key| compose.volume_name(key)) {
        let there = observed.volumes.get(&name);
        check("volume", &name, there.map(|it| &it.ownership));
    }
}

fn created(operations: &[Operation]) -> impl Iterator<Item = &ContainerSpec> {
    operations
        .iter()
        .filter_map(|operation| match &operation.call {
            Call::CreateContainer { spec } => Some(spec.as_ref()),
            _ => None,
        })
}

fn ports_taken(compose: &Compose, observed: &Observed, conflicts: &mut Vec<Conflict>) {
    let wanted = compose.services.values().flat_map(|service| &service.ports);
    for port in wanted {
        let address = port.host_ip.clone().unwrap_or_else(|| "0.0.0.0".to_owned());
        let number = port.published.parse().unwrap_or(0);
        let holder = observed.containers.iter().find(|(_, container)| {
            container.ownership != Ownership::Ours
                && container
                    .published
                    .iter()
                    .any(|(other, held)| *held == number && overlap(other, &address))
        });
        if let Some((name, _)) = holder {
            conflicts.push(Conflict::PortTaken {
                address,
                port: number,
                by: name.clone(),
            });
        }
    }
}

/// Whether two addresses of the engine's machine cannot both have one port.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    let any = |address: &str| matches!(address, "0.0.0.0" | "::" | "");
    one == other || any(one) || any(other)
}

fn images_missing(observed: &Observed, operations: &[Operation], conflicts: &mut Vec<Conflict>) {
    let missing: BTreeSet<_> = created(operations)
        .filter(|spec| spec.service.pull_policy == Some(PullPolicy::Never))
        .map(|spec| &spec.service.image)
        .filter(|image| !observed.images.contains_key(*image))
        .collect();
    conflicts.extend(missing.into_iter().map(|image| Conflict::ImageMissing {
        reference: image.clone(),
    }));
}

/// The engine refuses to remove a network in which something runs and a volume
/// that any container has.
fn in_use(observed: &Observed, operations: &[Operation], conflicts: &mut Vec<Conflict>) {
    let others = observed.containers.iter();
    let others: Vec<_> = others
        .filter(|(_, it)| it.ownership != Ownership::Ours)
        .collect();
    for operation in operations {
        let (kind, name) = match &operation.call {
            Call::RemoveNetwork { name, .. } => ("network", name),
            Call::RemoveVolume { name } => ("volume", name),
            _ => continue,
        };
        let users = others.iter().filter(|(_, it)| match kind {
            "network" => it.is_alive() && it.networks.contains_key(name),
            _ => it.volumes.contains(name),
        });
        conflicts.extend(users.map(|(by, _)| Conflict::InUse {
            kind,
            name: name.clone(),
            by: (*by).clone(),
        }));
    }
}
