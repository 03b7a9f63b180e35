//! `scalectl doctor`: looks at everything that `up` needs, each with what to do.
//!
//! Changes nothing. A check is a function from facts to a finding; the facts
//! come from one look at the engine and at scale.yaml.
//! Next: `engine/docker/facts.rs` (what an engine tells of itself).

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener};
use std::process::ExitCode;

use scalectl_documents::Compose;
use scalectl_engine::ImageEngine;
use scalectl_engine_docker::{DockerEngine, EngineReport};
use scalectl_images::CATALOGUE;
use scalectl_model::App;
use scalectl_plan::{Observed, Ownership};
use scalectl_ui::{Format, Mark, finding_text, size};
use serde::Serialize;

use crate::cli::context::{Context, IMAGE_TAG};
use crate::cli::error::CommandError;
use crate::exit::Exit;

const GIB: u64 = 1 << 30;
/// Images of all phases take 3 GiB, and a build needs room beside them.
const DISK_FOR_IMAGES: u64 = 5 * GIB;
/// Below that an engine cannot even write its own state down.
const DISK_AT_LEAST: u64 = GIB;
/// Certificates are made to count from an hour ago, and events are told by the second.
const CLOCK_NOTED: u64 = 2;
const CLOCK_WRONG: u64 = 300;

/// Look at all that `up` needs, and say what to do about what is wrong
#[derive(clap::Args, Debug)]
pub struct DoctorArgs {
    /// The stage of growth to look for; without it the one that runs, or else 1
    #[arg(long, value_name = "N")]
    phase: Option<u8>,
}

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    /// It works, and could be better.
    Note,
    Wrong,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    about: &'static str,
    state: State,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

fn ok(about: &'static str, says: impl Into<String>) -> Finding {
    Finding {
        about,
        state: State::Ok,
        says: says.into(),
        fix: None,
    }
}

fn note(about: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding {
        about,
        state: State::Note,
        says: says.into(),
        fix: Some(fix.into()),
    }
}

fn wrong(about: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding {
        state: State::Wrong,
        ..note(about, says, fix)
    }
}

pub async fn run(args: &DoctorArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let (findings, unreachable) = match context.engine().await {
        Ok(engine) => (look(args, context, &engine).await?, None),
        Err(error) => (vec![unreachable(&error)], Some(error.exit())),
    };
    let printed = match context.printer.format {
        Format::Json => context.printer.json(&findings),
        Format::Text => context.printer.data(&text(context, &findings)),
    };
    printed.map_err(|source| CommandError::io("print the findings", source))?;
    let is_wrong = findings.iter().any(|it| it.state == State::Wrong);
    match (unreachable, is_wrong) {
        (Some(exit), _) => Ok(exit.into()),
        (None, true) => Ok(Exit::Unwell.into()),
        (None, false) => Ok(ExitCode::SUCCESS),
    }
}

fn text(context: &Context, findings: &[Finding]) -> String {
    let line = |it: &Finding| {
        let mark = match it.state {
            State::Ok => Mark::Ok,
            State::Note => Mark::Note,
            State::Wrong => Mark::Wrong,
        };
        finding_text(
            &context.printer,
            mark,
            it.about,
            &it.says,
            it.fix.as_deref(),
        )
    };
    findings.iter().map(line).collect()
}

fn unreachable(error: &CommandError) -> Finding {
    let fix = miette::Diagnostic::help(error).map(|help| help.to_string());
    wrong(
        "engine",
        error.to_string(),
        fix.unwrap_or_else(|| "start it, then look again".to_owned()),
    )
}

async fn look(
    args: &DoctorArgs,
    context: &Context,
    engine: &DockerEngine,
) -> Result<Vec<Finding>, CommandError> {
    let report = engine.report().await?;
    let mut findings = vec![
        version(&engine.address(), &report),
        health_checks(&report),
        control_groups(&report),
        clock(engine.clock_ahead_seconds()),
        storage(&report),
    ];
    findings.extend(forwarding(&report));
    // What it says of version 1 has been said.
    let known = |warning: &&String| report.cgroup_version == 1 && warning.contains("cgroup v1");
    let warnings = report.warnings.iter().filter(|warning| !known(warning));
    findings.extend(warnings.map(|warning| {
        note(
            "engine",
            warning.trim_start_matches("WARNING: "),
            "the engine's own warning; its documentation says what follows from it",
        )
    }));
    let model = context.global.file.clone();
    if !model.exists() {
        findings.push(disk(&report, free_bytes(&report), 0));
        findings.push(memory(&report, 0));
        findings.push(note(
            "scale.yaml",
            format!("there is no {}: no stack was looked at", model.display()),
            "`scalectl init` writes one; `-f FILE` names another",
        ));
        return Ok(findings);
    }
    findings.extend(stack(args, context, engine, &report).await?);
    Ok(findings)
}

