//! Anonymous volumes that a stack's containers leave behind.
//!
//! The engine labels none of them with an owner, and a container that came and went
//! between two looks tells no name of its own. So the smallest app's image has a file
//! in its volume's folder that names the stack: the engine copies it into each. What
//! nobody else's test has made is told apart by it. Next: `tests/tiny/Dockerfile`.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use super::project::IMAGE;
use super::{listed, run};

/// The volumes that were there before.
pub struct Before(BTreeSet<String>);

impl Before {
    pub fn now() -> Self {
        Self(listed(&["volume", "ls", "-q"]).into_iter().collect())
    }

    /// Anonymous volumes of this stack that no container has.
    pub fn strays(&self, stack: &str) -> Vec<String> {
        let mut found = self.unused();
        if !found.is_empty() {
            // Of others that work at this moment, one may be about to be used or removed.
            std::thread::sleep(Duration::from_secs(1));
            let again = self.unused();
            found.retain(|it| again.contains(it));
        }
        found.retain(|volume| owner(volume) == stack);
        found.into_iter().collect()
    }

    fn unused(&self) -> BTreeSet<String> {
        let all = listed(&["volume", "ls", "-q", "--filter", "dangling=true"]);
        let is_anonymous = |it: &String| it.len() == 64 && !self.0.contains(it);
        all.into_iter().filter(is_anonymous).collect()
    }
}

/// What the file of the smallest app's image says; nothing in other volumes.
fn owner(volume: &str) -> String {
    let mount = format!("type=volume,src={volume},dst=/scratch,readonly,volume-nocopy");
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm", "--network", "none", "--mount", &mount]);
    let read = run(docker.args([IMAGE, "cat", "/scratch/of"]));
    read.out.trim().to_owned()
}

/// Whether a stray would be seen at all: one is made, told, and removed again.
pub fn are_seen(stack: &str) -> Result<(), String> {
    let before = Before::now();
    let (name, image) = (format!("{stack}-stray"), format!("{stack}-app:latest"));
    listed(&["create", "--name", &name, "--network", "none", &image]);
    // Without its volume.
    listed(&["rm", &name]);
    let strays = before.strays(stack);
    for stray in &strays {
        listed(&["volume", "rm", stray]);
    }
    match strays.len() {
        1 => Ok(()),
        seen => Err(format!("{seen} strays are seen in place of one")),
    }
}
