//! An engine of the tests' own, which may be stopped and killed.
//!
//! Started and ended by scripts/lib/engine.sh alone, which signals nothing but what
//! belongs to it. `SCALECTL_OWN_ENGINE_NAME` names it; `DOCKER_HOST` must be its.

use std::process::Command;

use super::{Ran, run};

/// The engine under `DOCKER_HOST`, by its name in scripts/lib.
pub struct OwnEngine {
    name: String,
}

impl OwnEngine {
    /// Refuses any other engine: it could be somebody's.
    pub fn of_environment() -> Self {
        let name = std::env::var("SCALECTL_OWN_ENGINE_NAME");
        let name = name.expect("SCALECTL_OWN_ENGINE_NAME names an engine of scripts/lib");
        let engine = Self { name };
        let host = engine.script("engine_host \"$1\"").out;
        assert_eq!(
            std::env::var("DOCKER_HOST").unwrap_or_default(),
            host.trim(),
            "DOCKER_HOST is the engine {}",
            engine.name
        );
        engine
    }

    /// Ends it as a service manager does: its containers are stopped with it.
    pub fn stop(&self) {
        self.script("stop_engine \"$1\"");
    }

    /// Ends it and every process of its containers with SIGKILL, as a power cut would.
    pub fn kill(&self) {
        self.script("kill_engine \"$1\"");
    }

    /// Starts it and waits until it answers.
    pub fn start(&self) {
        self.script("start_engine current \"$1\"");
    }

    fn script(&self, call: &str) -> Ran {
        let script = format!("set -euo pipefail; . scripts/lib/engine.sh; {call}");
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash", &self.name]);
        let ran = run(command.current_dir(env!("CARGO_MANIFEST_DIR")));
        assert_eq!(ran.code, 0, "{call} of {}: {}", self.name, ran.err);
        ran
    }
}
