//! Units: the small values of an app model, each with its rule and its unit.
//!
//! A value of one of these types is right by construction: `parse` is the only
//! way in, and says what is wrong in the words of `Cause`. Must never know
//! where in the file a value stood: that is `fields.rs`.
//! Next: `app.rs` (who holds them), `quantity.rs` (sizes, CPUs, durations).

use std::fmt;
use std::num::NonZeroU16;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::cause::Cause;
use crate::fields::{Decode, Reader};
use crate::node::Node;
use crate::suggest;
use crate::values::Whole;

/// A value that is written as one piece of text and has a rule.
pub(crate) trait Text: Sized {
    /// What a person is told that it must be.
    const EXPECTED: &'static str = "text";
    /// Whether a number without quotes is read as its text.
    const NUMBERS: bool = false;

    fn parse(text: &str) -> Result<Self, Cause>;
}

/// Gives a newtype over `String` its reading methods.
macro_rules! text_newtype {
    ($type:ident) => {
        impl $type {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

/// Gives a type its place in the JSON Schema.
macro_rules! json_schema_of {
    ($type:ident, $($schema:tt)*) => {
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($schema)*)
            }
        }
    };
}
pub(crate) use json_schema_of;

/// The name of an app or a worker: a DNS label of at most 40 characters that
/// starts with a letter, so that it can name containers and hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(String);
text_newtype!(Name);
json_schema_of!(Name, {
    "type": "string", "pattern": "^[a-z]([a-z0-9-]*[a-z0-9])?$", "maxLength": 40
});

impl Name {
    /// Longest name, in characters: leaves room in a 63-character DNS label
    /// for what is put behind it (`shop-pooler-net-1`).
    pub const MAX_LENGTH: usize = 40;
}

/// For a name that does not come from a file; the error is a hint.
impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let may_stand = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let right = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(may_stand)
            && !text.ends_with('-')
            && text.len() <= Self::MAX_LENGTH;
        if right {
            return Ok(Self(text.to_owned()));
        }
        let rule = "a name has a-z, 0-9 and `-`, starts with a letter, does not end with `-` \
                    and has at most 40 characters";
        Err(match suggest::name(text) {
            Some(near) => format!("did you mean `{near}`? {rule}"),
            None => rule.to_owned(),
        })
    }
}

impl Text for Name {
    fn parse(text: &str) -> Result<Self, Cause> {
        text.parse().map_err(|hint| Cause::BadName {
            name: text.to_owned(),
            hint,
        })
    }
}

/// A TCP port, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Port(NonZeroU16);
json_schema_of!(Port, { "type": "integer", "minimum": 1, "maximum": 65535 });

impl Port {
    /// The port as a number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// A port known when scalectl is compiled; 0 becomes 1.
    pub(crate) const fn literal(number: u16) -> Self {
        match NonZeroU16::new(number) {
            Some(port) => Self(port),
            None => Self(NonZeroU16::MIN),
        }
    }

    fn from_number(number: i128) -> Result<Self, Cause> {
        u16::try_from(number)
            .ok()
            .and_then(NonZeroU16::new)
            .map(Self)
            .ok_or(Cause::PortOutOfRange { port: number })
    }
}

impl Decode for Port {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Whole(number) = Whole::decode(node, reader)?;
        reader.check(Self::from_number(number), node.at)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many instances of something run, 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Replicas(u16);
json_schema_of!(Replicas, { "type": "integer", "minimum": 1, "maximum": 100 });

impl Replicas {
    /// One instance, the default everywhere.
    pub const ONE: Self = Self(1);

    pub(crate) fn one() -> Self {
        Self::ONE
    }

    /// The number of instances.
    pub const fn get(self) -> u16 {
        self.0
    }

    fn from_number(number: i128) -> Result<Self, Cause> {
        match u16::try_from(number) {
            Ok(replicas @ 1..=100) => Ok(Self(replicas)),
            _ => Err(Cause::ReplicasOutOfRange { replicas: number }),
        }
    }
}

impl Decode for Replicas {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Whole(number) = Whole::decode(node, reader)?;
        reader.check(Self::from_number(number), node.at)
    }
}

/// A path of an HTTP request, such as `/healthz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpPath(String);
text_newtype!(HttpPath);
json_schema_of!(HttpPath, { "type": "string", "pattern": "^/[!-~]*$" });

impl HttpPath {
    pub(crate) fn root() -> Self {
        Self("/".to_owned())
    }
}

impl Text for HttpPath {
    fn parse(text: &str) -> Result<Self, Cause> {
        if text.starts_with('/') && text.chars().all(|c| c.is_ascii_graphic()) {
            return Ok(Self(text.to_owned()));
        }
        let hint = if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) {
            format!("did you mean `/{text}`? a path starts with `/`")
        } else {
            "a path starts with `/`; spaces and letters beyond ASCII are percent-encoded".to_owned()
        };
        Err(Cause::BadPath {
            path: text.to_owned(),
            hint,
        })
    }
}

/// A DNS name, such as `shop.example.com`: labels of a-z, 0-9 and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostName(String);
text_newtype!(HostName);
json_schema_of!(HostName, { "type": "string", "format": "hostname", "maxLength": 253 });

impl HostName {
    pub(crate) fn of_app(name: &Name) -> Self {
        Self(format!("{name}.localhost"))
    }
}

impl Text for HostName {
    fn parse(text: &str) -> Result<Self, Cause> {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() <= 253 && text.split('.').all(is_label) {
            return Ok(Self(text.to_owned()));
        }
        Err(Cause::BadHost {
            host: text.to_owned(),
            hint: suggest::host(text),
        })
    }
}

/// The name of a variable in the app's environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct EnvName(String);
text_newtype!(EnvName);
json_schema_of!(EnvName, { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" });

impl EnvName {
    /// Names that scalectl sets for the app, so that the user may not.
    pub const RESERVED: [&str; 7] = [
        "PORT",
        "DATABASE_URL",
        "DATABASE_READ_URL",
        "DATABASE_SESSION_URL",
        "CACHE_URL",
        "QUEUE_URL",
        "OIDC_ISSUER",
    ];

    /// Whether `text` has the form of a variable's name.
    pub(crate) fn is_name(text: &str) -> bool {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    }
}

impl Text for EnvName {
    fn parse(text: &str) -> Result<Self, Cause> {
        if Self::RESERVED.contains(&text) {
            return Err(Cause::ReservedEnv {
                name: text.to_owned(),
            });
        }
        if Self::is_name(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(Cause::BadEnvName {
            name: text.to_owned(),
            hint: suggest::env_name(text),
        })
    }
}

/// The name of an image with its tag or digest, as Docker writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageName(String);
text_newtype!(ImageName);
json_schema_of!(ImageName, { "type": "string", "minLength": 1 });

/// For a name that does not come from a file; the error is a hint.
impl std::str::FromStr for ImageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match crate::image_name::fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(hint) => Err(hint),
        }
    }
}

impl Text for ImageName {
    fn parse(text: &str) -> Result<Self, Cause> {
        match crate::image_name::fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(hint) => Err(Cause::BadImage {
                image: text.to_owned(),
                hint,
            }),
        }
    }
}
