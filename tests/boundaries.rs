//! Something dies exactly where a journal says that a step is about to be taken.
//!
//! The agent, the pooler, the store, the old and the new primary, at each entry of a
//! handover's journal and of a migration's, under the population whose every write is
//! checked. One seeded case in the commit tier; all of them: `scripts/soak boundaries`.
//! Next: `checker/strike.rs` (how it dies), `checker/struck.rs` (what must hold).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may panic and speak"
)]

mod boundary;
mod checker;
mod load;
mod support;

use std::time::{Duration, Instant};

use boundary::migration::{Step, at_every_step, struck_step};
use boundary::{Blow, ENDS_WITHIN, ended, flows, settled, started, victim};
use checker::by_hand::{self, Tries};
use checker::population::Pulse;
use checker::reading::{primary, wait_for_standbys};
use checker::strike::{Strike, When};
use checker::struck::{Case, each};
use support::Stack;
use support::engine::OwnEngine;
use support::random::Random;

const STANDBYS: usize = 2;
/// The entries of a handover, each written before the act.
const STAGES: [&str; 4] = ["preparing", "holding", "promoting", "promoted"];
const VICTIMS: [&str; 5] = ["agent", "pooler", "old primary", "new primary", "store"];
/// Until Patroni has looked, and some.
const PATRONIS_ROUND: Duration = Duration::from_secs(3);

fn phase_2(name: &str) -> Stack {
    let stack = Stack::shop(name);
    stack.must(&["up", "--phase", "2"]);
    wait_for_standbys(&stack, STANDBYS);
    stack
}

fn at_stage(victim: &'static str, stage: &str, after: Duration) -> Case<Blow> {
    let when = When {
        journal: "handovers.jsonl",
        words: format!("\"{stage}\""),
        after,
    };
    Case {
        fault: format!("{victim} killed"),
        moment: format!("{} ms into {stage}", after.as_millis()),
        may_fail: victim != "agent",
        ends_checker: false,
        what: Blow { victim, when },
    }
}

#[test]
fn no_write_is_lost_by_a_death_at_a_boundary_of_a_move_nor_taken_by_an_old_primary_changed_by_hand()
{
    let (mut random, seed) = Random::seeded();
    eprintln!("SCALECTL_SEED={seed}");
    let stack = phase_2("boundary");
    let (victim, stage) = (*random.pick(&VICTIMS), *random.pick(&STAGES));
    let after = Duration::from_millis(random.next() % 40);
    let cases = vec![at_stage(victim, stage, after)];
    let act = |blow: &Blow, pulse: &Pulse| struck_move(&stack, blow, pulse);
    each("switchover", &stack, cases, act, || settled(&stack)).must_have_passed();
    takes_no_write_by_hand(&stack);
}

/// An old primary that is started, promoted or relieved of its signal file by hand.
fn takes_no_write_by_hand(stack: &Stack) {
    let old = primary(stack);
    stack.must(&["db", "switchover"]);
    settled(stack);
    let new = primary(stack);
    assert_ne!(old, new);
    let control = Tries::on(&new);
    std::thread::sleep(Duration::from_secs(2));
    assert!(control.taken() > 0, "the same tries write on the primary");
    let acts: [(&str, &dyn Fn()); 4] = [
        ("started", &|| by_hand::restart(&old)),
        ("promoted", &|| by_hand::promote(&old)),
        ("started without its signal file", &|| {
            by_hand::remove_signal(&old);
            by_hand::restart(&old);
        }),
        ("promoted while failover is off", &|| {
            by_hand::pause(&new, true);
            by_hand::promote(&old);
            std::thread::sleep(PATRONIS_ROUND);
            by_hand::pause(&new, false);
        }),
    ];
    for (what, act) in acts {
        let begun = Instant::now();
        let tries = Tries::on(&old);
        act();
        std::thread::sleep(PATRONIS_ROUND);
        settled(stack);
        assert_eq!(tries.taken(), 0, "the old primary, {what}, takes writes");
        assert_eq!(primary(stack), new, "{what}");
        eprintln!("{what} by hand: follows again after {:?}", begun.elapsed());
    }
}