/// What a stack needs of the engine.
async fn stack(
    args: &DoctorArgs,
    context: &Context,
    engine: &DockerEngine,
    report: &EngineReport,
) -> Result<Vec<Finding>, CommandError> {
    let first = context.phases()?.keys().next().copied().unwrap_or(1);
    let app = match context.app(args.phase.unwrap_or(first)) {
        Ok(app) => app,
        Err(error) => {
            let says = error.to_string();
            return Ok(vec![wrong(
                "scale.yaml",
                says,
                "`scalectl check` shows each mistake",
            )]);
        }
    };
    let project = context.project_of(&app);
    let observed = context.look(engine, &project).await?;
    let phase = args.phase.or(observed.phase).unwrap_or(first);
    let app = context.app(phase)?;
    // Without it (the app's own command may be unknown yet) the app model tells
    // what it can.
    let compose = context
        .render(phase, Some(engine))
        .await
        .ok()
        .map(|it| it.compose);
    let needed = compose.as_ref().map_or(0, limits);
    let mut findings = vec![
        ok(
            "scale.yaml",
            format!("{project}, looked at for phase {phase}"),
        ),
        memory(report, needed),
        disk(report, free_bytes(report), app.database.size.get()),
        images(engine, phase).await?,
    ];
    for (address, port) in ports(&app, compose.as_ref()) {
        findings.push(port_finding(report, &observed, &address, port));
    }
    findings.extend(health(&observed));
    Ok(findings)
}

fn version(address: &str, report: &EngineReport) -> Finding {
    let (major, minor) = report.api;
    ok(
        "engine",
        format!(
            "Docker {} at {address}, API {major}.{minor}, {} on {}",
            report.version, report.system, report.architecture
        ),
    )
}

fn health_checks(report: &EngineReport) -> Finding {
    match report.api >= (1, 44) {
        true => ok("health", "health checks can start at a short interval"),
        false => note(
            "health",
            "this engine has no short interval for a container's first health checks, so `up` takes some seconds longer",
            "upgrade it to Docker 25 or newer (API 1.44)",
        ),
    }
}

fn control_groups(report: &EngineReport) -> Finding {
    let missing: Vec<_> = [
        (report.has_memory_limit, "memory"),
        (report.has_cpu_quota, "CPU"),
        (report.has_pids_limit, "processes"),
    ]
    .into_iter()
    .filter_map(|(has, what)| (!has).then_some(what))
    .collect();
    match (missing.is_empty(), report.cgroup_version) {
        (false, _) => note(
            "cgroups",
            format!("limits of {} are not enforced here", missing.join(", ")),
            "let the system use cgroup v2 (`systemd.unified_cgroup_hierarchy=1` on the kernel's command line)",
        ),
        (true, 2) => ok("cgroups", "version 2, every limit is enforced"),
        (true, _) => note(
            "cgroups",
            "version 1: limits are enforced, but systems are giving it up",
            "let the system use cgroup v2 (`systemd.unified_cgroup_hierarchy=1` on the kernel's command line)",
        ),
    }
}

fn clock(ahead: i64) -> Finding {
    let apart = ahead.unsigned_abs();
    let says = format!(
        "the engine's clock is {apart} s {} this machine's",
        if ahead < 0 { "behind" } else { "ahead of" }
    );
    let fix = "set both by NTP (`timedatectl set-ntp true`)";
    match (apart <= CLOCK_NOTED, apart <= CLOCK_WRONG) {
        (true, _) => ok("clock", "the engine's clock is right"),
        (false, true) => note("clock", says, fix),
        (false, false) => wrong("clock", says, fix),
    }
}

fn storage(report: &EngineReport) -> Finding {
    match report.storage_driver.as_str() {
        "vfs" => note(
            "storage",
            "the storage driver vfs copies every layer of every container: slow and large",
            "let the engine use overlay2 (`storage-driver` in its daemon.json)",
        ),
        driver => ok("storage", format!("storage driver {driver}")),
    }
}

fn forwarding(report: &EngineReport) -> Option<Finding> {
    (!report.forwards_ipv4 && !report.is_rootless).then(|| {
        wrong(
            "network",
            "the engine's machine does not forward IPv4: published ports and ways out do not work",
            "`sysctl net.ipv4.ip_forward=1` on it",
        )
    })
}

