//! An engine that runs out, of networks and of disk: what scalectl says word for word,
//! and that the same command goes on once there is room.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::process::Command;

use insta::assert_snapshot;
use support::small_engine::SmallEngine;
use support::{program, run};

const DOCUMENT: &str = "name: small
services:
  web: {image: 'scalectl/base:trixie', command: ['true'], volumes: [{type: volume, source: data, target: /data}]}
networks: {default: {}}
volumes: {data: {}}
";

#[test]
fn an_engine_without_addresses_or_disk_says_so_and_goes_on_when_there_is_room() {
    let engine = SmallEngine::start("scalectl/base:trixie");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("compose.yaml"), DOCUMENT).unwrap();
    let says = |args: &[&str]| {
        let ran = run(Command::new(program())
            .args(["--document", "compose.yaml"])
            .args(args)
            .env("DOCKER_HOST", &engine.host)
            .current_dir(folder.path()));
        // What was done and how long it took comes before the error.
        let error = ran.err.find("error:").map_or("", |at| &ran.err[at..]);
        let told: Vec<_> = error
            .lines()
            .filter(|it| !it.contains(" operations are done"))
            .collect();
        format!("{}\nexit code {}", told.join("\n"), ran.code)
    };

    let mut others = Vec::new();
    while others.len() < 9 {
        let name = format!("other-{}", others.len());
        if engine.docker(&["network", "create", &name]).code != 0 {
            break;
        }
        others.push(name);
    }
    assert!(
        (1..9).contains(&others.len()),
        "a few networks, then no more: {others:?}"
    );
    assert_snapshot!(says(&["up"]), @"
    error: the engine has no free address range left for network small_default
    hint: remove networks that nothing uses (`docker network prune`), or give the engine more with `default-address-pools`
    exit code 6
    ");
    engine.docker(&["network", "rm", &others[0]]);

    engine.fill_disk();
    assert_snapshot!(says(&["up"]), @"
    error: the engine's disk is full: it could not create small-scalectl-lock
    hint: free space (`docker system df` shows what takes it), then run the same command again: it goes on where it stopped
    exit code 6
    ");
    engine.empty_disk();
    assert_eq!(says(&["up"]), "\nexit code 0", "there is room for both now");
    assert_eq!(says(&["down", "--volumes", "--yes"]), "\nexit code 0");
}
