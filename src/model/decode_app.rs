//! Decoding of the section `app`: the image, the command, the environment.
//!
//! Must never look at another section; what two sections share is checked in
//! `decode.rs`.
//! Next: `references.rs` (`${NAME}` in values), `words.rs` (a command as text).

use std::collections::BTreeMap;

use crate::app::{Build, Command, Program, Resources, SecretSource, Source, Worker};
use crate::cause::Cause;
use crate::fields::{Decode, Fields, Reader, Spanned};
use crate::mistakes::Mistake;
use crate::node::{Kind, Node, Value};
use crate::quantity::Bytes;
use crate::references::{self, Said};
use crate::units::{EnvName, HttpPath, ImageName, Replicas};
use crate::values::{AnyScalar, Plain, size_from};
use crate::words;

impl Decode for Program {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, reader)?;
        let source = source(&mut fields);
        let command = fields.optional("command");
        let port = fields.or("port", Self::default_port());
        let health = fields.or("health", HttpPath::root());
        let metrics = fields.optional("metrics");
        let env = fields.optional::<BTreeMap<EnvName, Spanned<AnyScalar>>>("env");
        let secrets = fields.optional::<BTreeMap<EnvName, Secret>>("secrets");
        let resources = fields.optional("resources").unwrap_or_default();
        let replicas = fields.or("replicas", Replicas::ONE);
        let release = fields.optional("release");
        let workers = fields.optional("workers").unwrap_or_default();
        let said = Said {
            env: fields.entries_below("env"),
            secrets: fields.entries_below("secrets"),
        };
        fields.close();

        report_in_both(&said, reader);
        let env = references::resolve(&env.unwrap_or_default(), &said, port, reader);
        let secrets = secrets
            .unwrap_or_default()
            .into_iter()
            .map(|(name, secret)| (name, secret.0))
            .collect();
        Some(Self {
            source: source?,
            command,
            port,
            health,
            metrics,
            env,
            secrets,
            resources,
            replicas,
            release,
            workers,
        })
    }
}

/// A variable has one value.
fn report_in_both(said: &Said<'_>, reader: &mut Reader<'_>) {
    for env in said.env {
        if let Some(secret) = said.secrets.iter().find(|secret| secret.key == env.key) {
            let name = env.key.clone();
            let mistake = Mistake::new(Cause::EnvAndSecret { name }, env.key_at, "a value here")
                .also(secret.key_at, "and a secret here");
            reader.mistakes.push(mistake);
        }
    }
}

/// Exactly one of `build` and `image`.
fn source(fields: &mut Fields<'_, '_, '_>) -> Option<Source> {
    let (build_at, image_at) = (fields.key("build"), fields.key("image"));
    let build = fields.optional::<Build>("build");
    let image = fields.optional::<ImageName>("image");
    let place = fields.reader.place();
    match (build_at, image_at) {
        (Some(build_at), Some(image_at)) => {
            let cause = Cause::OneTooMany {
                place,
                one: "build",
                other: "image",
            };
            let mistake = Mistake::new(cause, image_at, "and this").also(build_at, "this");
            fields.reader.mistakes.push(mistake);
            None
        }
        (None, None) => {
            let hint = "say `build: .` for a Dockerfile in this folder, or `image: NAME:TAG`";
            let cause = Cause::OneTooFew {
                place,
                one: "build",
                other: "image",
                hint,
            };
            let at = fields.at();
            fields.reader.report(cause, at, "in here");
            None
        }
        _ => build.map(Source::Build).or(image.map(Source::Image)),
    }
}

impl Decode for Build {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.kind() == Kind::Text {
            let folder = Spanned::<Plain>::decode(node, reader)?;
            return build(Some(folder), None, BTreeMap::new(), node, reader);
        }
        if !matches!(node.kind(), Kind::Map) {
            reader.wrong_type(node, "a folder, or a mapping with `context`", None);
            return None;
        }
        let mut fields = Fields::open(node, reader)?;
        let context = fields.optional("context");
        let dockerfile = fields.optional("dockerfile");
        let args = fields
            .optional::<BTreeMap<EnvName, AnyScalar>>("args")
            .unwrap_or_default();
        fields.close();
        build(context, dockerfile, args, node, reader)
    }
}

