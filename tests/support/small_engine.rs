//! A throw-away engine with little of what engines run out of; gone when the test ends.

use std::process::Command;

use super::run;

/// How much disk it has: an image of Debian and little more.
const DISK: &str = "700m";
/// Networks that it can make: two, and its own bridge.
const POOL: &str = "--default-address-pool=base=10.199.255.224/27,size=29";

/// An engine of the newest kind, with one image.
pub struct SmallEngine {
    name: String,
    pub host: String,
}

impl SmallEngine {
    pub fn start(image: &str) -> Self {
        let mut engine = Self {
            name: format!("small-{}", std::process::id()),
            host: String::new(),
        };
        let from = std::env::var("DOCKER_HOST").unwrap_or_default();
        let out = engine.script(&format!(
            r#"
            need_docker_cli
            data=$(engine_dir "$NAME")/data
            mkdir -p "$data"
            as_root mount -t tmpfs -o size={DISK},mode=0700 tmpfs "$data"
            start_engine current "$NAME" {POOL}
            from='{from}'
            copy_images "${{from:-unix:///var/run/docker.sock}}" "$ENGINE_HOST" '{image}'
            printf '%s' "$ENGINE_HOST"
            "#
        ));
        engine.host = out;
        engine
    }

    /// Leaves not a byte free on its disk.
    pub fn fill_disk(&self) {
        self.script(r#"as_root sh -c "cat /dev/zero > '$(engine_dir "$NAME")/data/filling'" 2>/dev/null || true"#);
    }

    /// Gives that room back.
    pub fn empty_disk(&self) {
        self.script(r#"as_root rm "$(engine_dir "$NAME")/data/filling""#);
    }

    pub fn docker(&self, args: &[&str]) -> super::Ran {
        run(Command::new("docker")
            .args(["--host", &self.host])
            .args(args))
    }

    /// What it prints, with the functions of scripts/lib.
    fn script(&self, script: &str) -> String {
        let ran = run(Command::new("bash")
            .args([
                "-c",
                &format!("set -euo pipefail\n. scripts/lib/engine.sh\n{script}"),
            ])
            .env("NAME", &self.name)
            .current_dir(env!("CARGO_MANIFEST_DIR")));
        assert_eq!(ran.code, 0, "an engine of the test's own:\n{}", ran.err);
        ran.out
    }
}

impl Drop for SmallEngine {
    fn drop(&mut self) {
        let removed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.script("remove_engine \"$NAME\"")
        }));
        if removed.is_err() {
            eprintln!("the engine {} could not be removed", self.name);
        }
    }
}
