//! Arguments and environment of every process in the engine's containers, from the
//! moment that the watch begins, so that those of one-shots and scripts are seen, too.

use std::collections::BTreeMap;

use crate::support::{listed, run};
use std::process::Command;

use super::places::{Place, bytes};

/// A container that sees the engine's processes; gone when the test ends.
pub struct Watch {
    name: String,
}

/// What was seen of a process.
struct Seen {
    container: String,
    pid: String,
    what: String,
    content: Vec<u8>,
}

impl Watch {
    pub fn start(name: String) -> Self {
        // It reads what root alone may read, and can change nothing.
        let rights = [
            "--cap-drop",
            "ALL",
            "--cap-add",
            "SYS_PTRACE",
            "--cap-add",
            "DAC_READ_SEARCH",
        ];
        let confined = [
            "--security-opt",
            "apparmor=unconfined",
            "--read-only",
            "--network",
            "none",
        ];
        let image = format!("scalectl/postgres:{}", env!("CARGO_PKG_VERSION"));
        let started = run(Command::new("docker")
            .args(["run", "--detach", "--name", &name, "--user", "0:0"])
            .args(["--pid", "host", "--cgroupns", "host"])
            .args(rights)
            .args(confined)
            .args([
                "--entrypoint",
                "python3",
                &image,
                "-u",
                "-c",
                include_str!("watch.py"),
            ]));
        let watch = Self { name };
        assert_eq!(started.code, 0, "the watch starts: {}", started.err);
        watch
    }

    /// Two places for each container that is still there: `arguments of NAME` and
    /// `environment of NAME`.
    pub fn places(&self) -> Vec<Place> {
        let names: BTreeMap<_, _> =
            listed(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"])
                .iter()
                .filter_map(|line| line.split_once(' '))
                .map(|(id, name)| (id.to_owned(), name.to_owned()))
                .collect();
        let log = bytes(Command::new("docker").args(["logs", &self.name]));
        let mut places: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for seen in String::from_utf8_lossy(&log).lines().map(parse) {
            let Some(container) = names.get(&seen.container) else {
                continue;
            };
            let content = places
                .entry(format!("{} of {container}", seen.what))
                .or_default();
            content.extend(format!("\nprocess {}: ", seen.pid).into_bytes());
            content.extend(seen.content);
        }
        let place = |(name, content)| Place { name, content };
        places.into_iter().map(place).collect()
    }
}

fn parse(line: &str) -> Seen {
    let fields: Vec<_> = line.split(' ').collect();
    let [container, pid, what, hex] = fields[..] else {
        panic!("the watch says: {line}")
    };
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits of hex");
    Seen {
        container: container.to_owned(),
        pid: pid.to_owned(),
        what: what.to_owned(),
        content: (0..hex.len()).step_by(2).map(byte).collect(),
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = run(Command::new("docker").args(["rm", "--force", &self.name]));
    }
}
