//! Causes: everything that can be wrong with a `scale.yaml`, in words.
//!
//! Each says what is wrong and, as its help, what to do. Must never carry a
//! secret's value. A new cause wants a test that shows its whole message, and
//! stands in docs/scale-yaml.md by its code.
//! Next: `mistakes.rs` (where it is wrong).

use miette::Diagnostic;
use thiserror::Error;

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error, Diagnostic)]
#[non_exhaustive]
pub enum Cause {
    #[error("not YAML: {detail}")]
    #[diagnostic(code(scalectl::model::syntax))]
    Syntax {
        detail: String,
        #[help]
        hint: String,
    },
    #[error("{what} cannot stand in scale.yaml")]
    #[diagnostic(code(scalectl::model::not_here))]
    NotHere {
        what: String,
        #[help]
        hint: String,
    },
    #[error("the file is empty")]
    #[diagnostic(
        code(scalectl::model::empty),
        help("`scalectl init` writes one to start from")
    )]
    Empty,
    #[error("key `{key}` is there twice")]
    #[diagnostic(
        code(scalectl::model::duplicate_key),
        help("keep one of the two; what is below both can be put together")
    )]
    DuplicateKey { key: String },
    #[error("unknown key `{key}` in {place}")]
    #[diagnostic(code(scalectl::model::unknown_key))]
    UnknownKey {
        key: String,
        place: String,
        #[help]
        hint: String,
    },
    #[error("{place} lacks the key `{key}`")]
    #[diagnostic(
        code(scalectl::model::missing_key),
        help("add `{key}: ...`: {expected}")
    )]
    MissingKey {
        key: String,
        place: String,
        expected: String,
    },
    #[error("{place} is {found}, but must be {expected}")]
    #[diagnostic(code(scalectl::model::wrong_type))]
    WrongType {
        place: String,
        expected: String,
        found: &'static str,
        #[help]
        hint: String,
    },
    #[error("`{name}` is no name")]
    #[diagnostic(code(scalectl::model::bad_name))]
    BadName {
        name: String,
        #[help]
        hint: String,
    },
    #[error("port {port} is out of range")]
    #[diagnostic(code(scalectl::model::port_out_of_range), help("a port is 1 to 65535"))]
    PortOutOfRange { port: i128 },
    #[error("port {port} is used twice: by `{first}` and by `{second}`")]
    #[diagnostic(code(scalectl::model::port_used_twice))]
    PortUsedTwice {
        port: u16,
        first: &'static str,
        second: &'static str,
        #[help]
        hint: String,
    },
    #[error("{replicas} replicas are out of range")]
    #[diagnostic(
        code(scalectl::model::replicas_out_of_range),
        help("replicas are 1 to 100; a worker that shall not run is left out")
    )]
    ReplicasOutOfRange { replicas: i128 },
    #[error("`{size}` is no size")]
    #[diagnostic(code(scalectl::model::bad_size))]
    BadSize {
        size: String,
        #[help]
        hint: String,
    },
    #[error("{size} is too little: {place} needs at least {least}")]
    #[diagnostic(code(scalectl::model::size_too_small))]
    SizeTooSmall {
        size: String,
        place: String,
        least: String,
        #[help]
        hint: String,
    },
    #[error("`{cpus}` is no number of CPUs")]
    #[diagnostic(code(scalectl::model::bad_cpus))]
    BadCpus {
        cpus: String,
        #[help]
        hint: String,
    },
    #[error("`{retention}` is no duration")]
    #[diagnostic(code(scalectl::model::bad_retention))]
    BadRetention {
        retention: String,
        #[help]
        hint: String,
    },
    #[error("`{path}` is no HTTP path")]
    #[diagnostic(code(scalectl::model::bad_path))]
    BadPath {
        path: String,
        #[help]
        hint: String,
    },
    #[error("`{host}` is no host name")]
    #[diagnostic(code(scalectl::model::bad_host))]
    BadHost {
        host: String,
        #[help]
        hint: String,
    },
    #[error("`{address}` is no IP address")]
    #[diagnostic(
        code(scalectl::model::bad_address),
        help("write the address to publish on, such as 127.0.0.1; 0.0.0.0 means all of them")
    )]
    BadAddress { address: String },
    #[error("`{image}` is no image name")]
    #[diagnostic(code(scalectl::model::bad_image))]
    BadImage {
        image: String,
        #[help]
        hint: String,
    },
    #[error("the command is empty")]
    #[diagnostic(
        code(scalectl::model::empty_command),
        help("name the program to run, or leave the key out")
    )]
    EmptyCommand,
    #[error("the command cannot be split into words: {detail}")]
    #[diagnostic(code(scalectl::model::bad_command))]
    BadCommand {
        detail: String,
        #[help]
        hint: String,
    },
    #[error("{place} has a NUL character")]
    #[diagnostic(
        code(scalectl::model::nul),
        help("no program can be handed one; take it out")
    )]
    Nul { place: String },
    #[error("{place} is longer than a process can be handed")]
    #[diagnostic(
        code(scalectl::model::too_long),
        help("Linux takes at most 128 KiB in one variable or argument: put it into a file")
    )]
    TooLong { place: String },
    #[error("`{name}` is no name of a variable")]
    #[diagnostic(code(scalectl::model::bad_env_name))]
    BadEnvName {
        name: String,
        #[help]
        hint: String,
    },
    #[error("`{name}` is set by scalectl")]
    #[diagnostic(
        code(scalectl::model::reserved_env),
        help(
            "scalectl itself tells the app its PORT, DATABASE_URL, DATABASE_READ_URL, \
             DATABASE_SESSION_URL, CACHE_URL, QUEUE_URL and OIDC_ISSUER: take another name"
        )
    )]
    ReservedEnv { name: String },
    #[error("`{name}` is both in `env` and in `secrets`")]
    #[diagnostic(
        code(scalectl::model::env_and_secret),
        help("a variable has one value: keep one of the two")
    )]
    EnvAndSecret { name: String },
    #[error("`{name}` refers to itself: {chain}")]
    #[diagnostic(
        code(scalectl::model::cyclic_reference),
        help("give one of them a value of its own; `$${{` stands for a literal `${{`")
    )]
    CyclicReference { name: String, chain: String },
    #[error("unknown reference `${{{name}}}`")]
    #[diagnostic(code(scalectl::model::unknown_reference))]
    UnknownReference {
        name: String,
        #[help]
        hint: String,
    },
    #[error("`${{{name}}}` is a secret")]
    #[diagnostic(
        code(scalectl::model::secret_reference),
        help(
            "it would stand readable in what scalectl renders; let the app read the variable \
             `{name}` itself"
        )
    )]
    SecretReference { name: String },
    #[error("`${{` without the name and `}}` that belong to it")]
    #[diagnostic(
        code(scalectl::model::bad_reference),
        help("write `${{NAME}}`, or `$${{` for a literal `${{`")
    )]
    BadReference,
    #[error("there is no folder `{path}`")]
    #[diagnostic(
        code(scalectl::model::missing_folder),
        help(
            "paths are relative to the folder of scale.yaml; make the folder or correct the path"
        )
    )]
    MissingFolder { path: String },
    #[error("there is no Dockerfile at `{path}`")]
    #[diagnostic(
        code(scalectl::model::missing_dockerfile),
        help(
            "write one, say where it is with `build: {{context: ..., dockerfile: ...}}`, or name an `image`"
        )
    )]
    MissingDockerfile { path: String },
    #[error("there is no file `{path}`")]
    #[diagnostic(
        code(scalectl::model::missing_file),
        help("paths are relative to the folder of scale.yaml")
    )]
    MissingFile { path: String },
    #[error("the certificate in `{file}` is no good: {problem}")]
    #[diagnostic(
        code(scalectl::model::bad_certificate),
        help("`file` is a PEM chain, your certificate first; `key` is its unencrypted PEM key")
    )]
    BadCertificate { file: String, problem: String },
    #[error("secret `{name}` has no value: {reason}")]
    #[diagnostic(code(scalectl::model::secret_without_value))]
    SecretWithoutValue {
        name: String,
        reason: String,
        #[help]
        hint: String,
    },
    #[error("{place} has both `{one}` and `{other}`")]
    #[diagnostic(
        code(scalectl::model::one_too_many),
        help("exactly one of the two: keep one")
    )]
    OneTooMany {
        place: String,
        one: &'static str,
        other: &'static str,
    },
    #[error("{place} has neither `{one}` nor `{other}`")]
    #[diagnostic(code(scalectl::model::one_too_few))]
    OneTooFew {
        place: String,
        one: &'static str,
        other: &'static str,
        #[help]
        hint: &'static str,
    },
    #[error("no image has PostgreSQL {version}")]
    #[diagnostic(code(scalectl::model::unknown_version))]
    UnknownVersion {
        version: String,
        #[help]
        hint: String,
    },
    #[error("there is no phase `{phase}`")]
    #[diagnostic(code(scalectl::model::unknown_phase))]
    UnknownPhase {
        phase: String,
        #[help]
        hint: String,
    },
    #[error("`{key}` cannot differ between phases")]
    #[diagnostic(
        code(scalectl::model::key_of_all_phases),
        help("say it once, at the top of the file")
    )]
    KeyOfAllPhases { key: String },
    #[error("unknown {what} `{word}`")]
    #[diagnostic(code(scalectl::model::unknown_choice))]
    UnknownChoice {
        what: &'static str,
        word: String,
        #[help]
        hint: String,
    },
    #[error("`{setting}` belongs to scalectl: {reason}")]
    #[diagnostic(code(scalectl::model::owned_setting))]
    OwnedSetting {
        setting: String,
        reason: &'static str,
        #[help]
        hint: &'static str,
    },
    #[error("`{setting}` is no name of a PostgreSQL setting")]
    #[diagnostic(code(scalectl::model::bad_setting))]
    BadSetting {
        setting: String,
        #[help]
        hint: String,
    },
    #[error("the value of `{setting}` is {fault}")]
    #[diagnostic(code(scalectl::model::bad_setting_value))]
    BadSettingValue {
        setting: String,
        /// Such as `not one line`.
        fault: String,
        #[help]
        hint: String,
    },
    #[error("Grafana is on, but has no image")]
    #[diagnostic(
        code(scalectl::model::grafana_without_image),
        help(
            "scalectl has no image of Grafana: name one with `images: {{grafana: grafana/grafana:11.0}}`"
        )
    )]
    GrafanaWithoutImage,
}
