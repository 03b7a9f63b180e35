//! Decoding: what each section of `scale.yaml` means.
//!
//! One `decode` a section: it asks `Fields` for every key, closes it, and only
//! then gives up on what was missing, so that all mistakes are found. Checks
//! that need facts stand beside the key they are about.
//! Next: `decode_app.rs` (the section `app`), `app.rs` (the types).

use std::net::IpAddr;

use crate::app::{App, Cache, Certificate, Database, Edge, Monitoring};
use crate::choices::Component;
use crate::fields::{Decode, Fields, Reader, Spanned};
use crate::mistakes::{Cause, Mistake};
use crate::node::{Kind, Node, Value};
use crate::quantity::Bytes;
use crate::settings::Settings;
use crate::suggest;
use crate::units::{HostName, Port, Text};

impl Decode for App {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, reader)?;
        let name = fields.required("name", "a DNS label, such as `shop`");
        fields.reader.name.clone_from(&name);
        let secrets = fields.optional("secrets").unwrap_or_default();
        let app = fields.required("app", "the app itself, at least its `build` or `image`");
        let edge = fields.section("edge");
        let database = fields.section("database");
        let cache = fields.section("cache");
        let monitoring = fields.section::<Spanned<Monitoring>>("monitoring");
        let images = fields.optional::<std::collections::BTreeMap<_, _>>("images");
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
            secrets,
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

/// Every published port must be its own, said or by default.
fn report_ports_used_twice(reader: &mut Reader<'_>) {
    let ports = std::mem::take(&mut reader.ports);
    for (i, &(second, port, second_at)) in ports.iter().enumerate() {
        let Some(&(first, _, first_at)) = ports[..i].iter().find(|(_, other, _)| *other == port)
        else {
            continue;
        };
        let hint = match (first_at, second_at) {
            (Some(_), Some(_)) => format!("give `{first}` or `{second}` another port"),
            (None, _) => {
                format!("{port} is the default of `{first}`: say another port for one of them")
            }
            (_, None) => {
                format!("{port} is the default of `{second}`: say another port for one of them")
            }
        };
        let Some(at) = second_at.or(first_at) else {
            continue;
        };
        let mut mistake = Mistake::new(
            Cause::PortUsedTwice {
                port,
                first,
                second,
                hint,
            },
            at,
            "used twice",
        );
        if let (Some(first_at), Some(_)) = (first_at, second_at) {
            mistake = mistake.also(first_at, "first here");
        }
        reader.mistakes.push(mistake);
    }
}

impl Decode for Edge {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, reader)?;
        let http = published(&mut fields, "http", "edge.http", Self::default_http());
        let https = published(&mut fields, "https", "edge.https", Self::default_https());
        let address = fields.optional::<Address>("address");
        let host = fields.optional::<HostName>("host");
        let certificate = fields.optional("certificate");
        let by_name = fields.reader.name.as_ref().map(HostName::of_app);
        fields.close();
        Some(Self {
            http,
            https,
            address: address.map_or(Self::default_address(), |Address(address)| address),
            host: host.or(by_name)?,
            certificate,
        })
    }
}

/// A published port, remembered so that no other takes it.
fn published(
    fields: &mut Fields<'_, '_, '_>,
    key: &'static str,
    path: &'static str,
    default: Port,
) -> Port {
    let wrong_before = fields.reader.mistakes.len();
    let (port, at) = fields.spanned(key, default);
    if fields.reader.mistakes.len() == wrong_before {
        fields.reader.ports.push((path, port.get(), at));
    }
    port
}

struct Address(IpAddr);

impl Text for Address {
    const EXPECTED: &'static str = "an IP address";

    fn parse(text: &str) -> Result<Self, Cause> {
        text.parse().map(Self).map_err(|_| Cause::BadAddress {
            address: text.to_owned(),
        })
    }
}

impl Decode for Certificate {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, reader)?;
        let file = fields.required::<ExistingFile>("file", "the PEM file with the certificate");
        let key = fields.required::<ExistingFile>("key", "the PEM file with the private key");
        fields.close();
        Some(Self {
            file: file?.0,
            key: key?.0,
        })
    }
}

/// The path of a file that is there.
struct ExistingFile(String);

impl Decode for ExistingFile {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Plain(path) = Plain::decode(node, reader)?;
        if !reader.facts.file_exists(&path) {
            reader.report(Cause::MissingFile { path }, node.at, "no such file");
            return None;
        }
        Some(Self(path))
    }
}

/// A text without a rule of its own, such as a path: not empty, no NUL.
pub(crate) struct Plain(pub String);

impl Decode for Plain {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if node.kind() == Kind::Text && !text.is_empty() => {
                passable(text, node, reader).map(Self)
            }
            Value::Scalar { text, .. } if matches!(node.kind(), Kind::Number | Kind::Bool) => {
                let hint = format!("put it in quotes to make it text: `\"{text}\"`");
                reader.wrong_type(node, "text", Some(hint));
                None
            }
            Value::Scalar { plain: false, .. } => {
                reader.wrong_type(node, "text that is not empty", None);
                None
            }
            _ => {
                reader.wrong_type(node, "text", None);
                None
            }
        }
    }
}

/// A text, a number or a boolean, taken as the text that it was written as.
#[derive(Debug, Clone)]
pub(crate) struct AnyScalar(pub String);

impl AnyScalar {
    /// Bytes that one argument or variable may have: Linux's MAX_ARG_STRLEN
    /// (131,072 with its NUL), less room for a variable's name.
    pub const MAX_LENGTH: usize = 130_000;
}

impl Decode for AnyScalar {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if node.kind() != Kind::Nothing => {
                passable(text, node, reader).map(Self)
            }
            _ => {
                let hint = match node.kind() {
                    Kind::Nothing => "write `\"\"` for an empty text, or leave the key out",
                    _ => "write lists and mappings as one text, in quotes",
                };
                reader.wrong_type(node, "text, a number or a boolean", Some(hint.to_owned()));
                None
            }
        }
    }
}

/// A text that a process can be handed: without NUL, and not too long.
fn passable(text: &str, node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    if text.contains('\0') {
        let place = reader.place();
        reader.report(Cause::Nul { place }, node.at, "`\\0` in here");
        return None;
    }
    if text.len() > AnyScalar::MAX_LENGTH {
        let place = reader.place();
        reader.report(Cause::TooLong { place }, node.at, "this");
        return None;
    }
    Some(text.to_owned())
}

/// A size that must not be below `least`.
pub(crate) fn size_from(
    fields: &mut Fields<'_, '_, '_>,
    key: &'static str,
    default: Bytes,
    least: Bytes,
) -> Bytes {
    let (size, at) = fields.spanned(key, default);
    if let Some(at) = at.filter(|_| size < least) {
        let place = format!("`{key}`");
        let hint = if size.get() < 100_000 {
            format!(
                "did you mean `{}Mi`? a number without a unit is bytes",
                size.get()
            )
        } else {
            format!("write at least `{least}`")
        };
        let cause = Cause::SizeTooSmall {
            size: size.to_string(),
            place,
            least: least.to_string(),
            hint,
        };
        fields.reader.report(cause, at, "too little");
    }
    size
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
        let port = published(&mut fields, "port", "monitoring.port", default.port);
        let retention = fields.or("retention", default.retention);
        fields.close();
        Some(Self {
            grafana,
            port,
            retention,
        })
    }
}
