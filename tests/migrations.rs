//! Phases 1 and 2, again and again, under the population whose every write is checked.
//!
//! Of the soak tier: `scripts/soak migrations`. The commit tier's look at migrations is
//! `migrate.rs`. Next: `checker/scenario.rs`.

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

use std::process::{Command, Stdio};
use std::time::Duration;

use checker::pgbench::Pgbench;
use checker::population::Pulse;
use checker::reading::{members, wait_for_standbys};
use checker::soak::{Series, runs};
use support::random::Random;
use support::{Stack, program};

const UP: &[&str] = &["migrate", "--to", "2"];
const UNDO: &[&str] = &["migrate", "undo", "--yes"];
const RESUME: &[&str] = &["migrate", "resume", "--yes"];
/// The longest that a killed one had worked, in milliseconds: a little more than one takes.
const WITHIN: u64 = 25_000;
const VARIANTS: [&str; 4] = [
    "to 2, watched",
    "undone, watched",
    "to 2, killed",
    "undone, killed",
];

#[test]
#[ignore = "soak: 30 min"]
fn a_migration_and_its_undo_under_load_lose_double_and_fail_nothing_watched_or_killed() {
    let (mut random, seed) = Random::seeded();
    println!("SCALECTL_SEED={seed}");
    let stack = Stack::shop("migrations");
    stack.must(&["up", "--phase", "1"]);
    let act = |variant: &str, _: &Pulse| {
        let (args, wanted, opposite) = match variant.starts_with("to 2") {
            true => (UP, 2, UNDO),
            false => (UNDO, 1, UP),
        };
        // A shard or a later run may begin in the middle.
        if phase(&stack) == wanted {
            stack.must(opposite);
        }
        if variant.ends_with("watched") {
            stack.must(args);
        } else {
            let moment = random.next() % WITHIN;
            println!("killed after {moment} ms");
            killed_after(&stack, args, Duration::from_millis(moment));
            let resumed = stack.scalectl(RESUME);
            // It had not begun, or it was over.
            if resumed.code != 0 && phase(&stack) != wanted {
                stack.must(args);
            }
        }
        assert_eq!(phase(&stack), wanted, "{variant}");
    };
    let series = Series::of("migration", 2 * runs(), &VARIANTS);
    let settle = || wait_for_standbys(&stack, members(&stack).len() - 1);
    series.run(&stack, act, settle).must_have_passed();
}

#[test]
#[ignore = "soak: 3 min"]
fn pgbench_through_the_pooler_ends_without_an_error_while_the_stack_migrates_and_back() {
    let stack = Stack::shop("pgbench-migrates");
    stack.must(&["up", "--phase", "1"]);
    let bench = Pgbench::prepare(&stack);
    let running = bench.start(Duration::from_secs(100));
    let mut migrated = 0;
    while migrated < 1 || running.has_left(Duration::from_secs(50)) {
        stack.must(UP);
        stack.must(UNDO);
        migrated += 1;
    }
    assert!(
        running.has_left(Duration::ZERO),
        "it ran as long as the migrations"
    );
    let done = running.finish();
    println!("pgbench: {done} while the stack migrated to 2 and back, {migrated} times");
    bench.balances_agree(done.transactions);
}

/// What runs: phase 2 has a cache.
fn phase(stack: &Stack) -> u32 {
    match stack.instances("cache").is_empty() {
        true => 1,
        false => 2,
    }
}

fn killed_after(stack: &Stack, args: &[&str], moment: Duration) {
    let mut child = Command::new(program())
        .args(args)
        .current_dir(&stack.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("scalectl starts");
    std::thread::sleep(moment);
    child.kill().expect("a child may be killed");
    child.wait().expect("the child is ours");
}
