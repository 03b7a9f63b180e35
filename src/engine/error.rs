//! How a call can end other than well, with what to do about it.
//!
//! Made by the engine rooms from the engine's status codes and messages; the
//! ui prints text, cause and hint. No variant may hold a secret.

/// What an engine says when a call does not succeed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EngineError {
    #[error("no Docker engine answers at {address}")]
    #[diagnostic(code(scalectl::engine::unreachable), help("{hint}"))]
    Unreachable {
        address: String,
        hint: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    #[error("no permission to use the Docker engine at {address}")]
    #[diagnostic(
        code(scalectl::engine::no_permission),
        help(
            "add yourself to the group `docker` (`sudo usermod -aG docker $USER`, then log in again), or run as root"
        )
    )]
    NoPermission { address: String },
    #[error("{origin} names no engine that can be used: {problem}")]
    #[diagnostic(
        code(scalectl::engine::address),
        help(
            "an address is unix:///path, tcp://host:port or ssh://user@host; `docker context ls` lists contexts"
        )
    )]
    Address { origin: String, problem: String },
    #[error("the Docker engine speaks API {found}, and scalectl needs 1.41 or newer")]
    #[diagnostic(
        code(scalectl::engine::too_old),
        help("upgrade the engine to Docker 20.10 or newer; the current one is quicker, too")
    )]
    TooOld { found: String },
    #[error("port {port} on {address} is already in use{}", by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default())]
    #[diagnostic(
        code(scalectl::engine::port_taken),
        help(
            "stop it (`ss -ltnp` on the engine's machine shows processes), or choose another port in scale.yaml (`edge:` and `monitoring:` have them)"
        )
    )]
    PortTaken {
        address: String,
        port: u16,
        by: Option<String>,
    },
    #[error("the engine has no free address range left for network {network}")]
    #[diagnostic(
        code(scalectl::engine::addresses_exhausted),
        help(
            "remove networks that nothing uses (`docker network prune`), or give the engine more with `default-address-pools`"
        )
    )]
    AddressesExhausted { network: String },
    #[error("the engine's disk is full: it could not {action}")]
    #[diagnostic(
        code(scalectl::engine::disk_full),
        help(
            "free space (`docker system df` shows what takes it), then run the same command again: it goes on where it stopped"
        )
    )]
    DiskFull { action: String },
    #[error("the engine does not have the image {reference}")]
    #[diagnostic(code(scalectl::engine::image_missing), help("{hint}"))]
    ImageMissing { reference: String, hint: String },
    #[error("the engine could not fetch the image {reference}: {message}")]
    #[diagnostic(
        code(scalectl::engine::pull_failed),
        help(
            "can the engine's machine reach that registry? `docker pull {reference}` tries it again; an image that is on another machine comes by `docker save` and `docker load`"
        )
    )]
    PullFailed { reference: String, message: String },
    #[error("the name {name} is taken by something that scalectl did not make ({owner})")]
    #[diagnostic(
        code(scalectl::engine::name_taken),
        help(
            "it is left as it is: rename or remove it, or use another project name with `-p NAME`"
        )
    )]
    NameTaken { name: String, owner: String },
    #[error("{subject} is gone")]
    #[diagnostic(
        code(scalectl::engine::gone),
        help("something else removed it: run the same command again")
    )]
    Gone { subject: String },
    #[error("{container} ended with exit code {code} before it was {wanted}")]
    #[diagnostic(code(scalectl::engine::ended), help("{}", all_lines(tail, service)))]
    Ended {
        container: String,
        service: String,
        wanted: &'static str,
        code: i64,
        tail: LogTail,
    },
    #[error("{container} was not {wanted} within {seconds} s")]
    #[diagnostic(
        code(scalectl::engine::deadline),
        help(
            "give it longer with `--wait-timeout`, or look why: {}",
            all_lines(tail, service)
        )
    )]
    Deadline {
        container: String,
        service: String,
        wanted: &'static str,
        seconds: u64,
        tail: LogTail,
    },
    #[error("`{command}` in {container} ended with exit code {code}: {output}")]
    #[diagnostic(code(scalectl::engine::exec_failed))]
    ExecFailed {
        container: String,
        command: String,
        code: i64,
        output: String,
    },
    #[error("{image} could not be built{}: {message}", in_step(step))]
    #[diagnostic(
        code(scalectl::engine::build_failed),
        help(
            "{}steps before it are kept, so that another try goes on there",
            if tail.0.is_empty() { "" } else { "the step's last lines are above; " }
        )
    )]
    BuildFailed {
        image: String,
        /// The step of the Dockerfile; empty before the first.
        step: String,
        message: String,
        tail: LogTail,
    },
    #[error("the environment variable {name} is not set")]
    #[diagnostic(
        code(scalectl::engine::secret_missing),
        help("set it to the secret's value and run the same command again")
    )]
    SecretMissing { name: String },
    #[error("the engine refused to {action}: {message}")]
    #[diagnostic(code(scalectl::engine::refused))]
    Refused { action: String, message: String },
    #[error("no reply from the engine to {action}")]
    #[diagnostic(
        code(scalectl::engine::unknown),
        help(
            "it may have happened; run the same command again: it looks first and goes on from there"
        )
    )]
    Unknown {
        action: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// Where what a container wrote is to be read.
fn all_lines(tail: &LogTail, service: &str) -> String {
    match tail.0.is_empty() {
        true => format!(
            "it wrote nothing, or nothing that can be read here; `scalectl logs {service}` looks again"
        ),
        false => format!("its last lines are above; all of them: `scalectl logs {service}`"),
    }
}

fn in_step(step: &str) -> String {
    match step {
        "" => String::new(),
        step => format!(" (`{step}`)"),
    }
}

/// The last lines that a container wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogTail(pub Vec<String>);

impl EngineError {
    /// The last lines of the container that failed, where there are any.
    pub fn tail(&self) -> &[String] {
        match self {
            Self::Ended { tail, .. }
            | Self::Deadline { tail, .. }
            | Self::BuildFailed { tail, .. } => &tail.0,
            _ => &[],
        }
    }

    /// Whether the call may have worked although it did not succeed.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use miette::Diagnostic;

    #[test]
    fn lines_are_said_to_be_above_only_where_there_are_any() {
        let hint = |lines: &[&str]| {
            let error = EngineError::Ended {
                container: "shop-app-1".to_owned(),
                service: "app".to_owned(),
                wanted: "healthy",
                code: 1,
                tail: LogTail(lines.iter().map(|it| (*it).to_owned()).collect()),
            };
            error
                .help()
                .map(|help| help.to_string())
                .unwrap_or_default()
        };
        assert!(hint(&["boom"]).starts_with("its last lines are above;"));
        assert!(!hint(&[]).contains("above"), "{}", hint(&[]));
    }
}
