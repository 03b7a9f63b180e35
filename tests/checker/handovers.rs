//! `scalectl db switchover` from outside: asked for, killed, and what the agent's journal says.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::population::Pulse;
use super::reading;
use crate::support::{Stack, program, run};

/// No write for so long: under 250 writes a second that is a hold.
const SILENCE: Duration = Duration::from_millis(60);
const JOURNAL: &str = "/journal/handovers.jsonl";

/// The milliseconds that one switchover held writes, from PAUSE to RESUME, as the agent tells.
pub fn switchover(stack: &Stack) -> u64 {
    let told = stack.must(&["--output", "json", "db", "switchover"]).out;
    let told: Value = serde_json::from_str(&told).unwrap_or_default();
    let held = told["held_ms"].as_u64();
    held.unwrap_or_else(|| panic!("it tells how long writes were held: {told}"))
}

/// Starts a command and ends it with SIGKILL as soon as clients wait; when that was. Nothing
/// if it ended before.
pub fn killed_when_held(stack: &Stack, args: &[&str], pulse: &Pulse) -> Option<SystemTime> {
    let mut child = Command::new(program())
        .args(args)
        .current_dir(&stack.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("scalectl starts");
    let give_up = Instant::now() + Duration::from_secs(120);
    while !pulse.wait_for_silence(SILENCE, Duration::from_millis(100)) {
        let ended = child.try_wait().expect("the child is ours");
        if ended.is_some() || Instant::now() > give_up {
            break;
        }
    }
    let is_there = child.try_wait().expect("the child is ours").is_none();
    child.kill().expect("a child may be killed");
    child.wait().expect("the child is ours");
    is_there.then(SystemTime::now)
}

/// The agent's journal, an entry a line.
pub fn journal(stack: &Stack) -> Vec<Value> {
    let agent = stack.instances("agent");
    let from = format!("{}:{JOURNAL}", agent.first().expect("an agent runs"));
    let copied = run(Command::new("docker").args(["cp", &from, "-"]));
    if copied.code != 0 {
        return Vec::new();
    }
    // A tar stream: the lines of its one file stand between blocks of zeros.
    let lines = copied.out.split(['\n', '\0']);
    lines
        .filter(|line| line.starts_with("{\"epoch\""))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// How many handovers have begun.
pub fn epoch(stack: &Stack) -> u64 {
    let last = journal(stack).pop();
    last.and_then(|it| it["epoch"].as_u64()).unwrap_or(0)
}

/// Waits until a handover later than that epoch is over and its standbys follow; whether
/// the primary moved.
pub fn wait_until_over(stack: &Stack, later_than: u64, standbys: usize) -> bool {
    let give_up = Instant::now() + Duration::from_secs(120);
    let moved = loop {
        let last = journal(stack).pop().unwrap_or_default();
        let done = &last["stage"]["done"];
        if last["epoch"].as_u64() > Some(later_than) && done.is_object() {
            break done["moved"] == true;
        }
        assert!(Instant::now() < give_up, "over within 2 min, but: {last}");
        std::thread::sleep(Duration::from_millis(100));
    };
    reading::wait_for_standbys(stack, standbys);
    moved
}

/// Whether that moment lies between the hold and the release of that handover.
pub fn was_held(stack: &Stack, epoch: u64, moment: SystemTime) -> bool {
    let entries = journal(stack);
    let mut of_it = entries.iter().filter(|it| it["epoch"] == epoch);
    let at = |entry: &Value| entry["at_ms"].as_u64().unwrap_or(0);
    let held = of_it.find(|it| it["stage"] == "holding").map(at);
    let released = of_it.find(|it| it["stage"] == "promoted").map(at);
    let moment = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let moment = u64::try_from(moment.as_millis()).unwrap_or(0);
    held.is_some_and(|held| held <= moment) && released.is_some_and(|it| moment <= it)
}
