//! `scalectl db switchover` from outside: asked for, killed, and what the agent's journal says.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::population::Pulse;
use crate::support::{Stack, program, run};

const IMAGE: &str = concat!("scalectl/postgres:", env!("CARGO_PKG_VERSION"));
/// Who may read the agent's volumes.
const AGENT: &str = "65532:65532";
/// No write for so long: under 250 writes a second that is a hold.
const SILENCE: Duration = Duration::from_millis(60);
const PATIENCE: Duration = Duration::from_secs(120);

/// The agent's journal of handovers, entry by entry as they are written.
pub struct Journal {
    container: String,
    tail: Child,
    entries: Receiver<Value>,
}

impl Journal {
    /// What is written from now on. A container reads the volume: to ask the engine for the
    /// file again and again would be a load of its own.
    pub fn of(stack: &Stack) -> Self {
        let container = format!("{}-journal", stack.name);
        let volume = format!("{}_agent-journal:/journal:ro", stack.name);
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--name", &container, "--user", AGENT]);
        command.args([
            "--network",
            "none",
            "--volume",
            &volume,
            "--entrypoint",
            "sh",
            IMAGE,
        ]);
        // The first line says that it is there.
        let follow =
            "echo; exec timeout 7200 tail -s 0.01 -n 0 -F /journal/handovers.jsonl 2>/dev/null";
        command.args(["-c", follow]);
        let mut tail = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker starts");
        let mut lines = BufReader::new(tail.stdout.take().expect("it is piped")).lines();
        let first = lines.next();
        assert!(matches!(first, Some(Ok(_))), "the journal is followed");
        let (told, entries) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let entry = serde_json::from_str(&line).unwrap_or_default();
                if told.send(entry).is_err() {
                    return;
                }
            }
        });
        Self {
            container,
            tail,
            entries,
        }
    }

    /// Waits for an entry of that stage: a word, or the key of one that says more.
    pub fn wait_for(&self, stage: &str, patience: Duration) -> Option<Value> {
        let give_up = Instant::now() + patience;
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            match self.entries.recv_timeout(left) {
                Ok(entry) if entry["stage"] == stage || entry["stage"][stage].is_object() => {
                    return Some(entry);
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Waits until the handover is over; the primary must have moved. When writes flowed
    /// again, in milliseconds since 1970.
    pub fn must_have_moved(&self) -> u64 {
        let promoted = self.wait_for("promoted", PATIENCE).unwrap_or_default();
        let done = self.wait_for("done", PATIENCE).unwrap_or_default();
        assert_eq!(done["stage"]["done"]["moved"], true, "it moved: {done}");
        promoted["at_ms"].as_u64().expect("it was promoted")
    }

    /// What was written so far is of no interest.
    pub fn skip(&self) {
        while self.entries.try_recv().is_ok() {}
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = run(Command::new("docker").args(["rm", "--force", &self.container]));
        let _ = self.tail.wait();
    }
}

/// The milliseconds that one switchover held writes, from PAUSE to RESUME, as the agent tells.
pub fn switchover(stack: &Stack) -> u64 {
    let told = stack.must(&["--output", "json", "db", "switchover"]).out;
    let told: Value = serde_json::from_str(&told).unwrap_or_default();
    eprintln!("switchover: {told}");
    let held = told["held_ms"].as_u64();
    held.unwrap_or_else(|| panic!("it tells how long writes were held: {told}"))
}

/// Starts scalectl and ends it with SIGKILL as soon as the journal has an entry of that
/// stage, which is written before the act. When that was, in milliseconds since 1970.
pub fn killed_at(stack: &Stack, args: &[&str], journal: &Journal, stage: &str) -> Option<u64> {
    let mut child = started(stack, args);
    let came = journal.wait_for(stage, PATIENCE).is_some();
    let is_killed = killed(&mut child);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    (came && is_killed).then_some(now)
}

/// Starts scalectl and ends it with SIGKILL as soon as clients wait; whether it was still
/// there. On a machine that is too busy clients wait without a hold, too.
pub fn killed_when_held(stack: &Stack, args: &[&str], pulse: &Pulse) -> bool {
    let mut child = started(stack, args);
    let give_up = Instant::now() + PATIENCE;
    while !pulse.wait_for_silence(SILENCE, Duration::from_millis(100)) {
        let ended = child.try_wait().expect("the child is ours");
        if ended.is_some() || Instant::now() > give_up {
            break;
        }
    }
    killed(&mut child)
}

fn started(stack: &Stack, args: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(args).current_dir(&stack.folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("scalectl starts")
}

/// Whether there was still something to kill.
fn killed(child: &mut Child) -> bool {
    let is_there = child.try_wait().expect("the child is ours").is_none();
    child.kill().expect("a child may be killed");
    child.wait().expect("the child is ours");
    is_there
}
