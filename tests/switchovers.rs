//! The primary moves again and again under the population, and nobody is the worse for it;
//! and where it moves without hold, fence or replication, the checker says so.
//!
//! All of it is of the soak tier: `scripts/soak switchovers`. With `--nocapture` it tells its
//! figures. Next: `checker/scenario.rs`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may panic and speak"
)]

mod checker;
mod load;
mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use checker::anomaly::Kind;
use checker::figures::{median, ms};
use checker::handovers::{Journal, killed_at, switchover};
use checker::pgbench::Pgbench;
use checker::population::Pulse;
use checker::reading::{members, primary, psql, wait_for_standbys};
use checker::scenario::Checker;
use checker::soak::{Series, runs};
use serde_json::Value;
use support::{Stack, run};

const STANDBYS: usize = 2;
/// The variant that is not scalectl: the bare steps, one for four of scalectl's.
const FLOOR: &str = "the floor";
/// What the hold of scalectl may be of the floor's.
const OF_FLOOR: f64 = 1.2;

fn phase_2(name: &str) -> Stack {
    let stack = Stack::shop(name);
    stack.must(&["up", "--phase", "2"]);
    wait_for_standbys(&stack, STANDBYS);
    stack
}

#[test]
#[ignore = "soak: 10 min"]
fn a_switchover_under_load_loses_doubles_and_fails_nothing_whether_it_is_watched_or_killed() {
    let stack = phase_2("switchovers");
    let journal = Journal::of(&stack);
    let (mut holds, mut floors, mut kills, mut in_hold) = (Vec::new(), Vec::new(), 0, 0);
    let variants = ["watched", "killed", FLOOR, "watched", "killed"];
    let series = Series::of("switchover", runs() + runs().div_ceil(4), &variants);
    let act = |variant: &str, _: &Pulse| {
        journal.skip();
        match variant {
            FLOOR => {
                let held = floor(&stack, &[])["held_ms"].as_u64();
                floors.push(Duration::from_millis(held.expect("it tells its hold")));
            }
            "watched" => {
                holds.push(Duration::from_millis(switchover(&stack)));
                journal.must_have_moved();
            }
            _ => {
                kills += 1;
                let killed = killed_at(&stack, &["db", "switchover"], &journal, "holding");
                let released = journal.must_have_moved();
                in_hold += usize::from(killed.is_some_and(|it| it <= released));
            }
        }
    };
    let summary = series.run(&stack, act, || wait_for_standbys(&stack, STANDBYS));
    println!("{in_hold} of {kills} command line tools were killed between hold and release");
    compare(&holds, &floors);
    summary.must_have_passed();
    assert!(2 * in_hold >= kills, "most were killed within the hold");
}

fn compare(holds: &[Duration], floors: &[Duration]) {
    if holds.is_empty() || floors.is_empty() {
        return;
    }
    let (hold, floor) = (median(holds.to_vec()), median(floors.to_vec()));
    let ratio = hold.as_secs_f64() / floor.as_secs_f64().max(0.001);
    let verdict = if ratio <= OF_FLOOR { "≤" } else { "not ≤" };
    println!(
        "hold of `db switchover`: median {} ms of {}; of the floor: median {} ms of {}; ratio {ratio:.2} ({verdict} {OF_FLOOR})",
        ms(hold),
        holds.len(),
        ms(floor),
        floors.len()
    );
}

/// A switchover's tuned steps and nothing around them; what it tells.
fn floor(stack: &Stack, without: &[&str]) -> Value {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/switchover/floor.py");
    let mut command = Command::new(program);
    command.arg(&stack.name);
    command.args(without.iter().flat_map(|it| ["--without", it]));
    let told = run(&mut command);
    assert_eq!(told.code, 0, "the floor moves the primary: {}", told.err);
    println!("floor: {}", told.out.trim());
    serde_json::from_str(&told.out).expect("it tells JSON")
}

#[test]
#[ignore = "soak: 3 min"]
fn pgbench_through_the_pooler_ends_without_an_error_and_with_balances_that_agree() {
    let stack = phase_2("pgbench");
    let bench = Pgbench::prepare(&stack);
    let running = bench.start(Duration::from_secs(60));
    let mut moved = 0;
    while moved < 3 || running.has_left(Duration::from_secs(15)) {
        switchover(&stack);
        wait_for_standbys(&stack, STANDBYS);
        moved += 1;
    }
    let done = running.finish();
    println!("pgbench: {done} while the primary moved {moved} times");
    bench.balances_agree(done.transactions);
}

/// The control of the hold: the same steps without it.
#[test]
#[ignore = "soak: 1 min"]
fn without_a_hold_requests_fail_and_the_checker_says_so() {
    let stack = phase_2("no-hold");
    let mut checker = Checker::new(&stack);
    let run = checker.during_and_then(
        "a switchover without a hold",
        |_| drop(floor(&stack, &["hold"])),
        || wait_for_standbys(&stack, STANDBYS),
    );
    println!("{run}");
    assert!(run.verdict.has(Kind::FailedRequest), "{run}");
}

/// The control of the fence: the old primary goes on, and what it acknowledges is gone.
#[test]
#[ignore = "soak: 1 min"]
fn without_a_fence_writes_are_lost_and_the_checker_says_so() {
    let stack = phase_2("no-fence");
    let old = primary(&stack);
    let mut checker = Checker::new(&stack);
    let run = checker.during_and_then(
        "a promotion beside a primary that goes on",
        |_| drop(floor(&stack, &["hold", "fence"])),
        || {
            // Two members take writes: the one that lost its clients is not asked.
            let ended = run(Command::new("docker").args(["kill", &old]));
            assert_eq!(ended.code, 0, "{}", ended.err);
        },
    );
    println!("{run}");
    assert!(run.verdict.has(Kind::Lost), "{run}");
}

/// The control of replication: a standby is promoted that had not received everything.
#[test]
#[ignore = "soak: 2 min"]
fn an_asynchronous_standby_promoted_after_its_primary_was_cut_off_loses_and_the_checker_says_so() {
    let stack = phase_2("cut-off");
    let old = primary(&stack);
    let mut checker = Checker::new(&stack);
    let run = checker.during("the primary dies after its standbys were cut off", |_| {
        // Frozen senders: the standbys get nothing more, and nobody is told.
        let freeze = "for it in /proc/[0-9]*; do \
                      if tr '\\0' ' ' <$it/cmdline | grep -q '^postgres: .*walsender'; then \
                      kill -STOP ${it#/proc/} && echo frozen; fi; done";
        let docker = ["exec", &old, "sh", "-c", freeze];
        let frozen = run(Command::new("docker").args(docker));
        assert_eq!(
            frozen.out.matches("frozen").count(),
            STANDBYS,
            "{}",
            frozen.err
        );
        std::thread::sleep(Duration::from_secs(2));
        let killed = run(Command::new("docker").args(["kill", &old]));
        assert_eq!(killed.code, 0, "{}", killed.err);
        let new = primary(&stack);
        assert_ne!(new, old);
        let writes = psql(&new, "app", "SELECT count(*) FROM checker.appends");
        assert_eq!(writes.code, 0, "{}", writes.err);
        assert_eq!(members(&stack).len(), STANDBYS);
    });
    println!("{run}");
    assert!(run.verdict.has(Kind::Lost), "{run}");
}
