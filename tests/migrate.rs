//! A running shop moves between phases 1 and 2 and back while clients keep buying.
//!
//! Each request counts once and is never repeated, and every order that was acknowledged
//! must be there in the end. scalectl is killed on its way, at a step and a moment that a
//! seed chooses (`SCALECTL_SEED` repeats them); every step, twice, in the soak tier.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may panic and speak"
)]

mod load;
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use load::{Load, Report};
use support::random::Random;
use support::{Stack, listed, program};

const UP: &[&str] = &["migrate", "--to", "2"];
const UNDO: &[&str] = &["migrate", "undo", "--yes"];
const RESUME: &[&str] = &["migrate", "resume", "--yes"];
const ABORT: &[&str] = &["migrate", "abort", "--yes"];
/// How many steps a migration has, up and down.
const STEPS: [u64; 2] = [5, 8];
/// The longest that a seeded kill waits after its step has begun, in milliseconds.
const WITHIN: u64 = 2500;

#[test]
fn a_shop_grows_and_shrinks_under_load_although_scalectl_is_killed_on_its_way() {
    let (mut random, seed) = Random::seeded();
    eprintln!("SCALECTL_SEED={seed}");
    let stack = Stack::shop("migrate");
    assert_snapshot!(says(&stack, UP), @"
    error: shop is not up
    hint: `scalectl up` brings it up
    exit code 4
    ");
    stack.must(&["up", "--phase", "1"]);
    let before = volumes(&stack);
    refuses_what_cannot_be(&stack);

    let mut moment = |steps: u64| (1 + random.next() % steps, random.next() % WITHIN);
    let (up, down) = (moment(STEPS[0] - 1), moment(STEPS[1] - 2));
    unharmed(&stack, || {
        killed_at(&stack, UP, up);
        refuses_what_does_not_go_beside_it(&stack);
        let agent = stack.instances("agent");
        listed(&["stop", &agent[0]]);
        let status = stack.must(&["migrate", "status"]).out;
        assert!(status.contains("is open"), "without the agent: {status}");
        stack.must(RESUME);
        is_at(&stack, 2);

        names_who_is_in_the_way(&stack);
        stack.must(&["db", "switchover", "--to", "db-2"]);
        killed_at(&stack, UNDO, down);
        stack.must(RESUME);
        is_at(&stack, 1);
    });
    assert_eq!(
        volumes(&stack),
        before,
        "what came is gone, and nothing else"
    );
    let history = stack.must(&["migrate", "history", "--output", "json"]).out;
    assert_eq!(history.matches("\"ended\": {").count(), 2, "{history}");
    let told = stack.must(&["migrate", "report"]).out;
    assert!(
        told.contains("writes waited for moves of the primary: "),
        "{told}"
    );
    assert!(told.contains("transactions a second, median: "), "{told}");
    let page = stack.must(&["migrate", "report", "1", "--html", "-"]).out;
    assert_eq!(page.matches("<polyline").count(), 4, "{page}");
}

/// Before anything is open: each command of a phase-1 stack, word for word.
fn refuses_what_cannot_be(stack: &Stack) {
    assert_snapshot!(says(stack, RESUME), @"
    error: no migration of shop is open
    hint: `scalectl migrate history` lists those that were
    exit code 4
    ");
    assert_snapshot!(says(stack, &["migrate", "undo"]), @"
    error: there is no migration of shop to take back
    hint: `scalectl migrate history` lists what was done; `scalectl migrate --to N` moves to any phase
    exit code 4
    ");
    assert_snapshot!(says(stack, &["migrate", "--to", "1"]), @"
    shop is in phase 1 already, nothing to do
    exit code 0
    ");
    assert_snapshot!(says(stack, &["migrate", "--to", "7"]), @"
    error: there is no phase 7
    hint: scalectl has the phases 1, 2; `scalectl phases` explains them
    exit code 2
    ");
    assert_snapshot!(says(stack, &["up", "--phase", "2"]), @"
    error: nothing was changed: one thing stands in the way
      - shop runs phase 1, and phase 2 was asked for
        hint: `scalectl migrate --to 2` moves it while it serves
    exit code 4
    ");
    let text = stack.text();
    stack.write(&edited(&text));
    assert_snapshot!(says(stack, UP), @"
    error: nothing was changed: one thing stands in the way
      - what runs is not what scale.yaml says of phase 1: shop-release-1 (definition changed)
        hint: a migration changes nothing else: `scalectl plan` shows the rest of it, `scalectl up` brings it about; then migrate
    exit code 4
    ");
    stack.write(&text);
}

/// While one from phase 1 to phase 2 is open, word for word.
fn refuses_what_does_not_go_beside_it(stack: &Stack) {
    assert_snapshot!(says(stack, &["up"]), @"
    error: nothing was changed: one thing stands in the way
      - a migration of shop from phase 1 to phase 2 is open
        hint: `scalectl migrate status` tells how far it is, `scalectl migrate resume` finishes it, `scalectl migrate abort` takes it back
    exit code 4
    ");
    assert_snapshot!(says(stack, &["down"]), @"
    error: nothing was changed: one thing stands in the way
      - a migration of shop from phase 1 to phase 2 is open
        hint: `scalectl migrate status` tells how far it is, `scalectl migrate resume` finishes it, `scalectl migrate abort` takes it back
    exit code 4
    ");
    assert_snapshot!(says(stack, &["restart", "app"]), @"
    error: a migration of shop from phase 1 to phase 2 is open
    hint: `scalectl migrate status` tells how far it is, `scalectl migrate resume` finishes it, `scalectl migrate abort` takes it back
    exit code 4
    ");
    assert_snapshot!(says(stack, UP), @"
    error: a migration of shop from phase 1 to phase 2 is open
    hint: `scalectl migrate status` tells how far it is, `scalectl migrate resume` finishes it, `scalectl migrate abort` takes it back
    exit code 4
    ");
    assert_snapshot!(says(stack, &["migrate", "undo"]), @"
    error: a migration of shop from phase 1 to phase 2 is open
    hint: `scalectl migrate status` tells how far it is, `scalectl migrate resume` finishes it, `scalectl migrate abort` takes it back
    exit code 4
    ");
    let text = stack.text();
    stack.write(&edited(&text));
    assert_snapshot!(says(stack, ABORT), @"
    error: scale.yaml says something else than when this migration began
    hint: put it back as it was (or use the scalectl that began it), then `scalectl migrate resume` or `abort`; change it after that
    exit code 4
    ");
    stack.write(&text);
}

/// A session past the pooler; its statement is shown without what is in it.
fn names_who_is_in_the_way(stack: &Stack) {
    let psql = |command: &[&str], sql: &str| {
        let mut child = Command::new(program());
        let child = child.args(command).current_dir(&stack.folder);
        let child = child.args(["-c", sql]).stdin(Stdio::null());
        let child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        child.expect("scalectl starts")
    };
    let mut past = psql(&["db", "shell", "--"], "SELECT pg_sleep(600), 'hunter2'");
    let told = until_told(stack, "1 session is past the pooler");
    assert!(told.contains("SELECT pg_sleep(?), ?"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    let accepted = stack.must(&["db", "switchover", "--dry-run", "--end-sessions"]);
    assert!(accepted.out.contains("will be ended"), "{}", accepted.out);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%hunter%' AND pid <> pg_backend_pid()";
    stack.must(&["db", "shell", "--superuser", "--", "-c", end]);
    let _ended = past.wait();
}

/// What stands in the way of a move of the primary, once that does.
fn until_told(stack: &Stack, what: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let ran = stack.scalectl(&["db", "switchover", "--dry-run"]);
        if ran.err.contains(what) {
            assert_eq!(ran.code, 4, "{}", ran.err);
            return ran.err;
        }
        assert!(Instant::now() < deadline, "{}{}", ran.out, ran.err);
    }
}

fn edited(text: &str) -> String {
    text.replace("KEEP_ALIVE_SECONDS: 2", "KEEP_ALIVE_SECONDS: 3")
}

/// What it says of itself, without what is another in each run, and its exit code.
fn says(stack: &Stack, command: &[&str]) -> String {
    let ran = stack.scalectl(command);
    let said = ran.err.replace(&stack.name, "shop");
    let is_of_a_lock = |line: &&str| !line.contains("going on from there");
    let lines: Vec<_> = said.lines().filter(is_of_a_lock).collect();
    format!("{}\nexit code {}", lines.join("\n"), ran.code)
}

#[test]
#[ignore = "soak: 25 min"]
fn a_migration_killed_at_any_step_is_resumed_or_taken_back_without_a_failed_request() {
    let (mut random, seed) = Random::seeded();
    eprintln!("SCALECTL_SEED={seed}");
    let stack = Stack::shop("migrations");
    stack.must(&["up", "--phase", "1"]);
    let mut phase = 1;
    for step in 1..STEPS[1] {
        for then in [ABORT, RESUME] {
            let (command, steps) = if phase == 1 {
                (UP, STEPS[0])
            } else {
                (UNDO, STEPS[1])
            };
            // The last two down are past the point of no return.
            let last = if phase == 1 { steps - 1 } else { steps - 2 };
            let at = (step.min(last), random.next() % WITHIN);
            unharmed(&stack, || {
                killed_at(&stack, command, at);
                let past_return = stack.scalectl(then);
                if past_return.code == 4 {
                    assert_eq!(then, ABORT, "{}", past_return.err);
                    stack.must(RESUME);
                }
                if then == RESUME || past_return.code == 4 {
                    phase = 3 - phase;
                }
                is_at(&stack, phase);
            });
        }
    }
}

/// Starts a migration and kills scalectl that many milliseconds into a step.
fn killed_at(stack: &Stack, command: &[&str], (step, after): (u64, u64)) {
    eprintln!("{}: killed {after} ms into step {step}", command.join(" "));
    let mut child = Command::new(program())
        .args(command)
        .current_dir(&stack.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("scalectl starts");
    let said = BufReader::new(child.stderr.take().expect("it has a stderr"));
    let begins = format!("step {step} of ");
    let mut lines = said.lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line.starts_with(&begins)),
        "{begins} comes"
    );
    std::thread::sleep(Duration::from_millis(after));
    child.kill().expect("it can be killed");
    child.wait().expect("it has ended");
    let status = stack.must(&["migrate", "status"]).out;
    eprintln!("{status}");
    assert!(status.contains("is open"), "{status}");
}

/// It runs that phase, wholly, and no migration is open.
fn is_at(stack: &Stack, phase: u8) {
    let plan = [
        "plan",
        "--detailed-exit-code",
        "--phase",
        &phase.to_string(),
    ];
    stack.must(&plan);
    let status = stack.must(&["migrate", "status"]).out;
    assert!(status.starts_with("no migration of"), "{status}");
}

fn volumes(stack: &Stack) -> BTreeSet<String> {
    stack.volumes().into_iter().collect()
}

/// Runs an action in the middle of a light load: no request fails, and every order
/// that was acknowledged is there.
fn unharmed(stack: &Stack, action: impl FnOnce()) {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let begun = Instant::now();
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    // Nothing but the end of the name may follow the number.
    let name = format!("{}-run-{run}-", stack.name);
    let load = Load {
        rate: 50,
        ..Load::on(stack.https, &name)
    };
    let load = load.start();
    std::thread::sleep(Duration::from_secs(1));
    action();
    std::thread::sleep(Duration::from_secs(1));
    let report: Report = load.finish();
    eprintln!("{:.0} s: {report}", begun.elapsed().as_secs_f32());
    assert!(report.failures.is_empty(), "{report}");
    let kept = orders(stack, &name);
    let lost: Vec<_> = report
        .acknowledged
        .iter()
        .filter(|id| !kept.contains(*id))
        .collect();
    assert!(lost.is_empty(), "{} orders are lost: {lost:?}", lost.len());
    assert!(!report.acknowledged.is_empty());
}

/// The ids of orders that begin so, from the primary itself.
fn orders(stack: &Stack, run_name: &str) -> BTreeSet<String> {
    let query = format!("SELECT id FROM orders WHERE id LIKE '{run_name}%'");
    let out = stack.must(&["db", "shell", "--", "-Atc", &query]).out;
    out.lines().map(str::to_owned).collect()
}
