//! Ctrl-C: what is under way ends cleanly, and the same command goes on from there.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use support::listed;
use support::project::{IMAGE, Project};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn one_ctrl_c_ends_up_cleanly_and_up_goes_on_from_there() {
    let project = Project::new(
        "ctrlc",
        &format!(
            "services:
  web:
    image: '{IMAGE}'
    command: [sleep, '600']
    init: true
    restart: always
    healthcheck: {{test: [CMD, test, -e, /tmp/well], interval: 1s, retries: 600}}
  next: {{image: '{IMAGE}', command: [sleep, '600'], init: true, restart: always, depends_on: {{web: {{condition: service_healthy}}}}}}
"
        ),
    );
    let web = format!("{}-web-1", project.name);
    let mut up = project.command(&["up"]);
    let mut up = up
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the container runs", || {
        listed(&["ps", "-q", "--filter", &format!("name=^/{web}$")]).len() == 1
    });
    interrupt(&up);
    let ended = end_of(&mut up);
    let mut said = String::new();
    up.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_snapshot!(format!("{said}exit code {}", ended.code().unwrap_or(-1)), @"
    stopping: waiting for the calls that are under way
    error: up stops before its end: the plan did not finish
      caused by: stopped after 4 of 6 operations
    hint: what is done stays; `scalectl up` again looks first and goes on from there
    exit code 130
    ");
    let there = project.there();
    assert_eq!(there.len(), 2, "what is done stays, and no lock: {there:?}");

    listed(&["exec", &web, "touch", "/tmp/well"]);
    project.must(&["up"]);
    let running = |all: &[String]| -> Vec<String> {
        all.iter()
            .filter(|it| it.starts_with(&web))
            .cloned()
            .collect()
    };
    assert_eq!(
        running(&project.there()),
        running(&there),
        "it went on from there"
    );
    let left = project.must(&["plan", "--detailed-exit-code"]);
    assert!(left.out.contains("nothing to do"), "{}", left.out);
    a_watched_status_follows_what_changes_until_ctrl_c(&project, &web);
}

fn a_watched_status_follows_what_changes_until_ctrl_c(project: &Project, web: &str) {
    let mut watch = project.command(&["status", "--watch"]);
    let mut watch = watch
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let out = BufReader::new(watch.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let line = |word: &str| loop {
        let line = lines.recv_timeout(PATIENCE).expect("it shows a line");
        if line.contains(web) && line.contains(word) {
            return;
        }
    };
    line("running");
    listed(&["pause", web]);
    line("paused");
    listed(&["unpause", web]);
    line("running");
    interrupt(&watch);
    let ended = end_of(&mut watch);
    reader.join().unwrap();
    let mut said = String::new();
    watch
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(said, "", "that is no failure");
    assert_eq!(
        (ended.code(), ended.signal()),
        (None, Some(2)),
        "as Ctrl-C ends any program"
    );
}

/// What a terminal sends at Ctrl-C.
fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).expect("it runs still");
}

fn end_of(child: &mut Child) -> ExitStatus {
    let mut ended = None;
    let give_up = Instant::now() + PATIENCE;
    while ended.is_none() && Instant::now() < give_up {
        std::thread::sleep(Duration::from_millis(20));
        ended = child.try_wait().unwrap();
    }
    if ended.is_none() {
        child.kill().unwrap();
    }
    ended.expect("Ctrl-C ends it")
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
