//! What something that dies at a boundary needs: who it is, and that all is well again.

pub mod migration;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::checker::population::Pulse;
use crate::checker::reading::{members, wait_for_standbys};
use crate::checker::strike::When;
use crate::support::{self, Stack, program};

/// Longer than the leader's key of a dead member lives, with all that the agent waits for.
pub const ENDS_WITHIN: Duration = Duration::from_secs(180);

/// A handover, and who dies when.
pub struct Blow {
    pub victim: &'static str,
    pub when: When,
}

/// All is as before: nothing goes on, and a switchover could begin.
pub fn settled(stack: &Stack) {
    wait_for_standbys(stack, members(stack).len() - 1);
    let give_up = Instant::now() + ENDS_WITHIN;
    loop {
        let (status, paused) = (stack.scalectl(&["status", "--exit-code"]), is_paused(stack));
        if status.code == 0 && !paused {
            return;
        }
        if Instant::now() > give_up {
            let agent = stack.instances("agent").pop().unwrap_or_default();
            let told = support::run(Command::new("docker").args(["logs", "--tail", "40", &agent]));
            let said = format!("{}{}\n{}", status.out, status.err, told.err);
            panic!("not well after {ENDS_WITHIN:?}; failover off: {paused}\n{said}");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

pub fn is_paused(stack: &Stack) -> bool {
    let member = members(stack).pop().expect("a member runs");
    let config = "curl -sk https://localhost:8008/config || python3 -c \"import ssl,urllib.request as u;\
                  print(u.urlopen('https://localhost:8008/config',context=ssl._create_unverified_context()).read().decode())\"";
    let mut command = Command::new("docker");
    let said = support::run(command.args(["exec", &member, "sh", "-c", config]));
    said.code != 0 || said.out.contains("\"pause\": true")
}

pub fn victim(stack: &Stack, name: &str, old: &str, new: &str) -> String {
    let service = match name {
        "old primary" => return old.to_owned(),
        "new primary" => return new.to_owned(),
        "store" => "etcd-1",
        other => other,
    };
    let mut found = stack.instances(service);
    found.pop().unwrap_or_else(|| panic!("{service} runs"))
}

pub fn started(stack: &Stack, args: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(args).current_dir(&stack.folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
        .stderr(Stdio::piped())
        .spawn()
        .expect("scalectl starts")
}

/// Its exit code and what it said.
pub fn ended(mut child: Child) -> (i32, String) {
    let give_up = Instant::now() + ENDS_WITHIN;
    while child.try_wait().expect("the child is ours").is_none() {
        if Instant::now() > give_up {
            let _ = child.kill();
            panic!("it hangs for {ENDS_WITHIN:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

/// Writes are acknowledged again.
pub fn flows(pulse: &Pulse) {
    std::thread::sleep(Duration::from_millis(500));
    until("writes flow", || {
        pulse.silence() < Duration::from_millis(500)
    });
}

pub fn until(what: &str, holds: impl Fn() -> bool) {
    let give_up = Instant::now() + ENDS_WITHIN;
    while !holds() {
        assert!(Instant::now() < give_up, "{what} within {ENDS_WITHIN:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
