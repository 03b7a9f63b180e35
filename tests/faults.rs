//! Two operators at once, locks of others, and an engine that ends in the middle.
//!
//! Those that end an engine need one of their own: scripts/test starts it and runs
//! them. Kills of scalectl itself: `kills.rs`. Next: `support/engine.rs`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may panic and speak"
)]

mod support;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::engine::OwnEngine;
use support::kills::Victim;
use support::proxy::{Kill, Point};
use support::random::Random;
use support::{Stack, listed, program, run};

#[test]
fn of_two_ups_at_the_same_moment_one_works_and_the_other_waits_and_nothing_is_made_twice() {
    let mut victim = Victim::new("two");
    victim.proxy.arm(None);
    let host = victim.proxy.host();
    let up = || {
        let mut command = victim.command(&["up", "--lock-timeout", "180"], &host);
        command.stderr(Stdio::piped()).spawn().expect("up starts")
    };
    let both = [up(), up()].map(|child| child.wait_with_output().expect("up ends"));
    let said = both
        .each_ref()
        .map(|it| String::from_utf8_lossy(&it.stderr).into_owned());
    for (output, said) in both.iter().zip(&said) {
        assert!(output.status.success(), "both succeed:\n{said}");
    }
    let waited = said
        .iter()
        .filter(|it| it.contains("waiting for `scalectl up`"));
    assert_eq!(waited.count(), 1, "one of them waits:\n{}", said.join("\n"));

    let mut made: BTreeMap<String, u32> = BTreeMap::new();
    for call in victim.proxy.seen() {
        let is_lock = call.contains("-scalectl-lock");
        if let (Some((_, named)), false) = (call.split_once("/create "), is_lock) {
            let name = named.split(" #").next().unwrap_or(named);
            *made.entry(name.to_owned()).or_default() += 1;
        }
    }
    assert!(made.len() > 10, "the calls of both were seen: {made:?}");
    let twice: Vec<_> = made.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "made more than once: {twice:?}");
    victim.is_sound().expect("the stack is whole");
}

/// An engine goes on with what was under way: only a lock tells the next one of it.
#[test]
fn an_up_that_is_ended_at_once_leaves_its_lock_and_the_next_one_goes_on_from_there() {
    let mut victim = Victim::new("atonce");
    // A call is under way for long enough to be interrupted twice.
    victim.proxy.arm(Some(Kill {
        call: String::new(),
        point: Point::Before,
        held_back: Some("POST containers/start @-db-1-1".to_owned()),
    }));
    let mut command = victim.command(&["up"], &victim.proxy.host());
    let up = command.stderr(Stdio::piped()).spawn().expect("up starts");
    let filter = format!("name={}-db-1-1", victim.stack.name);
    until(Duration::from_secs(120), "the database has started", || {
        !listed(&["ps", "-q", "--filter", &filter]).is_empty()
    });
    let pid = i32::try_from(up.id()).ok().and_then(Pid::from_raw);
    for _ in 0..2 {
        kill_process(pid.expect("a process"), Signal::INT).expect("it runs");
        std::thread::sleep(Duration::from_millis(500));
    }
    let (code, said) = ended(up, Duration::from_secs(5));
    assert_eq!(code, Some(INTERRUPTED), "{said}");
    assert!(said.contains("goes on in the engine"), "{said}");
    victim.no_lock().expect_err("its lock is left");
    let said = victim.stack.must(&["up"]).err;
    assert!(said.contains("ended before its work"), "{said}");
    victim.is_sound().expect("the next up converges");
}

/// It is healthy, and nobody in front of it knows it: the next `up` would find nothing to do.
#[test]
fn an_up_that_failed_before_the_edge_knew_the_app_is_followed_by_one_that_waits_for_it() {
    let stack = Stack::tiny("unknown");
    stack.must(&["up"]);
    let agent = format!("{}-agent-1", stack.name);
    let app = stack.instances("app");
    // The agent tells the edge nothing while it is stopped.
    listed(&["kill", "--signal", "STOP", &agent]);
    listed(&["rm", "--force", "--volumes", &app[0]]);
    let failed = stack.scalectl(&["up", "--wait-timeout", "5"]);
    listed(&["kill", "--signal", "CONT", &agent]);
    assert_eq!(failed.code, 6, "nobody answered:\n{}", failed.err);
    assert_eq!(stack.instances("app").len(), 1, "it was made all the same");

    let again = stack.must(&["up"]);
    let (code, body) = stack.request("GET", "/visit", "");
    assert_eq!(code, 200, "it is served: {body}\n{}", again.err);
    let asked = format!("agent ready {}", stack.instances("app")[0]);
    assert!(
        again.err.contains(&asked),
        "the edge is asked: {}",
        again.err
    );
}

