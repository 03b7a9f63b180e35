//! What `doctor` says of a stack: its images, its ports, what runs.

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener};

use scalectl_documents::Compose;
use scalectl_engine::ImageEngine;
use scalectl_engine_docker::{DockerEngine, EngineReport};
use scalectl_images::{CATALOGUE, Recipe};
use scalectl_model::App;
use scalectl_plan::{Observed, Ownership};

use super::finding::{Finding, note, ok, wrong};
use crate::cli::context::IMAGE_TAG;
use crate::cli::error::CommandError;

/// The sum of the memory that containers may use.
pub(super) fn limits(compose: &Compose) -> u64 {
    let services = compose.services.values();
    let lasting = services.filter(|service| !service.is_one_shot());
    let limits = lasting.map(|service| {
        let limit = service.mem_limit.map_or(0, |limit| limit.0);
        limit * u64::from(service.replicas())
    });
    limits.sum()
}

/// Whether a stack has a use for an image: by its documents, where they could be
/// rendered, for scale.yaml may name another one in its place.
fn is_wanted(recipe: &Recipe, phase: u8, compose: Option<&Compose>) -> bool {
    let image = scalectl_images::reference(recipe.name, IMAGE_TAG);
    match compose {
        Some(compose) => compose.services.values().any(|it| it.image == image),
        None => recipe.since_phase <= phase,
    }
}

pub(super) async fn images(
    engine: &DockerEngine,
    phase: u8,
    compose: Option<&Compose>,
) -> Result<Finding, CommandError> {
    let mut missing = Vec::new();
    let wanted = CATALOGUE
        .iter()
        .filter(|recipe| is_wanted(recipe, phase, compose));
    for recipe in wanted {
        let image = scalectl_images::reference(recipe.name, IMAGE_TAG);
        if ImageEngine::image_config(engine, &image).await?.is_none() {
            missing.push(recipe.name);
        }
    }
    if missing.is_empty() {
        return Ok(ok("images", format!("all of phase {phase} are there")));
    }
    let says = format!("{} missing: {}", missing.len(), missing.join(", "));
    let base = scalectl_images::base_reference();
    if ImageEngine::image_config(engine, &base).await?.is_some() {
        let fix = format!("`scalectl images build --phase {phase}`; `up` builds them, too");
        return Ok(note("images", says, fix));
    }
    let error = scalectl_images::ImageError::NoBase { base };
    let fix = miette::Diagnostic::help(&error).map(|help| help.to_string());
    Ok(wrong(
        "images",
        format!("{says}; and {error}"),
        fix.unwrap_or_default(),
    ))
}

/// The ports that the stack publishes, with their addresses.
pub(super) fn ports(app: &App, compose: Option<&Compose>) -> BTreeSet<(String, u16)> {
    let Some(compose) = compose else {
        let address = app.edge.address.to_string();
        let ports = [app.edge.http, app.edge.https];
        return ports.map(|port| (address.clone(), port.get())).into();
    };
    let services = compose.services.values();
    let ports = services.flat_map(|service| &service.ports);
    ports
        .filter_map(|port| {
            let address = port.host_ip.clone();
            let address = address.unwrap_or_else(|| "0.0.0.0".to_owned());
            Some((address, port.published.parse().ok()?))
        })
        .collect()
}

pub(super) fn port_finding(
    report: &EngineReport,
    observed: &Observed,
    address: &str,
    port: u16,
) -> Finding {
    let holder = observed.containers.iter().find(|(_, container)| {
        let mut held = container.published.iter();
        held.any(|(other, held)| *held == port && overlap(other, address))
    });
    match holder {
        Some((name, it)) if it.ownership == Ownership::Ours => {
            return ok(
                "port",
                format!("{port} is published by {name}, of this stack"),
            );
        }
        Some((name, _)) => {
            return wrong(
                "port",
                format!("{port} on {address} is in use by container {name}"),
                "stop that container, or choose another port in scale.yaml",
            );
        }
        None => {}
    }
    let in_use = report.is_local
        && address.parse::<IpAddr>().is_ok_and(|address| {
            let bound = TcpListener::bind((address, port));
            bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
        });
    match (in_use, report.is_rootless && port < 1024) {
        (true, _) => wrong(
            "port",
            format!("{port} on {address} is in use by a program of this machine"),
            format!(
                "stop it (`ss -ltnp 'sport = :{port}'` shows it), or choose another port in scale.yaml"
            ),
        ),
        (false, true) => wrong(
            "port",
            format!("{port} is below 1024, which an engine without root may not publish"),
            "choose another port in scale.yaml, or lower `net.ipv4.ip_unprivileged_port_start`",
        ),
        (false, false) => ok("port", format!("{port} on {address} is free")),
    }
}

/// Whether two addresses of one machine cannot both have a port.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let any = |address: &str| matches!(address, "0.0.0.0" | "::" | "");
    one == other || any(one) || any(other)
}

/// What runs and should not be as it is.
pub(super) fn health(observed: &Observed) -> Vec<Finding> {
    let stranded = scalectl_plan::stranded(observed).into_iter();
    let stranded = stranded.map(|(name, holder)| {
        wrong(
            "stack",
            format!("{name} is stranded: the network of {holder} that it lives in is gone"),
            "`scalectl up` mends it",
        )
    });
    let ill = observed
        .ours()
        .filter(|(_, it)| it.is_running() && it.health == scalectl_plan::Health::Unhealthy);
    let ill = ill.map(|(name, it)| {
        wrong(
            "stack",
            format!("{name} is unhealthy"),
            format!("`scalectl logs {}` shows what it says", it.service),
        )
    });
    stranded.chain(ill).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn an_image_in_whose_place_another_is_named_is_not_missed() {
        let text = "name: shop\nservices:\n  cache: {image: 'docker.io/valkey/valkey:8.1'}\n";
        let compose = Compose::parse(text).unwrap();
        let mut all = CATALOGUE.iter();
        let valkey = all.find(|recipe| recipe.name == "valkey").unwrap();
        assert!(is_wanted(valkey, 2, None));
        assert!(!is_wanted(valkey, 2, Some(&compose)));
    }

    #[test]
    fn a_port_that_a_program_holds_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let local = EngineReport {
            is_local: true,
            ..EngineReport::default()
        };
        let find = || port_finding(&local, &Observed::default(), "127.0.0.1", port);
        assert_eq!(find().state, State::Wrong);
        drop(listener);
        assert_eq!(find().state, State::Ok);
    }
}
