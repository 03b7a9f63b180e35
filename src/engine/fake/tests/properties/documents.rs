//! Random documents: stacks that no phase has, of every kind of service.
//!
//! A shape is drawn freely and made valid when it is written out: what a shape
//! names but the document lacks is left out. Names are shuffled, so that their
//! order says nothing of who waits for whom.

use proptest::prelude::*;
use scalectl_documents::Compose;
use serde_json::{Map, Value, json};

pub const PROJECT: &str = "p";
pub const IMAGES: usize = 3;
pub const SECRET: &str = "hush-4711";
const NAMES: [&str; 7] = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"];
const PORTS: u16 = 4;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Daemon,
    OneShot,
    Holder,
}

#[derive(Debug, Clone)]
pub struct ServiceShape {
    present: bool,
    kind: Kind,
    rolls: bool,
    image: usize,
    variant: u8,
    depends_on: Vec<(usize, bool)>,
    joins: Option<usize>,
    networks: u8,
    volumes: Vec<(usize, bool)>,
    port: Option<u16>,
    configs: u8,
    has_check: bool,
    scale: u64,
    drained_by: Option<usize>,
}

/// A whole document; services wait only for those of a lower index.
#[derive(Debug, Clone)]
pub struct Shape {
    pub services: Vec<ServiceShape>,
    pub names: Vec<&'static str>,
    config_variant: u8,
}

fn service() -> impl Strategy<Value = ServiceShape> {
    let kind = prop_oneof![
        6 => Just(Kind::Daemon),
        2 => Just(Kind::OneShot),
        2 => Just(Kind::Holder)
    ];
    let what = (
        prop::bool::weighted(0.85),
        kind,
        any::<bool>(),
        0..IMAGES,
        0..3u8,
    );
    let ties = (
        prop::collection::vec((0..NAMES.len(), any::<bool>()), 0..3),
        prop::option::weighted(0.3, 0..NAMES.len()),
        0..8u8,
        prop::collection::vec((0..3usize, any::<bool>()), 0..3),
    );
    let rest = (
        prop::option::weighted(0.3, 0..PORTS),
        0..4u8,
        prop::bool::weighted(0.7),
        prop_oneof![5 => Just(1u64), 1 => Just(0), 2 => 2..4u64],
        prop::option::weighted(0.4, 0..NAMES.len()),
    );
    (what, ties, rest).prop_map(|(what, ties, rest)| ServiceShape {
        present: what.0,
        kind: what.1,
        rolls: what.2,
        image: what.3,
        variant: what.4,
        depends_on: ties.0,
        joins: ties.1,
        networks: ties.2,
        volumes: ties.3,
        port: rest.0,
        configs: rest.1,
        has_check: rest.2,
        scale: rest.3,
        drained_by: rest.4,
    })
}

/// One document, and another that shares much with it.
pub fn two_shapes() -> impl Strategy<Value = (Shape, Shape)> {
    let names = Just(NAMES.to_vec()).prop_shuffle();
    let services = prop::collection::vec(service(), 1..=NAMES.len());
    let changes = prop::collection::vec(prop::option::weighted(0.35, service()), NAMES.len());
    (names, services, changes, 0..2u8, 0..2u8).prop_map(|(names, services, changes, one, two)| {
        let other = services.iter().zip(changes);
        let other = other.map(|(same, change)| change.unwrap_or_else(|| same.clone()));
        let second = Shape {
            services: other.collect(),
            names: names.clone(),
            config_variant: two,
        };
        let first = Shape {
            services,
            names,
            config_variant: one,
        };
        (first, second)
    })
}

impl Shape {
    pub fn compose(&self) -> Compose {
        Compose::parse(&self.text(false)).expect("a generated document must be valid")
    }

    /// The document; the same one with everything in another order.
    pub fn text(&self, backwards: bool) -> String {
        let mut services: Vec<_> = (0..self.services.len())
            .filter(|index| self.services[*index].present)
            .map(|index| (self.names[index].to_owned(), self.service(index)))
            .collect();
        if backwards {
            services.reverse();
        }
        let services: Vec<_> = services
            .iter()
            .map(|(name, it)| format!("{:?}: {it}", name))
            .collect();
        let files = ["one", "two"][self.config_variant as usize];
        let rest = json!({
            "networks": {"front": {}, "back": {"internal": true}},
            "volumes": {"v0": {}, "v1": {"labels": {"dev.scalectl.data": "member"}}, "v2": {}},
            "configs": {"text": {"content": files}, "secret": {"environment": "TOKEN"}},
        });
        let Value::Object(rest) = rest else {
            panic!("an object")
        };
        let mut rest: Vec<_> = rest
            .iter()
            .map(|(key, it)| format!("{key:?}: {it}"))
            .collect();
        rest.insert(0, format!("\"services\": {{{}}}", services.join(", ")));
        if backwards {
            rest.reverse();
        }
        format!("{{\"name\": \"{PROJECT}\", {}}}", rest.join(", "))
    }

