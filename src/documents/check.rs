//! Whether a document is whole: every reference resolves, nothing waits for itself.
//!
//! These are mistakes of templates or of a hand-edited document, not of
//! scale.yaml, which `model/` checks. Next: `lib.rs` (who calls this).

use std::collections::BTreeMap;

use crate::{Compose, Service};

/// A document that cannot be planned.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DocumentError {
    #[error("read the rendered compose.yaml")]
    #[diagnostic(code(scalectl::documents::syntax))]
    Syntax(#[source] Box<serde_saphyr::Error>),
    #[error("service `{service}` names the {kind} `{name}`, which the document does not have")]
    #[diagnostic(
        code(scalectl::documents::unknown_reference),
        help("add `{name}` to the document's {kind}s, or correct the name in `{service}`")
    )]
    UnknownReference {
        service: String,
        kind: &'static str,
        name: String,
    },
    #[error("services wait for each other: {}", chain.join(" -> "))]
    #[diagnostic(
        code(scalectl::documents::cycle),
        help("take one `depends_on` out of this circle")
    )]
    Cycle { chain: Vec<String> },
}

pub(crate) fn references(compose: &Compose) -> Result<(), DocumentError> {
    for (name, service) in &compose.services {
        one_service(compose, name, service)?;
    }
    cycles(compose)
}

fn one_service(compose: &Compose, name: &str, service: &Service) -> Result<(), DocumentError> {
    let require = |known: bool, kind: &'static str, wanted: &str| match known {
        true => Ok(()),
        false => Err(DocumentError::UnknownReference {
            service: name.to_owned(),
            kind,
            name: wanted.to_owned(),
        }),
    };
    let hooks = service
        .extension
        .ready
        .iter()
        .chain(&service.extension.drain);
    let runners = hooks.map(|hook| hook.service.as_str());
    for other in service.waits_for().chain(runners) {
        require(compose.services.contains_key(other), "service", other)?;
    }
    for config in &service.extension.takes {
        require(compose.configs.contains_key(config), "config", config)?;
    }
    for mount in &service.volumes {
        require(
            compose.volumes.contains_key(&mount.source),
            "volume",
            &mount.source,
        )?;
    }
    for network in service.networks.keys() {
        require(compose.networks.contains_key(network), "network", network)?;
    }
    for config in &service.configs {
        require(
            compose.configs.contains_key(&config.source),
            "config",
            &config.source,
        )?;
    }
    Ok(())
}

impl Service {
    /// Every service that must be there before this one starts.
    pub fn waits_for(&self) -> impl Iterator<Item = &str> {
        self.depends_on
            .keys()
            .map(String::as_str)
            .chain(self.network_of())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Open,
    Done,
}

fn cycles(compose: &Compose) -> Result<(), DocumentError> {
    let mut marks = BTreeMap::new();
    for name in compose.services.keys() {
        visit(compose, name, &mut marks, &mut Vec::new())?;
    }
    Ok(())
}

fn visit<'a>(
    compose: &'a Compose,
    name: &'a str,
    marks: &mut BTreeMap<&'a str, Mark>,
    path: &mut Vec<&'a str>,
) -> Result<(), DocumentError> {
    match marks.get(name) {
        Some(Mark::Done) => return Ok(()),
        Some(Mark::Open) => {
            let from = path.iter().position(|step| *step == name).unwrap_or(0);
            let chain = path[from..]
                .iter()
                .chain([&name])
                .map(|step| (*step).to_owned())
                .collect();
            return Err(DocumentError::Cycle { chain });
        }
        None => {}
    }
    marks.insert(name, Mark::Open);
    path.push(name);
    for next in compose
        .services
        .get(name)
        .into_iter()
        .flat_map(Service::waits_for)
    {
        visit(compose, next, marks, path)?;
    }
    path.pop();
    marks.insert(name, Mark::Done);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Compose;

    fn error_of(text: &str) -> String {
        Compose::parse(text)
            .expect_err("the document must be refused")
            .to_string()
    }

    #[test]
    fn a_reference_to_nothing_is_refused_with_both_names() {
        let text =
            "name: t\nservices:\n  a: {image: i, depends_on: {b: {condition: service_healthy}}}\n";
        assert_eq!(
            error_of(text),
            "service `a` names the service `b`, which the document does not have"
        );
    }

    #[test]
    fn what_a_service_says_to_scalectl_refers_to_what_is_there() {
        for (said, kind) in [
            ("ready: {service: b, command: [c]}", "service"),
            ("drain: {service: b, command: [c]}", "service"),
            ("takes: [b]", "config"),
        ] {
            let text = format!("name: t\nservices:\n  a: {{image: i, x-scalectl: {{{said}}}}}\n");
            assert_eq!(
                error_of(&text),
                format!("service `a` names the {kind} `b`, which the document does not have")
            );
        }
    }

    #[test]
    fn a_circle_is_refused_and_shown_whole() {
        let text = "name: t\nservices:\n  a: {image: i, depends_on: {b: {condition: service_started}}}\n  b: {image: i, network_mode: 'service:a'}\n";
        assert_eq!(error_of(text), "services wait for each other: a -> b -> a");
    }

    #[test]
    fn an_unknown_key_is_refused_not_passed_over() {
        let text = "name: t\nservices:\n  a: {image: i, privileged: true}\n";
        assert_eq!(error_of(text), "read the rendered compose.yaml");
    }
}
