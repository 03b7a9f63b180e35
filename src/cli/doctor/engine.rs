//! What `doctor` says of an engine: functions from its facts to findings.
//!
//! Next: `engine/docker/facts.rs` (what an engine tells of itself).

use scalectl_engine_docker::EngineReport;
use scalectl_ui::size;

use super::finding::{Finding, note, ok, wrong};

const GIB: u64 = 1 << 30;
/// Images of all phases take 3 GiB, and a build needs room beside them.
const DISK_FOR_IMAGES: u64 = 5 * GIB;
/// Below that an engine cannot even write its own state down.
const DISK_AT_LEAST: u64 = GIB;
/// Certificates are made to count from an hour ago, and events are told by the second.
const CLOCK_NOTED: u64 = 2;
const CLOCK_WRONG: u64 = 300;

pub(super) fn version(address: &str, report: &EngineReport) -> Finding {
    let (major, minor) = report.api;
    ok(
        "engine",
        format!(
            "Docker {} at {address}, API {major}.{minor}, {} on {}",
            report.version, report.system, report.architecture
        ),
    )
}

pub(super) fn health_checks(report: &EngineReport) -> Finding {
    match report.api >= (1, 44) {
        true => ok("health", "health checks can start at a short interval"),
        false => note(
            "health",
            "this engine has no short interval for a container's first health checks, so `up` takes some seconds longer",
            "upgrade it to Docker 25 or newer (API 1.44)",
        ),
    }
}

/// Edge and pooler hand waiting connections from an instance that ends to its
/// successor by `net.ipv4.tcp_migrate_req`, which Linux has from 5.14 on (source:
/// its documentation, networking/ip-sysctl). Without it their network cannot start.
pub(super) fn kernel(report: &EngineReport) -> Finding {
    const NEEDED: (u32, u32) = (5, 14);
    match kernel_version(&report.kernel) {
        Some(found) if found < NEEDED => wrong(
            "kernel",
            format!(
                "Linux {} on the engine's machine: edge and pooler cannot start on it",
                report.kernel
            ),
            "take Linux 5.14 or newer (Debian 12, Ubuntu 22.04)",
        ),
        Some(_) => ok("kernel", format!("Linux {}", report.kernel)),
        None => note(
            "kernel",
            format!(
                "the engine does not say which Linux it runs on ({:?})",
                report.kernel
            ),
            "it must be 5.14 or newer",
        ),
    }
}

/// `6.1.0-18-amd64` -> (6, 1)
fn kernel_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|it: char| !it.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

pub(super) fn control_groups(report: &EngineReport) -> Finding {
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

pub(super) fn clock(ahead: i64) -> Finding {
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

pub(super) fn storage(report: &EngineReport) -> Finding {
    match report.storage_driver.as_str() {
        "vfs" => note(
            "storage",
            "the storage driver vfs copies every layer of every container: slow and large",
            "let the engine use overlay2 (`storage-driver` in its daemon.json)",
        ),
        driver => ok("storage", format!("storage driver {driver}")),
    }
}

pub(super) fn forwarding(report: &EngineReport) -> Option<Finding> {
    (!report.forwards_ipv4 && !report.is_rootless).then(|| {
        wrong(
            "network",
            "the engine's machine does not forward IPv4: published ports and ways out do not work",
            "`sysctl net.ipv4.ip_forward=1` on it",
        )
    })
}

pub(super) fn memory(report: &EngineReport, needed: u64) -> Finding {
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

/// What is free where a local engine keeps its data.
pub(super) fn free_bytes(report: &EngineReport) -> Option<u64> {
    if !report.is_local || report.root.is_empty() {
        return None;
    }
    let disk = rustix::fs::statvfs(report.root.as_str()).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

pub(super) fn disk(report: &EngineReport, free: Option<u64>, data: u64) -> Finding {
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

#[cfg(test)]
mod tests {
    use super::super::finding::State;
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
            kernel: "6.1.0-18-amd64".to_owned(),
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
            kernel(&engine),
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
            kernel: "5.10.0-28-amd64".to_owned(),
            ..engine()
        };
        let findings = [
            kernel(&engine),
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
            [
                Wrong, Note, Note, Note, Wrong, Note, Note, Note, Wrong, Note
            ]
        );
        assert!(findings.iter().all(|it| it.fix.is_some()), "{findings:?}");
        assert_eq!(forwarding(&engine).map(|it| it.state), Some(Wrong));
    }
}
