//! Verbs that only look, and `init`: what they print, and how they end.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::process::Command;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value;
use support::project::{IMAGE, Project};
use support::said::{Place, scalectl};
use support::{Ran, run};

fn printed(args: &[&str]) -> String {
    let ran = run(&mut scalectl(args));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
    ran.out
}

#[test]
fn phases_are_listed_explained_and_compared() {
    assert_snapshot!(printed(&["phases"]), @"
    PHASE  NAME                WHAT
    1      one box             Your app behind TLS, with a database that can grow, on one machine.
    2      replicas and cache  Two more database members that answer reads, a cache, and monitoring.
    ");
    assert_snapshot!(printed(&["phases", "1"]), @"
    Phase 1: one box
    Your app behind TLS, with a database that can grow, on one machine.
    For the first users; a server with 1 GB of memory.

    COMPONENT  MEMBERS  WHAT
    agent      1        routes follow containers, the pooler follows the primary
    app        1        your app, its workers and its release command
    database   1        PostgreSQL under Patroni, so that growing is adding members
    edge       1        Envoy: TLS, redirects, health-checked routing
    etcd       1        keeps the database cluster's state
    pooler     1        PgBouncer: many clients, few connections
    ");
    assert_snapshot!(printed(&["phases", "1", "2"]), @"
    COMPONENT   IN 1  IN 2  WHAT
    cache       0     1     Valkey, for what may be lost
    database    1     3     PostgreSQL under Patroni: one primary, the others answer reads
    exporters   0     1     metrics of PostgreSQL, PgBouncer and Valkey
    prometheus  0     1     keeps metrics, evaluates alert rules
    ");
    let names = |args: &[&str]| -> Vec<Value> {
        let all: Value = serde_json::from_str(&printed(args)).unwrap();
        let all = all.as_array().unwrap().iter();
        all.map(|it| it["component"].clone()).collect()
    };
    let changes = names(&["phases", "2", "1", "--output", "json"]);
    assert_eq!(changes, ["cache", "database", "exporters", "prometheus"]);
    assert_snapshot!(Place::new().says(&mut scalectl(&["phases", "9"])), @"
    error: there is no phase 9
    hint: scalectl has the phases 1, 2; `scalectl phases` explains them
    exit code 2
    ");
}

#[test]
fn init_writes_a_scale_yaml_that_holds_and_never_over_one_that_is_there() {
    let outer = Place::new();
    let folder = outer.path().join("My Shop");
    std::fs::create_dir(&folder).unwrap();
    let dockerfile = "FROM scratch\nEXPOSE 3000\nCMD [\"serve\"]\n";
    std::fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
    let here = |args: &[&str]| run(scalectl(args).current_dir(&folder));
    let said = |ran: &Ran| format!("{}exit code {}", ran.err, ran.code);
    let file = || std::fs::read_to_string(folder.join("scale.yaml"));

    let shown = here(&["init", "--print"]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    assert!(file().is_err(), "shown is not written");
    let written = here(&["init"]);
    assert_snapshot!(said(&written), @"
    wrote scale.yaml; read it, then `scalectl up --phase 1`
    exit code 0
    ");
    assert_eq!(file().unwrap(), shown.out, "what was shown is written");
    let holds = here(&["check", "--output", "json"]);
    assert_eq!(holds.code, 0, "it holds as it is: {}", holds.err);
    for line in ["name: my-shop", "  port: 3000"] {
        let lines = shown.out.lines().any(|it| it.starts_with(line));
        assert!(
            lines,
            "the folder and its Dockerfile say `{line}`:\n{}",
            shown.out
        );
    }

    std::fs::write(folder.join("scale.yaml"), "name: mine\n").unwrap();
    assert_snapshot!(said(&here(&["init"])), @"
    error: scale.yaml is there already
    hint: it is left as it is; `--print` shows what would be written
    exit code 3
    ");
    assert_eq!(file().unwrap(), "name: mine\n", "it is left as it is");
}

#[test]
fn images_are_listed_with_their_state_and_the_check_fails_for_one_that_is_not_current() {
    let looked = |args: &[&str]| {
        let ran = run(&mut scalectl(
            &[args, &["--phase", "1", "--output", "json"]].concat(),
        ));
        let all: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
        let all = all.as_array().unwrap().iter();
        let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
        let all: Vec<_> = all
            .map(|it| (text(it, "name"), text(it, "state")))
            .collect();
        (ran.code, ran.err, all)
    };
    let (code, err, listed) = looked(&["images", "list"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let names: Vec<_> = listed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["agent", "etcd", "postgres", "pgbouncer", "envoy"]);
    let all_are_current = listed.iter().all(|(_, state)| state == "current");
    let (code, _, checked) = looked(&["images", "check"]);
    assert_eq!((code == 0, checked), (all_are_current, listed.clone()));

    // Built with another program: the one image that has scalectl in it is old then.
    let (code, err, other) = looked(&["images", "check", "--program", "/bin/true"]);
    assert_snapshot!(format!("{err}exit code {code}"), @"
    `scalectl images build` makes what is missing or old
    exit code 10
    ");
    assert_eq!(other[0], ("agent".to_owned(), "old".to_owned()));
    assert_eq!(other[1..], listed[1..]);
}

#[test]
fn logs_since_a_time_leave_out_what_is_older() {
    let project = Project::new(
        "since",
        &format!(
            "services: {{web: {{image: '{IMAGE}', command: [sh, -c, 'echo early; exec sleep 600'], init: true, restart: always}}}}\n"
        ),
    );
    project.must(&["up"]);
    // `--since` counts whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let now = run(Command::new("date").args(["-u", "+%FT%TZ"])).out;
    let late = ["exec", "web", "--", "sh", "-c", "echo late > /proc/1/fd/1"];
    project.must(&late);
    let lines = |since: &str| project.must(&["logs", "--no-prefix", "--since", since]).out;
    assert_eq!(lines("1h"), "early\nlate\n");
    assert_eq!(lines(now.trim_end()), "late\n");
    let mut wrong = project.command(&["logs", "--since", "yesterday"]);
    let wrong = run(&mut wrong);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""));
    let told = "a span is numbers with d, h, m or s, such as `1h30m`";
    assert!(wrong.err.contains(told), "{}", wrong.err);
}