#[test]
#[ignore = "soak: 30 min"]
fn whoever_dies_at_any_boundary_of_a_move_no_write_is_lost_and_the_move_ends_by_itself() {
    let stack = phase_2("boundaries");
    let mut cases = Vec::new();
    for victim in VICTIMS {
        for stage in STAGES {
            for after in [0, 25] {
                cases.push(at_stage(victim, stage, Duration::from_millis(after)));
            }
        }
    }
    let act = |blow: &Blow, pulse: &Pulse| struck_move(&stack, blow, pulse);
    each("switchover", &stack, cases, act, || settled(&stack)).must_have_passed();
}

/// Moves the primary, has something die on the way, and waits until writes flow.
fn struck_move(stack: &Stack, blow: &Blow, pulse: &Pulse) -> String {
    let old = primary(stack);
    let to = if old.ends_with("db-2-1") {
        "db-1"
    } else {
        "db-2"
    };
    let new = format!("{}-{to}-1", stack.name);
    let victim = victim(stack, blow.victim, &old, &new);
    let strike = Strike::arm(stack, &blow.when, "KILL", &[victim]);
    let asked = started(stack, &["db", "switchover", "--to", to]);
    let struck = strike.struck(ENDS_WITHIN);
    assert!(struck.is_some(), "the move came to {:?}", blow.when);
    let (code, said) = ended(asked);
    flows(pulse);
    let now = primary(stack);
    if code == 0 {
        assert_eq!(now, new, "it says that it moved: {said}");
    }
    let end = if now == new { "moved" } else { "not moved" };
    let last = said.lines().find(|line| line.starts_with("error:"));
    format!("{end}; {}", last.unwrap_or("it said so"))
}

#[test]
#[ignore = "soak, ends an engine of its own: 8 min"]
fn an_engine_that_dies_with_all_containers_at_any_boundary_comes_back_without_a_lost_write() {
    let engine = OwnEngine::of_environment();
    let stack = phase_2("engine");
    let case = |stage: &&'static str| {
        let blow = at_stage("agent", stage, Duration::ZERO).what;
        Case {
            fault: "engine and containers killed".to_owned(),
            moment: format!("at {stage}"),
            may_fail: true,
            ends_checker: true,
            what: blow,
        }
    };
    let cases = STAGES.iter().map(case).collect();
    let act = |blow: &Blow, pulse: &Pulse| struck_engine(&stack, &engine, blow, pulse);
    each("switchover", &stack, cases, act, || settled(&stack)).must_have_passed();
}

/// The agent stops at the boundary, so that nothing goes on until all is dead.
fn struck_engine(stack: &Stack, engine: &OwnEngine, blow: &Blow, pulse: &Pulse) -> String {
    let old = primary(stack);
    let agent = stack.instances("agent");
    let strike = Strike::arm(stack, &blow.when, "STOP", &agent);
    let asked = started(stack, &["db", "switchover"]);
    assert!(strike.struck(ENDS_WITHIN).is_some(), "{:?}", blow.when);
    engine.kill();
    let begun = Instant::now();
    engine.start();
    let (code, _) = ended(asked);
    assert_ne!(code, 0, "nobody has told it");
    let give_up = Instant::now() + Duration::from_secs(90);
    while pulse.silence() > Duration::from_secs(1) && Instant::now() < give_up {
        std::thread::sleep(Duration::from_millis(200));
    }
    let (by_itself, after) = (Instant::now() < give_up, begun.elapsed());
    stack.must(&["up"]);
    flows(pulse);
    let end = if primary(stack) == old {
        "not moved"
    } else {
        "moved"
    };
    let back = if by_itself { "by itself" } else { "by `up`" };
    format!("{end}; {back} after {:.1} s", after.as_secs_f32())
}

#[test]
#[ignore = "soak: 45 min"]
fn whoever_dies_at_any_step_of_a_migration_no_write_is_lost_and_it_is_resumed_or_taken_back() {
    let stack = Stack::shop("boundaries");
    stack.must(&["up", "--phase", "1"]);
    let cases = at_every_step(&VICTIMS);
    let act = |step: &Step, pulse: &Pulse| struck_step(&stack, step, pulse);
    each("migration", &stack, cases, act, || settled(&stack)).must_have_passed();
}
