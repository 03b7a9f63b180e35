//! A signal to a component's process, within 2 ms of an entry in the agent's journals.
//!
//! A container beside the stack does it (`strike.py`): the released program has no hook for
//! it, and restart policies act as after any crash, which they do not after `docker kill`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::support::{Stack, listed, run};

const SCRIPT: &str = include_str!("strike.py");
const IMAGE: &str = concat!("scalectl/postgres:", env!("CARGO_PKG_VERSION"));

/// One that is armed; it strikes by itself, once.
pub struct Strike {
    container: String,
    child: Child,
    said: Receiver<String>,
}

/// When: at an entry that holds these words, or a while after it.
#[derive(Clone, Debug)]
pub struct When {
    /// `handovers.jsonl` or `migrations.jsonl`.
    pub journal: &'static str,
    pub words: String,
    pub after: Duration,
}

impl Strike {
    /// Returns once it waits for the next such entry; `signal` goes to the first process of
    /// each container, as `KILL`.
    pub fn arm(stack: &Stack, when: &When, signal: &str, containers: &[String]) -> Self {
        let container = format!("{}-strike", stack.name);
        let volume = format!("{}_agent-journal:/journal:ro", stack.name);
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--name", &container, "--pid", "host"]);
        command.args(["--user", "0:0", "--network", "none", "--volume", &volume]);
        command.args(["--entrypoint", "python3", IMAGE, "-c", SCRIPT]);
        command.arg(format!("/journal/{}", when.journal));
        command.args([&when.words, &when.after.as_millis().to_string()]);
        for victim in containers {
            command.arg(format!("SIG{signal}:{}", process(victim)));
        }
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = spawned.expect("docker starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (told, said) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        let strike = Self {
            container,
            child,
            said,
        };
        let armed = strike.said.recv_timeout(Duration::from_secs(60));
        assert_eq!(armed.as_deref(), Ok("armed"), "the strike is armed");
        strike
    }

    /// When it struck, in milliseconds since 1970; nothing if the entry does not come.
    pub fn struck(&self, patience: Duration) -> Option<u64> {
        let line = self.said.recv_timeout(patience).ok()?;
        line.parse().ok()
    }
}

impl Drop for Strike {
    fn drop(&mut self) {
        let _ = run(Command::new("docker").args(["rm", "--force", &self.container]));
        let _ = self.child.wait();
        // The name is free for the next one.
        let give_up = Instant::now() + Duration::from_secs(10);
        let filter = format!("name=^{}$", self.container);
        while !listed(&["ps", "-aq", "--filter", &filter]).is_empty() && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The first process of a container, as the engine numbers it.
fn process(container: &str) -> String {
    let format = ["inspect", "--format", "{{.State.Pid}}", container];
    let pid = listed(&format).pop().unwrap_or_default();
    assert!(
        pid.parse::<u32>().is_ok_and(|it| it > 1),
        "{container} runs: {pid}"
    );
    pid
}
