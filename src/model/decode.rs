//! Decoding: what each section of `scale.yaml` means.
//!
//! One `decode` a section: it asks `Fields` for every key, closes it, and only
//! then gives up on what was missing, so that all mistakes are found. Checks
//! that need facts stand beside the key they are about.
//! Next: `decode_app.rs` and `decode_edge.rs` (their sections), `app.rs` (types).

use std::collections::BTreeMap;

use crate::app::{App, Cache, Database, Monitoring};
use crate::cause::Cause;
use crate::choices::{Component, SecretDelivery};
use crate::decode_edge::{published, report_ports_used_twice};
use crate::fields::{Decode, Fields, Reader, Spanned};
use crate::node::{Kind, Node, Value};
use crate::quantity::Bytes;
use crate::settings::Settings;
use crate::suggest;
use crate::values::size_from;

impl Decode for App {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, reader)?;
        let name = fields.required("name", "a DNS label, such as `shop`");
        fields.reader.name.clone_from(&name);
        let secrets = fields.optional::<Delivery>("secrets");
        let app = fields.required("app", "the app itself, at least its `build` or `image`");
        let edge = fields.section("edge");
        let database = fields.section("database");
        let cache = fields.section("cache");
        let monitoring = fields.section::<Spanned<Monitoring>>("monitoring");
        let images = fields.optional::<BTreeMap<_, _>>("images");
        let size = fields.optional("size");
        let (images_said, grafana_at) = (fields.has("images"), fields.key("monitoring"));
        fields.close();
        report_ports_used_twice(reader);

        let (images, monitoring) = match (images, monitoring) {
            (None, _) if images_said => return None,
            (images, monitoring) => (images.unwrap_or_default(), monitoring?),
        };
        if monitoring.value.grafana && !images.contains_key(&Component::Grafana) {
            let at = grafana_at.unwrap_or(monitoring.at);
            reader.report(Cause::GrafanaWithoutImage, at, "`grafana: true` in here");
        }
        Some(Self {
            name: name?,
            secrets: secrets.map_or_else(SecretDelivery::default, |Delivery(delivery)| delivery),
            app: app?,
            edge: edge?,
            database: database?,
            cache: cache?,
            monitoring: monitoring.value,
            images,
            size,
        })
    }
}

/// How secrets are handed over; the secrets themselves stand elsewhere.
struct Delivery(SecretDelivery);

impl Decode for Delivery {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.kind() == Kind::Map {
            let hint = "the app's own secrets stand in `app`: move them there";
            reader.wrong_type(node, "`environment` or `files`", Some(hint.to_owned()));
            return None;
        }
        SecretDelivery::decode(node, reader).map(Self)
    }
}

impl Decode for Database {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = Fields::open(node, reader)?;
        let version = fields.optional::<Version>("version");
        let size = size_from(&mut fields, "size", default.size, Bytes::mebi(1024));
        let memory = size_from(&mut fields, "memory", default.memory, Bytes::mebi(128));
        let settings = fields.optional::<Settings>("settings");
        fields.close();
        Some(Self {
            version: version.map_or(default.version, |Version(version)| version),
            size,
            memory,
            settings: settings.map_or(default.settings, |Settings(settings)| settings),
        })
    }
}

/// A version of PostgreSQL that an image exists for; `17` and `"17"` are one.
struct Version(String);

impl Decode for Version {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Scalar { text, .. } = &node.value else {
            reader.wrong_type(node, "a version, such as `\"17\"`", None);
            return None;
        };
        let versions = reader.facts.database_versions();
        if versions.contains(text) {
            return Some(Self(text.clone()));
        }
        let known: Vec<&str> = versions.iter().map(String::as_str).collect();
        let major = text.split('.').next().unwrap_or(text);
        let hint = match known.contains(&major) {
            true => format!("did you mean `\"{major}\"`? the image decides the minor version"),
            false => format!("there are images for: {}", suggest::listed(&known)),
        };
        reader.report(
            Cause::UnknownVersion {
                version: text.clone(),
                hint,
            },
            node.at,
            "this version",
        );
        None
    }
}

impl Decode for Cache {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = Fields::open(node, reader)?;
        let memory = size_from(&mut fields, "memory", default.memory, Bytes::mebi(8));
        let policy = fields.or("policy", default.policy);
        fields.close();
        Some(Self { memory, policy })
    }
}

impl Decode for Monitoring {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = Fields::open(node, reader)?;
        let grafana = fields.or("grafana", default.grafana);
        let (key, port) = ("grafana_port", default.grafana_port);
        let grafana_port = match grafana {
            true => published(&mut fields, key, "monitoring.grafana_port", port),
            false => fields.or(key, port),
        };
        let port = published(&mut fields, "port", "monitoring.port", default.port);
        let retention = fields.or("retention", default.retention);
        fields.close();
        Some(Self {
            grafana,
            grafana_port,
            port,
            retention,
        })
    }
}
