//! What the engine's status line tells: health and exit code.
//!
//! A list call gives them only as text (`Up 3 minutes (healthy)`, `Exited (137)
//! 2 hours ago`) before API 1.52, and an inspect of every container would cost
//! a call each. The forms are the engine's since Docker 1.12, from its source.
//! Next: `observe.rs` (who asks).

use bollard::models::{
    ContainerSummary, ContainerSummaryHealthStatusEnum, ContainerSummaryStateEnum,
};
use scalectl_plan::{ContainerState, Health};

/// The state of a listed container.
pub(crate) fn state(summary: &ContainerSummary) -> ContainerState {
    use ContainerSummaryStateEnum as State;
    match summary.state {
        Some(State::RUNNING | State::STOPPING) => ContainerState::Running,
        Some(State::PAUSED) => ContainerState::Paused,
        Some(State::RESTARTING) => ContainerState::Restarting,
        Some(State::REMOVING) => ContainerState::Removing,
        Some(State::DEAD) => ContainerState::Dead,
        Some(State::EXITED) => ContainerState::Exited {
            code: exit_code(text(summary)),
        },
        Some(State::CREATED | State::EMPTY) | None => ContainerState::Created,
    }
}

/// The health of a listed container; only a running one has any.
pub(crate) fn health(summary: &ContainerSummary) -> Health {
    use ContainerSummaryHealthStatusEnum as Status;
    match summary.health.as_ref().and_then(|health| health.status) {
        Some(Status::STARTING) => Health::Starting,
        Some(Status::HEALTHY) => Health::Healthy,
        Some(Status::UNHEALTHY) => Health::Unhealthy,
        Some(Status::NONE) => Health::None,
        Some(Status::EMPTY) | None => health_of(text(summary)),
    }
}

fn text(summary: &ContainerSummary) -> &str {
    summary.status.as_deref().unwrap_or_default()
}

fn health_of(status: &str) -> Health {
    match status
        .rsplit_once('(')
        .map(|(_, end)| end.trim_end_matches(')'))
    {
        Some("healthy") => Health::Healthy,
        Some("unhealthy") => Health::Unhealthy,
        Some("health: starting" | "starting") => Health::Starting,
        _ => Health::None,
    }
}

fn exit_code(status: &str) -> i64 {
    let inside = status
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    // An exited container always has a code; -1 would be a form that is new.
    inside.and_then(|(code, _)| code.parse().ok()).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_read_from_every_form_of_the_status_line() {
        for (status, health) in [
            ("Up 3 minutes (healthy)", Health::Healthy),
            ("Up Less than a second (health: starting)", Health::Starting),
            ("Up About an hour (unhealthy)", Health::Unhealthy),
            ("Up 2 days", Health::None),
            ("Up 2 days (Paused)", Health::None),
            ("Exited (0) 5 seconds ago", Health::None),
            ("", Health::None),
        ] {
            assert_eq!(health_of(status), health, "`{status}`");
        }
    }

    #[test]
    fn an_exit_code_is_read_from_the_status_line() {
        for (status, code) in [
            ("Exited (0) 3 hours ago", 0),
            ("Exited (137) Less than a second ago", 137),
        ] {
            assert_eq!(exit_code(status), code, "`{status}`");
        }
        assert_eq!(exit_code("gone"), -1, "an unknown form is never a success");
    }

    #[test]
    fn the_health_field_of_newer_engines_comes_before_the_text() {
        let health = bollard::models::ContainerSummaryHealth {
            status: Some(ContainerSummaryHealthStatusEnum::STARTING),
            failing_streak: Some(0),
        };
        let summary = ContainerSummary {
            status: Some("Up 1 second (healthy)".to_owned()),
            health: Some(health),
            ..Default::default()
        };
        assert_eq!(super::health(&summary), Health::Starting);
    }
}
