//! The bodies of create calls, straight from the document.

use scalectl_documents::{Compose, Condition, Restart, Service, Span};
use serde_json::{Map, Value, json};

use crate::stack;

/// One container. `networks` is how many the engine takes in this call.
pub fn container(compose: &Compose, name: &str, number: u32, networks: usize) -> Value {
    let service = &compose.services[name];
    let environment = service.environment.iter();
    let environment: Vec<_> = environment.map(|(key, it)| format!("{key}={it}")).collect();
    let mut body = json!({
        "Image": service.image,
        "Env": environment,
        "Labels": labels(compose, name, number),
        "HostConfig": host(compose, service),
    });
    let endpoints: Map<String, Value> = stack::networks(service)
        .into_iter()
        .take(networks)
        .map(|key| {
            (
                compose.network_name(&key),
                endpoint(compose, name, number, &key),
            )
        })
        .collect();
    set(
        &mut body,
        "NetworkingConfig",
        (!endpoints.is_empty()).then(|| json!({"EndpointsConfig": endpoints})),
    );
    set(
        &mut body,
        "Entrypoint",
        service.entrypoint.as_ref().map(|it| json!(it)),
    );
    set(
        &mut body,
        "Cmd",
        service.command.as_ref().map(|it| json!(it)),
    );
    set(
        &mut body,
        "Hostname",
        service.hostname.as_ref().map(|it| json!(it)),
    );
    set(&mut body, "User", service.user.as_ref().map(|it| json!(it)));
    set(
        &mut body,
        "StopSignal",
        service.stop_signal.as_ref().map(|it| json!(it)),
    );
    set(
        &mut body,
        "StopTimeout",
        service
            .stop_grace_period
            .map(|it| json!(it.0.as_secs_f64().ceil() as i64)),
    );
    set(&mut body, "Healthcheck", health(service));
    let ports = service.ports.iter();
    let ports: Map<String, Value> = ports
        .map(|it| (format!("{}/tcp", it.target), json!({})))
        .collect();
    set(
        &mut body,
        "ExposedPorts",
        (!ports.is_empty()).then(|| json!(ports)),
    );
    body
}

/// A place in one network.
pub fn endpoint(compose: &Compose, name: &str, number: u32, key: &str) -> Value {
    let service = &compose.services[name];
    let mut aliases = vec![name.to_owned(), stack::container(compose, name, number)];
    if let Some(place) = service.networks.get(key) {
        aliases.extend(place.aliases.iter().cloned());
    }
    json!({ "Aliases": aliases })
}

fn set(body: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        body[key] = value;
    }
}

fn nanos(span: Option<Span>) -> Value {
    span.map_or(json!(0), |span| json!(span.0.as_nanos() as i64))
}

fn health(service: &Service) -> Option<Value> {
    let check = service.healthcheck.as_ref()?;
    Some(json!({
        "Test": check.test,
        "Interval": nanos(check.interval),
        "Timeout": nanos(check.timeout),
        "StartPeriod": nanos(check.start_period),
        "StartInterval": nanos(check.start_interval),
        "Retries": check.retries.unwrap_or(0),
    }))
}

/// The labels that scalectl sets, with the hash's and the image's place taken.
fn labels(compose: &Compose, name: &str, number: u32) -> Value {
    let service = &compose.services[name];
    let word = |condition| match condition {
        Condition::Started => "service_started",
        Condition::Healthy => "service_healthy",
        Condition::Completed => "service_completed_successfully",
    };
    let depends = service.depends_on.iter();
    let depends: Vec<_> = depends
        .map(|(on, it)| format!("{on}:{}:false", word(it.condition)))
        .collect();
    let (hash, number) = ("0".repeat(64), number.to_string());
    let mut labels: Map<String, Value> = service
        .labels
        .iter()
        .map(|(key, it)| (key.clone(), json!(it)))
        .collect();
    for (key, value) in [
        ("dev.scalectl.project", &compose.name),
        ("dev.scalectl.service", &name.to_owned()),
        ("dev.scalectl.number", &number),
        ("dev.scalectl.hash", &hash),
        ("com.docker.compose.project", &compose.name),
        ("com.docker.compose.service", &name.to_owned()),
        ("com.docker.compose.container-number", &number),
        ("com.docker.compose.config-hash", &hash),
        ("com.docker.compose.depends_on", &depends.join(",")),
        ("com.docker.compose.oneoff", &"False".to_owned()),
        ("com.docker.compose.image", &format!("sha256:{hash}")),
    ] {
        labels.insert(key.to_owned(), json!(value));
    }
    Value::Object(labels)
}

fn host(compose: &Compose, service: &Service) -> Value {
    let mode = match (service.network_of(), stack::networks(service).first()) {
        (Some(holder), _) => format!("container:{}", stack::container(compose, holder, 1)),
        (None, Some(key)) => compose.network_name(key),
        (None, None) => "none".to_owned(),
    };
    let mounts = service.volumes.iter().map(|mount| {
        let source = compose.volume_name(&mount.source);
        let options = if mount.read_only { json!({"NoCopy": true}) } else { Value::Null };
        json!({"Type": "volume", "Source": source, "Target": mount.target, "ReadOnly": mount.read_only, "VolumeOptions": options})
    });
    let tmpfs = service
        .tmpfs
        .iter()
        .map(|line| line.split_once(':').unwrap_or((line, "")));
    let tmpfs: Map<String, Value> = tmpfs
        .map(|(path, it)| (path.to_owned(), json!(it)))
        .collect();
    let mut bindings = Map::new();
    for port in &service.ports {
        let binding = json!([{"HostIp": port.host_ip.clone().unwrap_or_default(), "HostPort": port.published}]);
        bindings.insert(format!("{}/tcp", port.target), binding);
    }
    let memory = service.mem_limit.map_or(0, |it| it.0);
    let mut host = json!({
        "NetworkMode": mode,
        "Mounts": mounts.collect::<Vec<_>>(),
        "Tmpfs": tmpfs,
        "PortBindings": bindings,
        "RestartPolicy": {"Name": restart(service.restart)},
        "Init": service.init,
        "ReadonlyRootfs": service.read_only,
        "CapAdd": service.cap_add,
        "CapDrop": service.cap_drop,
        "SecurityOpt": service.security_opt,
        "Sysctls": service.sysctls,
        "Memory": memory,
        "MemorySwap": memory,
        "ShmSize": service.shm_size.map_or(0, |it| it.0),
        "NanoCpus": service.cpus.map_or(0, |cpus| (cpus * 1e9).round() as i64),
        "PidsLimit": service.pids_limit.unwrap_or(0),
    });
    let logging = service.logging.as_ref();
    set(
        &mut host,
        "LogConfig",
        logging.map(|it| json!({"Type": it.driver, "Config": it.options})),
    );
    host
}

fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::No => "no",
        Restart::Always => "always",
        Restart::OnFailure => "on-failure",
        Restart::UnlessStopped => "unless-stopped",
    }
}
