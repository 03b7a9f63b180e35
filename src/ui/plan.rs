//! A plan for people: what is made, replaced and removed, and why.

use std::collections::BTreeMap;

use scalectl_plan::{Call, Cause, Operation, Plan};

/// One line a container, network, volume or image, with sign and cause; then the
/// commands that are run, what is kept and what is destroyed. The single calls stand in `--output json`.
pub fn plan_text(plan: &Plan) -> String {
    if plan.is_empty() {
        return format!("{}: nothing to do, everything is as wanted\n", plan.project);
    }
    let mut lines = Vec::new();
    for (subject, change) in changes(plan) {
        lines.push(format!(
            "{} {:9} {:32} {}",
            change.sign(),
            change.kind,
            subject,
            change.words()
        ));
    }
    lines.extend(commands(plan));
    lines.push(String::new());
    lines.push(summary(plan));
    for volume in &plan.keeps {
        lines.push(format!("keeps volume {volume} with its data"));
    }
    lines.join("\n") + "\n"
}

/// What runs inside a container so that clients do not notice a change.
fn commands(plan: &Plan) -> impl Iterator<Item = String> {
    plan.operations.iter().filter_map(|it| match &it.call {
        Call::Exec {
            container, command, ..
        } => Some(format!(
            "> {:9} {container:32} `{}`: {}",
            "command",
            command.join(" "),
            it.cause
        )),
        _ => None,
    })
}

/// One sentence that counts.
pub fn summary(plan: &Plan) -> String {
    let changes = changes(plan);
    let count = |sign: &str| {
        changes
            .values()
            .filter(|change| change.sign() == sign)
            .count()
    };
    let (made, changed, removed) = (count("+"), count("~"), count("-"));
    let mut text = format!("{made} to make, {changed} to change, {removed} to remove");
    let destroyed: Vec<_> = plan.destroys().collect();
    if !destroyed.is_empty() {
        text += &format!("; destroys the data in {}", destroyed.join(", "));
    }
    text
}

#[derive(Debug)]
struct Change {
    kind: &'static str,
    is_made: bool,
    is_removed: bool,
    is_run: bool,
    cause: Cause,
}

impl Change {
    fn sign(&self) -> &'static str {
        match (self.is_made, self.is_removed) {
            (true, false) => "+",
            (false, true) => "-",
            _ => "~",
        }
    }

    fn words(&self) -> String {
        let verb = match (self.is_made, self.is_removed, self.is_run) {
            (true, true, _) => "replace",
            (true, false, _) => "make",
            (false, true, _) => "remove",
            (false, false, true) => "start",
            (false, false, false) => "wait for",
        };
        format!("{verb}: {}", self.cause)
    }
}

fn changes(plan: &Plan) -> BTreeMap<&str, Change> {
    let mut changes: BTreeMap<&str, Change> = BTreeMap::new();
    // A command in a container is part of the change of another one.
    let is_change = |operation: &&Operation| !matches!(operation.call, Call::Exec { .. });
    for operation in plan.operations.iter().filter(is_change) {
        let subject = operation.call.subject();
        let change = changes.entry(subject).or_insert_with(|| Change {
            kind: kind(&operation.call),
            is_made: false,
            is_removed: false,
            is_run: false,
            cause: operation.cause.clone(),
        });
        match &operation.call {
            Call::CreateContainer { .. }
            | Call::CreateNetwork { .. }
            | Call::CreateVolume { .. }
            | Call::PullImage { .. } => change.is_made = true,
            Call::RemoveContainer { .. }
            | Call::RemoveNetwork { .. }
            | Call::RemoveVolume { .. } => {
                change.is_removed = true;
            }
            Call::StartContainer { .. } | Call::UnpauseContainer { .. } => change.is_run = true,
            _ => {}
        }
    }
    changes
}

fn kind(call: &Call) -> &'static str {
    match call {
        Call::PullImage { .. } => "image",
        Call::CreateNetwork { .. } | Call::RemoveNetwork { .. } => "network",
        Call::CreateVolume { .. } | Call::RemoveVolume { .. } => "volume",
        _ => "container",
    }
}

#[cfg(test)]
mod tests {
    use scalectl_documents::Span;
    use scalectl_plan::OpId;

    use super::*;

    fn operation(id: u32, call: Call) -> Operation {
        Operation {
            id: OpId(id),
            call,
            cause: Cause::DefinitionChanged,
            after: Vec::new(),
        }
    }

    #[test]
    fn the_commands_that_keep_clients_unaware_are_told_and_not_counted_as_changes() {
        let exec = Call::Exec {
            container: "shop-agent-1".to_owned(),
            command: vec!["agent".to_owned(), "vacate".to_owned(), "db-1".to_owned()],
            deadline: Span::seconds(60),
        };
        let stop = Call::RemoveContainer {
            name: "shop-db-1-1".to_owned(),
            id: "1".to_owned(),
        };
        let plan = Plan {
            project: "shop".to_owned(),
            operations: vec![operation(1, exec), operation(2, stop)],
            keeps: Vec::new(),
            fingerprint: String::new(),
        };
        let text = plan_text(&plan);
        let command = text.lines().find(|line| line.starts_with('>'));
        let command = command.unwrap_or_default();
        for word in ["shop-agent-1", "`agent vacate db-1`", "definition changed"] {
            assert!(command.contains(word), "{word} is missing:\n{text}");
        }
        assert!(
            text.ends_with("0 to make, 0 to change, 1 to remove\n"),
            "{text}"
        );
    }
}
