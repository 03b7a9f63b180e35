use std::collections::BTreeMap;

use scalectl_documents::{Compose, MountType};
use serde_json::{Value, json};

use super::*;

const SERVICE: &str = r#"
name: shop
volumes: {conf: {}, data: {}}
networks: {front: {}, back: {}}
services:
  db:
    image: scalectl/postgres:17
    entrypoint: [/usr/bin/patroni]
    command: [/etc/scalectl/patroni.yaml]
    hostname: db-1
    user: "999:999"
    environment: {LANG: C.UTF-8}
    volumes:
      - {type: volume, source: conf, target: /etc/scalectl, read_only: true}
      - {type: volume, source: data, target: /var/lib/postgresql}
    tmpfs: ["/tmp:size=64m,mode=1777", /run]
    ports: [{target: 5432, published: "15432", host_ip: 127.0.0.1}]
    healthcheck:
      test: [CMD, probe]
      interval: 10s
      timeout: 1500ms
      start_period: 1m
      start_interval: 100ms
      retries: 3
    restart: unless-stopped
    stop_signal: SIGINT
    stop_grace_period: 1m500ms
    read_only: true
    init: true
    cap_drop: [ALL]
    cap_add: [CHOWN]
    security_opt: ["no-new-privileges:true"]
    sysctls: {net.core.somaxconn: "1024"}
    mem_limit: 256m
    shm_size: 64m
    cpus: 1.5
    pids_limit: 200
    logging: {driver: local, options: {max-size: 10m}}
"#;

fn spec() -> ContainerSpec {
    let compose = Compose::parse(SERVICE).unwrap();
    ContainerSpec {
        name: "shop-db-1".to_owned(),
        service: compose.services["db"].clone(),
        labels: BTreeMap::from([("dev.scalectl.project".to_owned(), "shop".to_owned())]),
        networks: ["shop_front", "shop_back"]
            .map(|network| NetworkPlace {
                network: network.to_owned(),
                aliases: vec!["db".to_owned()],
            })
            .to_vec(),
        network_of: None,
        no_network: false,
        volume_names: vec!["shop_conf".to_owned(), "shop_data".to_owned()],
    }
}

fn json(spec: &ContainerSpec, api: (u32, u32)) -> Value {
    serde_json::to_value(body(spec, &spec.service.image, api)).unwrap()
}