    fn is_daemon(&self, index: usize) -> bool {
        let there = self.services.get(index).filter(|it| it.present);
        there.is_some_and(|it| it.kind != Kind::OneShot)
    }

    /// Whose network the service joins: of one that has its own.
    fn joins(&self, index: usize) -> Option<usize> {
        let target = self.services[index].joins?;
        (target < index && self.is_daemon(target) && self.joins(target).is_none()).then_some(target)
    }

    fn is_joined(&self, index: usize) -> bool {
        (0..self.services.len())
            .any(|other| self.services[other].present && self.joins(other) == Some(index))
    }

    fn has_port(&self, index: usize) -> bool {
        let it = &self.services[index];
        let mut earlier = self.services[..index].iter();
        it.present
            && it.port.is_some()
            && it.kind != Kind::OneShot
            && self.joins(index).is_none()
            && !earlier.any(|other| other.present && other.port == it.port)
    }

    fn scale(&self, index: usize) -> u64 {
        let it = &self.services[index];
        match it.kind {
            Kind::Daemon if !self.is_joined(index) && !self.has_port(index) => it.scale,
            _ => 1,
        }
    }

    fn service(&self, index: usize) -> Value {
        let it = &self.services[index];
        let mut service = Map::new();
        let mut put = |key: &str, value: Value| service.insert(key.to_owned(), value);
        put("image", json!(format!("image-{}", it.image)));
        put("environment", json!({"VARIANT": format!("{}", it.variant)}));
        let restart = match it.kind {
            Kind::OneShot => "no",
            _ => "unless-stopped",
        };
        put("restart", json!(restart));
        put("scale", json!(self.scale(index)));
        if it.has_check && it.kind != Kind::OneShot {
            put("healthcheck", json!({"test": ["CMD", "true"]}));
        }
        match self.joins(index) {
            Some(holder) => {
                let mode = format!("service:{}", self.names[holder]);
                put("network_mode", json!(mode));
            }
            None => {
                let names = ["front", "back"].into_iter().enumerate();
                let networks = names.filter(|(bit, _)| it.networks & (1 << bit) != 0);
                let networks: Map<_, _> = networks
                    .map(|(_, name)| (name.to_owned(), json!({})))
                    .collect();
                put("networks", Value::Object(networks));
            }
        }
        if self.has_port(index) {
            let port = 8000 + it.port.unwrap_or_default();
            put(
                "ports",
                json!([{"target": 80, "published": port.to_string(), "host_ip": "127.0.0.1"}]),
            );
        }
        let mounts = it.volumes.iter().map(|(volume, read_only)| {
            json!({"source": format!("v{volume}"), "target": format!("/v{volume}"), "read_only": read_only})
        });
        put("volumes", mounts.collect());
        let configs = ["text", "secret"].into_iter().enumerate();
        let configs = configs.filter(|(bit, _)| it.configs & (1 << bit) != 0);
        let configs =
            configs.map(|(_, name)| json!({"source": name, "target": format!("/{name}")}));
        put("configs", configs.collect());
        put("depends_on", self.depends_on(index));
        put("x-scalectl", self.extension(index));
        Value::Object(service)
    }

    fn depends_on(&self, index: usize) -> Value {
        let all = self.services[index].depends_on.iter();
        let there = all.filter(|(other, _)| *other < index && self.services[*other].present);
        let entries = there.map(|(other, strict)| {
            let target = &self.services[*other];
            let condition = match (target.kind, target.has_check && *strict) {
                (Kind::OneShot, _) => "service_completed_successfully",
                (_, true) => "service_healthy",
                (_, false) => "service_started",
            };
            (
                self.names[*other].to_owned(),
                json!({"condition": condition}),
            )
        });
        Value::Object(entries.collect())
    }

    fn extension(&self, index: usize) -> Value {
        let it = &self.services[index];
        let update = match (it.kind, it.rolls) {
            (Kind::Holder, _) => "holder",
            (_, true) => "rolling",
            (_, false) => "recreate",
        };
        let drain = it
            .drained_by
            .filter(|by| self.services.get(*by).is_some_and(|by| by.present));
        match drain {
            Some(by) => {
                let drain = json!({"service": self.names[by], "command": ["drain", "{address}"]});
                let ready = json!({"service": self.names[by], "command": ["ready", "{name}"]});
                match it.variant {
                    0 => json!({"update": update, "drain": drain, "ready": ready}),
                    1 => json!({"update": update, "ready": ready}),
                    _ => json!({"update": update, "drain": drain}),
                }
            }
            None => json!({"update": update}),
        }
    }
}
