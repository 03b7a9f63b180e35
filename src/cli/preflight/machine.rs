//! Checks of the engine, its machine and the stack's containers.

use scalectl_engine_docker::EngineReport;
use scalectl_plan::{ContainerState, Health, Observed};
use scalectl_ui::size;

use super::Check;

/// Containers hardly ever use all of their limits, least of all when they start.
const OF_LIMITS: u64 = 2;

/// What the engine says of itself.
pub fn engine(report: &EngineReport) -> Check {
    let (major, minor) = report.api;
    let says = format!("version {}, API {major}.{minor}", report.version);
    let warnings: Vec<_> = report
        .warnings
        .iter()
        .map(|it| it.trim_start_matches("WARNING: "))
        .collect();
    match warnings.is_empty() {
        true => Check::ok("engine", says),
        false => Check::note(
            "engine",
            format!("{says}; it warns: {}", warnings.join("; ")),
            "`scalectl doctor` shows what to do",
        ),
    }
}

/// A migration moves what is well; what is not is mended first.
pub fn components(observed: &Observed) -> Check {
    let ours = observed.ours();
    let ill = ours.filter_map(|(name, it)| match (&it.state, it.health) {
        (ContainerState::Restarting, _) => Some((name, "starts again and again")),
        (ContainerState::Dead, _) => Some((name, "is dead")),
        (ContainerState::Paused, _) => Some((name, "is paused")),
        (ContainerState::Running, Health::Unhealthy) => Some((name, "is unhealthy")),
        _ => None,
    });
    let ill: Vec<_> = ill.map(|(name, how)| format!("{name} {how}")).collect();
    match ill.is_empty() {
        true => Check::ok("components", "every container is well"),
        false => Check::refused(
            "components",
            ill.join(", "),
            "`scalectl status` and `scalectl logs SERVICE` show why; mend it first (`scalectl up`, `scalectl restart SERVICE`)",
        ),
    }
}

/// The limits of what comes, beside what the machine has left now.
pub fn memory(more: u64, available: Option<u64>) -> Check {
    let Some(free) = available.filter(|_| more > 0) else {
        return Check::ok("memory", "no more is needed");
    };
    let says = format!(
        "up to {} more is needed, {} is available",
        size(more),
        size(free)
    );
    let fix = "lower `memory:` of the database, the cache or the app in scale.yaml, or make room on the machine";
    match free {
        _ if free >= more => Check::ok("memory", says),
        _ if free >= more / OF_LIMITS => Check::note("memory", says, fix),
        _ => Check::refused("memory", says, fix),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn memory_refuses_when_half_of_the_limits_is_not_there() {
        let state = |more, free| memory(more, free).state;
        assert_eq!(state(1000, Some(1000)), State::Ok);
        assert_eq!(state(1000, Some(700)), State::Note);
        assert_eq!(state(1000, Some(499)), State::Refused);
        assert_eq!(state(0, Some(1)), State::Ok);
        assert_eq!(state(1000, None), State::Ok);
    }
}