#[test]
fn every_key_of_a_service_reaches_the_engine() {
    let body = json(&spec(), (1, 53));
    for (pointer, expected) in [
        ("/Image", json!("scalectl/postgres:17")),
        ("/Entrypoint", json!(["/usr/bin/patroni"])),
        ("/Cmd", json!(["/etc/scalectl/patroni.yaml"])),
        ("/Hostname", json!("db-1")),
        ("/User", json!("999:999")),
        ("/Env", json!(["LANG=C.UTF-8"])),
        ("/Labels", json!({"dev.scalectl.project": "shop"})),
        ("/StopSignal", json!("SIGINT")),
        ("/StopTimeout", json!(61)),
        ("/Healthcheck/Test", json!(["CMD", "probe"])),
        ("/Healthcheck/Interval", json!(10_000_000_000_i64)),
        ("/Healthcheck/Timeout", json!(1_500_000_000_i64)),
        ("/Healthcheck/StartPeriod", json!(60_000_000_000_i64)),
        ("/Healthcheck/StartInterval", json!(100_000_000)),
        ("/Healthcheck/Retries", json!(3)),
        ("/ExposedPorts", json!({"5432/tcp": {}})),
        (
            "/HostConfig/PortBindings",
            json!({"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "15432"}]}),
        ),
        ("/HostConfig/NetworkMode", json!("shop_front")),
        (
            "/HostConfig/Tmpfs",
            json!({"/tmp": "size=64m,mode=1777", "/run": ""}),
        ),
        ("/HostConfig/RestartPolicy/Name", json!("unless-stopped")),
        ("/HostConfig/ReadonlyRootfs", json!(true)),
        ("/HostConfig/Init", json!(true)),
        ("/HostConfig/CapDrop", json!(["ALL"])),
        ("/HostConfig/CapAdd", json!(["CHOWN"])),
        ("/HostConfig/SecurityOpt", json!(["no-new-privileges:true"])),
        ("/HostConfig/Sysctls", json!({"net.core.somaxconn": "1024"})),
        ("/HostConfig/Memory", json!(256 << 20)),
        ("/HostConfig/MemorySwap", json!(256 << 20)),
        ("/HostConfig/ShmSize", json!(64 << 20)),
        ("/HostConfig/NanoCpus", json!(1_500_000_000_i64)),
        ("/HostConfig/PidsLimit", json!(200)),
        (
            "/HostConfig/LogConfig",
            json!({"Type": "local", "Config": {"max-size": "10m"}}),
        ),
        ("/HostConfig/Mounts/0/Type", json!("volume")),
        ("/HostConfig/Mounts/0/Source", json!("shop_conf")),
        ("/HostConfig/Mounts/0/Target", json!("/etc/scalectl")),
        ("/HostConfig/Mounts/0/ReadOnly", json!(true)),
        ("/HostConfig/Mounts/0/VolumeOptions/NoCopy", json!(true)),
        ("/HostConfig/Mounts/1/Source", json!("shop_data")),
        ("/HostConfig/Mounts/1/ReadOnly", json!(false)),
        (
            "/NetworkingConfig/EndpointsConfig/shop_front/Aliases",
            json!(["db"]),
        ),
        (
            "/NetworkingConfig/EndpointsConfig/shop_back/Aliases",
            json!(["db"]),
        ),
    ] {
        assert_eq!(body.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(
        body.pointer("/HostConfig/Mounts/1/VolumeOptions"),
        None,
        "a data volume takes the image's owner over"
    );
}

#[test]
fn an_engine_before_1_44_is_not_sent_a_start_interval() {
    let body = json(&spec(), (1, 41));
    assert_eq!(body.pointer("/Healthcheck/StartInterval"), None);
    assert_eq!(
        body.pointer("/Healthcheck/Interval"),
        Some(&json!(10_000_000_000_i64))
    );
}

#[test]
fn a_container_in_anothers_network_names_no_network_of_its_own() {
    let mut spec = spec();
    spec.networks.clear();
    spec.network_of = Some("shop-edge-net-1".to_owned());
    let body = json(&spec, (1, 53));
    assert_eq!(
        body.pointer("/HostConfig/NetworkMode"),
        Some(&json!("container:shop-edge-net-1"))
    );
    assert_eq!(body.pointer("/NetworkingConfig"), None);
}

#[test]
fn without_a_network_there_is_none_rather_than_the_engines_own_bridge() {
    let mut spec = spec();
    spec.networks.clear();
    for no_network in [true, false] {
        spec.no_network = no_network;
        assert_eq!(
            json(&spec, (1, 53)).pointer("/HostConfig/NetworkMode"),
            Some(&json!("none"))
        );
    }
}

#[test]
fn what_a_service_does_not_say_is_left_to_the_image() {
    let service = Service {
        image: "app:1".to_owned(),
        ..Service::default()
    };
    let spec = ContainerSpec { service, ..spec() };
    let body = json(&spec, (1, 53));
    for pointer in [
        "/Entrypoint",
        "/Cmd",
        "/User",
        "/Healthcheck",
        "/StopSignal",
        "/HostConfig/Memory",
        "/HostConfig/Init",
    ] {
        assert_eq!(body.pointer(pointer), None, "{pointer}");
    }
    assert_eq!(
        spec.service.volumes.first().map(|mount| mount.kind),
        None::<MountType>
    );
}

#[test]
fn two_ports_on_one_target_are_both_published() {
    let mut spec = spec();
    let second = PublishedPort {
        target: 5432,
        published: "25432".to_owned(),
        host_ip: None,
    };
    spec.service.ports.push(second);
    let body = json(&spec, (1, 53));
    let bindings = body
        .pointer("/HostConfig/PortBindings/5432~1tcp")
        .and_then(Value::as_array)
        .map(Vec::len);
    assert_eq!(bindings, Some(2));
}
