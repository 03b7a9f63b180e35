//! A container's definition in the engine's own words.
//!
//! Pure: one `ContainerSpec` in, one create body out, so that every field can be
//! tested without an engine. Adds nothing of its own, except what an older API
//! lacks is left out. Next: `apply.rs` (who sends it).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount,
    MountType, MountVolumeOptions, NetworkingConfig, PortBinding, PortMap, RestartPolicy,
    RestartPolicyNameEnum,
};
use scalectl_documents::{ByteSize, Healthcheck, Logging, PublishedPort, Restart, Service, Span};
use scalectl_plan::{ContainerSpec, NetworkPlace};

/// From here on an engine knows `start_interval` and takes more than one
/// network in a create call. Source: the API's version history, 1.44.
const RICHER: (u32, u32) = (1, 44);

/// The create call's body for an engine that speaks `api`.
/// `image` is a name or id.
pub(crate) fn body(spec: &ContainerSpec, image: &str, api: (u32, u32)) -> ContainerCreateBody {
    let service = &spec.service;
    let environment = service
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: service.entrypoint.clone(),
        cmd: service.command.clone(),
        hostname: service.hostname.clone(),
        user: service.user.clone(),
        env: Some(environment.collect()),
        labels: Some(map(&spec.labels)),
        healthcheck: service.healthcheck.as_ref().map(|check| health(check, api)),
        exposed_ports: Some(service.ports.iter().map(port_key).collect())
            .filter(|ports: &Vec<_>| !ports.is_empty()),
        stop_signal: service.stop_signal.clone(),
        stop_timeout: service
            .stop_grace_period
            .map(|grace| whole_seconds(grace.0)),
        networking_config: (!spec.networks.is_empty()).then(|| NetworkingConfig {
            endpoints_config: Some(
                spec.networks
                    .iter()
                    .map(|place| (place.network.clone(), endpoint(place)))
                    .collect(),
            ),
        }),
        host_config: Some(host(spec, service)),
        ..Default::default()
    }
}

/// A container's place in one network.
pub(crate) fn endpoint(place: &NetworkPlace) -> EndpointSettings {
    EndpointSettings {
        aliases: Some(place.aliases.clone()),
        ..Default::default()
    }
}

/// The engine takes whole seconds; a grace period is never cut short.
pub(crate) fn whole_seconds(length: Duration) -> i64 {
    let rounded = length.as_secs() + u64::from(length.subsec_nanos() > 0);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

fn host(spec: &ContainerSpec, service: &Service) -> HostConfig {
    HostConfig {
        network_mode: Some(network_mode(spec)),
        port_bindings: (!service.ports.is_empty()).then(|| bindings(&service.ports)),
        mounts: Some(mounts(spec)),
        tmpfs: (!service.tmpfs.is_empty())
            .then(|| service.tmpfs.iter().map(|line| tmpfs(line)).collect()),
        restart_policy: Some(RestartPolicy {
            name: Some(restart(service.restart)),
            maximum_retry_count: None,
        }),
        log_config: service.logging.as_ref().map(logging),
        init: service.init.then_some(true),
        readonly_rootfs: service.read_only.then_some(true),
        cap_add: list(&service.cap_add),
        cap_drop: list(&service.cap_drop),
        security_opt: list(&service.security_opt),
        sysctls: (!service.sysctls.is_empty()).then(|| map(&service.sysctls)),
        memory: service.mem_limit.map(bytes),
        // The same as the memory: no swap, so that a limit is one.
        memory_swap: service.mem_limit.map(bytes),
        shm_size: service.shm_size.map(bytes),
        nano_cpus: service.cpus.map(|cpus| (cpus * 1e9).round() as i64),
        pids_limit: service.pids_limit,
        ..Default::default()
    }
}

fn network_mode(spec: &ContainerSpec) -> String {
    match (&spec.network_of, spec.networks.first()) {
        (Some(holder), _) => format!("container:{holder}"),
        (None, _) if spec.no_network => "none".to_owned(),
        (None, Some(first)) => first.network.clone(),
        // A service without any place would land in the engine's own bridge,
        // where every container reaches every other: none is what was written.
        (None, None) => "none".to_owned(),
    }
}

fn mounts(spec: &ContainerSpec) -> Vec<Mount> {
    let pairs = spec.service.volumes.iter().zip(&spec.volume_names);
    pairs
        .map(|(mount, volume)| Mount {
            typ: Some(MountType::VOLUME),
            source: Some(volume.clone()),
            target: Some(mount.target.clone()),
            read_only: Some(mount.read_only),
            // What is mounted read-only was written by another container: the
            // image's own content must not fill it. A writable one keeps the
            // engine's way (content and owner of the image's folder), as Compose.
            volume_options: mount.read_only.then(|| MountVolumeOptions {
                no_copy: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        })
        .collect()
}

fn health(check: &Healthcheck, api: (u32, u32)) -> HealthConfig {
    let nanos =
        |span: Option<Span>| span.map(|span| i64::try_from(span.0.as_nanos()).unwrap_or(i64::MAX));
    HealthConfig {
        test: Some(check.test.clone()),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        start_period: nanos(check.start_period),
        start_interval: nanos(check.start_interval).filter(|_| api >= RICHER),
        retries: check.retries.map(i64::from),
    }
}

fn port_key(port: &PublishedPort) -> String {
    format!("{}/tcp", port.target)
}

fn bindings(ports: &[PublishedPort]) -> PortMap {
    let mut all = PortMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: port.host_ip.clone(),
            host_port: Some(port.published.clone()),
        };
        all.entry(port_key(port))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    all
}

/// Compose's form `path:option,option`.
fn tmpfs(line: &str) -> (String, String) {
    let (path, options) = line.split_once(':').unwrap_or((line, ""));
    (path.to_owned(), options.to_owned())
}

fn logging(logging: &Logging) -> HostConfigLogConfig {
    HostConfigLogConfig {
        typ: Some(logging.driver.clone()),
        config: Some(map(&logging.options)),
    }
}

fn restart(restart: Restart) -> RestartPolicyNameEnum {
    match restart {
        Restart::No => RestartPolicyNameEnum::NO,
        Restart::Always => RestartPolicyNameEnum::ALWAYS,
        Restart::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
    }
}

fn bytes(size: ByteSize) -> i64 {
    i64::try_from(size.0).unwrap_or(i64::MAX)
}

fn list(items: &[String]) -> Option<Vec<String>> {
    (!items.is_empty()).then(|| items.to_vec())
}

fn map(pairs: &BTreeMap<String, String>) -> HashMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
#[path = "create_tests.rs"]
mod tests;
