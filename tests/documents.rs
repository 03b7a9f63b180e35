//! Rendered documents, held against the real `docker compose`.

#![allow(clippy::expect_used, reason = "a test may panic")]

mod support;

use std::process::Command;

use support::{Stack, run};

#[test]
fn docker_compose_reads_what_scalectl_renders_for_every_phase() {
    let compose = std::env::var("COMPOSE").unwrap_or_else(|_| "docker-compose".to_owned());
    let stack = Stack::shop("doc", 21100);
    for phase in ["1", "2"] {
        stack.must(&["render", "--phase", phase, "-o", "out"]);
        let file = stack.folder.join("out/compose.yaml");
        let ran = run(Command::new(&compose)
            .arg("-f")
            .arg(&file)
            .args(["config", "--quiet"]));
        assert_eq!(
            ran.code, 0,
            "compose accepts phase {phase}, but: {}",
            ran.err
        );
        let first = std::fs::read(&file).expect("it was written");
        stack.must(&["render", "--phase", phase, "-o", "out"]);
        assert_eq!(
            first,
            std::fs::read(&file).expect("it was written"),
            "same input, same bytes"
        );
    }
}