/// Its owner cannot be looked up from here: a heartbeat tells whether it lives.
#[test]
fn a_lock_of_a_living_owner_elsewhere_is_refused_with_a_way_out_and_a_silent_one_is_taken_over() {
    let stack = Stack::tiny("elsewhere");
    let lock = format!("{}-scalectl-lock", stack.name);
    let owner = "dev.scalectl.lock={\"user\":\"ann\",\"host\":\"box-7\",\"pid\":4242,\
                 \"started\":1,\"place\":\"another\",\"command\":\"up\",\"token\":\"t\"}";
    let image = std::env::var("SCALECTL_TEST_IMAGE").expect("SCALECTL_TEST_IMAGE names an image");
    listed(&[
        "create",
        "--name",
        &lock,
        "--label",
        owner,
        "--network",
        "none",
        &image,
        "none",
    ]);

    let mut refused = scalectl(&stack, &["down", "--lock-timeout", "0"]);
    let mut beats = 0;
    while refused.try_wait().expect("it can be asked").is_none() {
        beats += 1;
        beat(&stack, &lock, beats);
        std::thread::sleep(Duration::from_secs(2));
    }
    let ended = refused.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(9), "its owner lives:\n{said}");
    let remove = format!("`docker rm {lock}`");
    for words in [
        "`scalectl up` of ann on box-7, process 4242",
        "since",
        &remove,
    ] {
        assert!(said.contains(words), "it says {words}:\n{said}");
    }

    let said = stack.must(&["down", "--lock-timeout", "0"]).err;
    assert!(
        said.contains("of ann on box-7, process 4242 ended before"),
        "{said}"
    );
    let filter = format!("name={lock}");
    assert!(
        listed(&["ps", "-aq", "--filter", &filter]).is_empty(),
        "the lock of a dead owner does not stay"
    );
}

fn beat(stack: &Stack, lock: &str, count: u32) {
    let file = stack.folder.join("scalectl-beat");
    std::fs::write(&file, count.to_string()).expect("a beat can be written");
    let mut command = Command::new("docker");
    command
        .arg("cp")
        .arg(&file)
        .arg(format!("{lock}:/scalectl-beat"));
    assert_eq!(run(&mut command).code, 0, "a beat can be sent");
}

fn scalectl(stack: &Stack, args: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(args).current_dir(&stack.folder);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("scalectl starts")
}

/// Of `src/exit.rs`.
const INTERRUPTED: i32 = 130;

/// When the engine ends: as soon as this container is there.
const MOMENTS: [&str; 5] = [
    "scalectl-lock",
    "bootstrap-1",
    "db-1-1",
    "release-1",
    "app-1",
];

#[test]
#[ignore = "ends an engine: scripts/test runs it on one of its own"]
fn up_on_an_engine_that_restarts_ends_with_an_error_or_whole_and_the_next_one_converges() {
    let engine = OwnEngine::of_environment();
    let (mut random, seed) = Random::seeded();
    let all = std::env::var("SCALECTL_ALL_MOMENTS").is_ok();
    let moments = match all {
        true => MOMENTS.to_vec(),
        false => vec![*random.pick(&MOMENTS)],
    };
    let mut victim = Victim::new("restart");
    for moment in moments {
        eprintln!("SCALECTL_SEED={seed}: the engine restarts when {moment} is there");
        let up = scalectl(&victim.stack, &["up"]);
        until(
            Duration::from_secs(120),
            &format!("{moment} is there"),
            || {
                let filter = format!("name={}-{moment}", victim.stack.name);
                !listed(&["ps", "-aq", "--filter", &filter]).is_empty()
            },
        );
        engine.stop();
        engine.start();
        let (code, said) = ended(up, Duration::from_secs(300));
        match code {
            Some(0) => victim.is_sound().expect("a success is one"),
            _ => assert!(
                said.contains("error: "),
                "it says why it ends with {code:?}:\n{said}"
            ),
        }
        eprintln!("it ends with {code:?}; up again. It said:\n{said}");
        victim.stack.must(&["up"]);
        victim.is_sound().expect("the next up converges");
        println!("restart passed: {moment}");
        if all {
            victim.stack.must(&["down", "--volumes", "--yes"]);
            victim.nothing_is_left().expect("down leaves nothing");
            victim.forget();
        }
    }
}

#[test]
#[ignore = "ends an engine: scripts/test runs it on one of its own"]
fn after_engine_and_containers_were_killed_the_stack_comes_back_with_its_data() {
    let engine = OwnEngine::of_environment();
    let mut victim = Victim::new("dead");
    victim.stack.must(&["up"]);
    victim
        .is_sound()
        .expect("it is up, and a visit is acknowledged");
    engine.kill();
    engine.start();
    let began = Instant::now();
    let comes_back = || victim.stack.request("GET", "/visit", "").0 == 200;
    let is_back = waited(Duration::from_secs(90), comes_back);
    let status = victim.stack.scalectl(&["status", "--exit-code"]);
    eprintln!(
        "serving again by itself: {is_back}, {:.1} s after the engine's start; status {}:\n{}{}",
        began.elapsed().as_secs_f32(),
        status.code,
        status.out,
        status.err
    );
    if !is_back {
        assert_ne!(
            status.code, 0,
            "status names what is stranded:\n{}",
            status.out
        );
        assert!(status.err.contains("stranded"), "by name:\n{}", status.err);
    }
    victim.stack.must(&["up"]);
    // A sequence that goes on: what was acknowledged before is still there.
    victim
        .is_sound()
        .expect("up mends what is stranded, and nothing is lost");
}

/// Its exit code and what it said; it must end by itself.
fn ended(mut child: Child, limit: Duration) -> (Option<i32>, String) {
    let give_up = Instant::now() + limit;
    while child.try_wait().expect("it can be asked").is_none() {
        if Instant::now() > give_up {
            let _ = child.kill();
            panic!("it hangs for {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = child.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

fn until(limit: Duration, what: &str, holds: impl Fn() -> bool) {
    assert!(waited(limit, holds), "{what} within {} s", limit.as_secs());
}

fn waited(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let give_up = Instant::now() + limit;
    while Instant::now() < give_up {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
