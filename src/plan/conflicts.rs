//! What forbids a plan: everything in its way is named at once, nothing changes.
//!
//! An object that scalectl did not make is never touched, whatever its name.
//! Next: `rules.rs` (asks here first).

use std::collections::BTreeSet;

use scalectl_documents::{Compose, PullPolicy};

use crate::observed::{Observed, Ownership};
use crate::spec::instance_name;

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
        help(
            "`scalectl migrate --to {wanted}` moves a running stack with its data; `up` only brings up or changes one phase"
        )
    )]
    OtherPhase {
        project: String,
        running: u8,
        wanted: u8,
    },
    #[error("the volume {volume} holds data of a database member that this phase does not have")]
    #[diagnostic(
        code(scalectl::plan::member_left_behind),
        help(
            "it may hold newer writes than the others: bring the larger phase up, then `scalectl migrate` to the smaller one"
        )
    )]
    MemberLeftBehind { volume: String },
}

pub(crate) fn refuse(compose: &Compose, observed: &Observed) -> Result<(), PlanError> {
    let mut conflicts = Vec::new();
    other_phase(compose, observed, &mut conflicts);
    members_left_behind(compose, observed, &mut conflicts);
    names_taken(compose, observed, &mut conflicts);
    ports_taken(compose, observed, &mut conflicts);
    images_missing(compose, observed, &mut conflicts);
    match conflicts.is_empty() {
        true => Ok(()),
        false => Err(PlanError { conflicts }),
    }
}

fn other_phase(compose: &Compose, observed: &Observed, conflicts: &mut Vec<Conflict>) {
    let wanted = compose.about.as_ref().map(|about| about.phase);
    if let (Some(wanted), Some(running)) = (wanted, observed.phase)
        && wanted != running
    {
        conflicts.push(Conflict::OtherPhase {
            project: compose.name.clone(),
            running,
            wanted,
        });
    }
}

fn members_left_behind(compose: &Compose, observed: &Observed, conflicts: &mut Vec<Conflict>) {
    if compose.services.is_empty() || observed.phase.is_some() {
        return;
    }
    let wanted: BTreeSet<_> = compose
        .volumes
        .keys()
        .map(|key| compose.volume_name(key))
        .collect();
    let left = observed.volumes.iter().filter(|(name, volume)| {
        volume.ownership == Ownership::Ours && volume.is_member_data && !wanted.contains(*name)
    });
    conflicts.extend(left.map(|(name, _)| Conflict::MemberLeftBehind {
        volume: name.clone(),
    }));
}

fn names_taken(compose: &Compose, observed: &Observed, conflicts: &mut Vec<Conflict>) {
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
    for (key, service) in &compose.services {
        for number in 1..=service.replicas() {
            let name = instance_name(&compose.name, key, number);
            check(
                "container",
                &name,
                observed.containers.get(&name).map(|it| &it.ownership),
            );
        }
    }
    for name in compose.networks.keys().map(|key| compose.network_name(key)) {
        check(
            "network",
            &name,
            observed.networks.get(&name).map(|it| &it.ownership),
        );
    }
    for name in compose.volumes.keys().map(|key| compose.volume_name(key)) {
        check(
            "volume",
            &name,
            observed.volumes.get(&name).map(|it| &it.ownership),
        );
    }
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

fn overlap(one: &str, other: &str) -> bool {
    let any = |address: &str| matches!(address, "0.0.0.0" | "::" | "");
    one == other || any(one) || any(other)
}

fn images_missing(compose: &Compose, observed: &Observed, conflicts: &mut Vec<Conflict>) {
    let missing: BTreeSet<_> = compose
        .services
        .values()
        .filter(|service| service.pull_policy == Some(PullPolicy::Never))
        .filter(|service| !observed.images.contains_key(&service.image))
        .map(|service| service.image.clone())
        .collect();
    conflicts.extend(
        missing
            .into_iter()
            .map(|reference| Conflict::ImageMissing { reference }),
    );
}