/// A build whose folder and Dockerfile are there.
fn build(
    context: Option<Spanned<Plain>>,
    dockerfile: Option<Spanned<Plain>>,
    args: BTreeMap<EnvName, AnyScalar>,
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<Build> {
    let context_at = context.as_ref().map_or(node.at, |context| context.at);
    let dockerfile_at = dockerfile
        .as_ref()
        .map_or(context_at, |dockerfile| dockerfile.at);
    let context = context.map_or_else(Build::default_context, |context| context.value.0);
    let dockerfile =
        dockerfile.map_or_else(Build::default_dockerfile, |dockerfile| dockerfile.value.0);
    let path = join(&context, &dockerfile);
    if !reader.facts.folder_exists(&context) {
        reader.report(
            Cause::MissingFolder { path: context },
            context_at,
            "no such folder",
        );
        return None;
    }
    if !reader.facts.file_exists(&path) {
        reader.report(
            Cause::MissingDockerfile { path },
            dockerfile_at,
            "looked for from here",
        );
        return None;
    }
    let args = args
        .into_iter()
        .map(|(name, AnyScalar(value))| (name, value))
        .collect();
    Some(Build {
        context,
        dockerfile,
        args,
    })
}

/// `file` inside of `folder`, both as written.
fn join(folder: &str, file: &str) -> String {
    let folder = folder.trim_end_matches('/');
    match folder {
        "." => file.to_owned(),
        _ if file.starts_with('/') => file.to_owned(),
        _ => format!("{folder}/{file}"),
    }
}

impl Decode for Command {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let words: Vec<String> = match (&node.value, node.kind()) {
            (Value::List(items), _) => {
                let words: Vec<_> = items
                    .iter()
                    .map(|item| AnyScalar::decode(item, reader))
                    .collect();
                words
                    .into_iter()
                    .map(|word| word.map(|AnyScalar(word)| word))
                    .collect::<Option<_>>()?
            }
            (Value::Scalar { .. }, Kind::Text) => {
                let AnyScalar(text) = AnyScalar::decode(node, reader)?;
                reader.check(words::split(&text), node.at)?
            }
            _ => {
                reader.wrong_type(node, "a list of words, or one text", None);
                return None;
            }
        };
        if words.first().is_none_or(String::is_empty) {
            reader.report(Cause::EmptyCommand, node.at, "no program");
            return None;
        }
        Some(Self(words))
    }
}

/// Where a secret comes from, known to have a value there.
pub(crate) struct Secret(SecretSource);

impl Decode for Secret {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = reader.key().to_owned();
        if matches!(node.kind(), Kind::Text | Kind::Number | Kind::Bool) {
            let hint = format!(
                "a secret's value never stands in scale.yaml: say `{name}: {{env: {name}}}` or \
                 `{name}: {{file: PATH}}`"
            );
            reader.wrong_type(node, "a mapping with `env` or `file`", Some(hint));
            return None;
        }
        let mut fields = Fields::open(node, reader)?;
        let (env_at, file_at) = (fields.key("env"), fields.key("file"));
        let env = fields.optional::<Spanned<Plain>>("env");
        let file = fields.optional::<Spanned<Plain>>("file");
        let (place, at) = (fields.reader.place(), fields.at());
        fields.close();
        match (env_at, file_at) {
            (Some(env_at), Some(file_at)) => {
                let cause = Cause::OneTooMany {
                    place,
                    one: "env",
                    other: "file",
                };
                let mistake = Mistake::new(cause, file_at, "and this").also(env_at, "this");
                reader.mistakes.push(mistake);
                None
            }
            (None, None) => {
                let reason = "neither `env` nor `file` says where it is".to_owned();
                let hint = format!("say `{name}: {{env: {name}}}` or `{name}: {{file: PATH}}`");
                reader.report(
                    Cause::SecretWithoutValue { name, reason, hint },
                    at,
                    "no source",
                );
                None
            }
            (Some(_), None) => from_env(name, env?, reader),
            (None, Some(_)) => from_file(name, file?, reader),
        }
    }
}

fn from_env(name: String, env: Spanned<Plain>, reader: &mut Reader<'_>) -> Option<Secret> {
    let Plain(variable) = env.value;
    if reader.facts.env_is_set(&variable) {
        return Some(Secret(SecretSource::Env(variable)));
    }
    let reason = format!("the variable `{variable}` is not set where scalectl runs");
    let hint = format!("set it (`export {variable}=...`), or take the value from a file");
    reader.report(
        Cause::SecretWithoutValue { name, reason, hint },
        env.at,
        "not set",
    );
    None
}

fn from_file(name: String, file: Spanned<Plain>, reader: &mut Reader<'_>) -> Option<Secret> {
    let Plain(path) = file.value;
    let (reason, label) = match reader.facts.file_exists(&path) {
        true if reader.facts.file_has_content(&path) => {
            return Some(Secret(SecretSource::File(path)));
        }
        true => (format!("the file `{path}` is empty"), "an empty file"),
        false => (format!("there is no file `{path}`"), "no such file"),
    };
    let hint = "write the value into that file; paths are relative to the folder of scale.yaml";
    let cause = Cause::SecretWithoutValue {
        name,
        reason,
        hint: hint.to_owned(),
    };
    reader.report(cause, file.at, label);
    None
}

impl Decode for Resources {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, reader)?;
        // Below this nothing starts; the engine itself refuses less than 6Mi.
        let least = Bytes::mebi(16);
        let memory = size_from(&mut fields, "memory", Self::default().memory, least);
        let cpus = fields.optional("cpus");
        fields.close();
        Some(Self { memory, cpus })
    }
}

impl Decode for Worker {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, reader)?;
        let command = fields.required("command", "what starts the worker");
        let replicas = fields.or("replicas", Replicas::ONE);
        let resources = fields.optional("resources").unwrap_or_default();
        fields.close();
        Some(Self {
            command: command?,
            replicas,
            resources,
        })
    }
}
