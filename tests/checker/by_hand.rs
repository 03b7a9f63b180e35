//! What somebody could do by hand to a member that is not the primary any more, with writes
//! tried on it all the while: past edge, pooler and passwords, as the superuser.

use std::process::{Child, Command, Stdio};

use super::reading::psql;
use crate::support::{Ran, run};

const PATRONI: &str = "patronictl -c /etc/scalectl/patroni.yaml";
const SIGNAL: &str = "/var/lib/postgresql/data/standby.signal";

/// Tries to write on one member, ten times a second, until it is dropped or read.
pub struct Tries {
    member: String,
    child: Option<Child>,
}

impl Drop for Tries {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Tries {
    /// Around each start of the container: an `exec` ends with it.
    pub fn on(member: &str) -> Self {
        let script = r#"
            while true; do
                docker exec "$0" psql --host=/run/postgresql -U postgres --dbname app -qAt \
                    -c 'CREATE TABLE IF NOT EXISTS scalectl_by_hand ()' >/dev/null 2>&1 && echo written
                sleep 0.1
            done"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, member]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.stderr(Stdio::null()).spawn();
        Self {
            member: member.to_owned(),
            child: Some(child.expect("sh starts")),
        }
    }

    /// How many were taken.
    pub fn taken(mut self) -> usize {
        let mut child = self.child.take().expect("it is read once");
        child.kill().expect("the child is ours");
        let output = child.wait_with_output().expect("it has ended");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let taken = said.matches("written").count();
        if taken > 0 {
            let look = psql(&self.member, "postgres", "SELECT pg_is_in_recovery()");
            eprintln!("{}: {taken} writes; in recovery: {}", self.member, look.out);
        }
        taken
    }
}

pub fn restart(member: &str) {
    must(&docker(&["restart", "--time", "20", member]));
}

/// As somebody would who wants it to take writes; whether or not that is refused.
pub fn promote(member: &str) {
    let said = docker(&[
        "exec",
        member,
        "pg_ctl",
        "promote",
        "-D",
        "/var/lib/postgresql/data",
    ]);
    eprintln!("pg_ctl promote: {}", (said.out + &said.err).trim());
}

pub fn remove_signal(member: &str) {
    must(&docker(&["exec", member, "rm", SIGNAL]));
}

/// Automatic failover off, or on again.
pub fn pause(member: &str, is_paused: bool) {
    let verb = if is_paused { "pause" } else { "resume" };
    must(&docker(&[
        "exec",
        member,
        "sh",
        "-c",
        &format!("{PATRONI} {verb} --wait"),
    ]));
}

fn docker(args: &[&str]) -> Ran {
    run(Command::new("docker").args(args))
}

fn must(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
}
