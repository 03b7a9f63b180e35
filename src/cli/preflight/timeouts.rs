//! Checks of how long clients are let wait: by the pooler, and by the server.
//! Next: `database.rs`.

use scalectl_migrate::Facts;

use super::sessions::list;
use super::{Check, Work};

/// What a wait at the pooler may take beside the hold itself.
const BESIDE_SECONDS: u64 = 1;

/// Whoever waits longer at the pooler gets an error from it.
pub(super) fn waits(facts: &Facts, work: Work) -> Check {
    let needed = work.hold_ms.div_ceil(1000) + BESIDE_SECONDS;
    let all = facts.pooler_waits.iter();
    let told = all
        .clone()
        .map(|it| format!("{} {} s", it.name, it.seconds));
    let told: Vec<_> = told.collect();
    let short: Vec<_> = all.filter(|it| it.seconds < needed).collect();
    let says = match told.is_empty() {
        true => "the pooler lets clients wait without end".to_owned(),
        false => format!("the pooler lets clients wait: {}", told.join(", ")),
    };
    match (short.is_empty(), work.moves_primary) {
        (true, _) | (_, false) => Check::ok("time-outs", says),
        (false, true) => Check::refused(
            "time-outs",
            format!("{says}; writes may wait {needed} s, so some would fail"),
            "raise it in pgbouncer.ini (a template of yours in `--overrides`), or hold for less with `--max-hold`",
        ),
    }
}

/// The app's own limits at the server. A wait at the pooler does not count for them.
pub(super) fn limits(facts: &Facts) -> Option<Check> {
    let told = facts.timeouts.iter().map(|it| {
        let whose = [it.user.as_deref(), it.database.as_deref()];
        let whose: Vec<_> = whose.into_iter().flatten().collect();
        format!("{} {} for {}", it.name, it.value, whose.join(" in "))
    });
    let told = list(told);
    let says = format!("set at the server: {told}; waiting at the pooler does not count for them");
    (!facts.timeouts.is_empty()).then(|| Check::ok("limits", says))
}