fn memory(report: &EngineReport, needed: u64) -> Finding {
    let there = report.memory_bytes;
    let cpus = report.cpus;
    let says = format!("{} and {cpus} CPUs", size(there));
    match needed {
        0 => ok("memory", says),
        _ if needed <= there => ok(
            "memory",
            format!("{says}; the stack's limits add up to {}", size(needed)),
        ),
        _ => note(
            "memory",
            format!(
                "{says}, and the stack's limits add up to {}: enough until they are all used",
                size(needed)
            ),
            "lower `memory:` of the database, the cache or the app in scale.yaml, or take a larger machine",
        ),
    }
}

/// The sum of the memory that containers may use.
fn limits(compose: &Compose) -> u64 {
    let services = compose.services.values();
    let lasting = services.filter(|service| !service.is_one_shot());
    let limits = lasting.map(|service| {
        let limit = service.mem_limit.map_or(0, |limit| limit.0);
        limit * u64::from(service.replicas())
    });
    limits.sum()
}

/// What is free where a local engine keeps its data.
fn free_bytes(report: &EngineReport) -> Option<u64> {
    if !report.is_local || report.root.is_empty() {
        return None;
    }
    let disk = rustix::fs::statvfs(report.root.as_str()).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

fn disk(report: &EngineReport, free: Option<u64>, data: u64) -> Finding {
    let Some(free) = free else {
        return note(
            "disk",
            "the engine's disk could not be looked at from here",
            format!("look at the room in {} on its machine (`df`)", report.root),
        );
    };
    let says = format!("{} free in {}", size(free), report.root);
    let fix = "`docker system df` shows what takes space; `docker builder prune` and `docker image prune` free some";
    match free {
        ..DISK_AT_LEAST => wrong("disk", says, fix),
        _ if free < DISK_FOR_IMAGES + data => note(
            "disk",
            format!(
                "{says}; the images take about {}, and the data is expected to need {}",
                size(DISK_FOR_IMAGES),
                size(data)
            ),
            fix,
        ),
        _ => ok("disk", says),
    }
}

async fn images(engine: &DockerEngine, phase: u8) -> Result<Finding, CommandError> {
    let mut missing = Vec::new();
    let wanted = CATALOGUE
        .iter()
        .filter(|recipe| recipe.since_phase <= phase);
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
fn ports(app: &App, compose: Option<&Compose>) -> BTreeSet<(String, u16)> {
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

fn port_finding(report: &EngineReport, observed: &Observed, address: &str, port: u16) -> Finding {
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
fn overlap(one: &str, other: &str) -> bool {
    let any = |address: &str| matches!(address, "0.0.0.0" | "::" | "");
    one == other || any(one) || any(other)
}

/// What runs and should not be as it is.
fn health(observed: &Observed) -> Vec<Finding> {
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
    use super::*;

    fn engine() -> EngineReport {
        EngineReport {
            api: (1, 51),
            cgroup_version: 2,
            has_memory_limit: true,
            has_cpu_quota: true,
            has_pids_limit: true,
            forwards_ipv4: true,
            memory_bytes: 2 * GIB,
            is_local: true,
            ..EngineReport::default()
        }
    }

    fn states(findings: &[Finding]) -> Vec<State> {
        findings.iter().map(|it| it.state).collect()
    }

    #[test]
    fn an_engine_with_everything_gets_no_advice() {
        let engine = engine();
        let findings = [
            health_checks(&engine),
            control_groups(&engine),
            clock(1),
            storage(&engine),
            memory(&engine, GIB),
            disk(&engine, Some(100 * GIB), 10 * GIB),
        ];
        assert!(
            findings.iter().all(|it| it.state == State::Ok),
            "{findings:?}"
        );
        assert_eq!(forwarding(&engine), None);
    }

    #[test]
    fn each_thing_that_is_wrong_is_found_and_has_a_fix() {
        let engine = EngineReport {
            api: (1, 41),
            cgroup_version: 1,
            storage_driver: "vfs".to_owned(),
            forwards_ipv4: false,
            has_memory_limit: false,
            ..engine()
        };
        let findings = [
            health_checks(&engine),
            control_groups(&engine),
            clock(-30),
            clock(3000),
            storage(&engine),
            memory(&engine, 3 * GIB),
            disk(&engine, Some(3 * GIB), 0),
            disk(&engine, Some(1000), 0),
            disk(&engine, None, 0),
        ];
        use State::{Note, Wrong};
        assert_eq!(
            states(&findings),
            [Note, Note, Note, Wrong, Note, Note, Note, Wrong, Note]
        );
        assert!(findings.iter().all(|it| it.fix.is_some()), "{findings:?}");
        assert_eq!(forwarding(&engine).map(|it| it.state), Some(Wrong));
    }

    #[test]
    fn a_port_that_a_program_holds_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let find = || port_finding(&engine(), &Observed::default(), "127.0.0.1", port);
        assert_eq!(find().state, State::Wrong);
        drop(listener);
        assert_eq!(find().state, State::Ok);
    }
}
