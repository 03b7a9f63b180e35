//! Something dies at a step of a migration, which is then resumed or taken back.

use std::time::Duration;

use super::{Blow, ENDS_WITHIN, ended, flows, started, victim};
use crate::checker::population::Pulse;
use crate::checker::reading::{members, primary, wait_for_standbys};
use crate::checker::strike::{Strike, When};
use crate::checker::struck::Case;
use crate::support::Stack;

/// How many steps a migration has, up and down.
const STEPS: [usize; 2] = [5, 8];

/// A step of a migration, and how it goes on.
pub struct Step {
    is_up: bool,
    blow: Blow,
    then: &'static str,
}

/// Of both ways every step, with each of the victims.
pub fn at_every_step(victims: &[&'static str]) -> Vec<Case<Step>> {
    let mut cases = Vec::new();
    let ends = ["resume", "abort", "nothing, then resume"]
        .into_iter()
        .cycle();
    for is_up in [true, false] {
        // The last two down are past the point of no return.
        let steps = if is_up {
            0..STEPS[0] - 1
        } else {
            0..STEPS[1] - 1
        };
        for (step, then) in steps.zip(ends.clone()) {
            for victim in victims {
                cases.push(at_step(is_up, step, victim, then));
            }
        }
    }
    cases
}

fn at_step(is_up: bool, step: usize, victim: &'static str, then: &'static str) -> Case<Step> {
    let when = When {
        journal: "migrations.jsonl",
        words: format!("\"event\":\"started\",\"index\":{step},"),
        after: Duration::ZERO,
    };
    let way = if is_up { "to 2" } else { "undo" };
    Case {
        fault: format!("{victim} killed"),
        moment: format!("at step {} of {way}, then {then}", step + 1),
        may_fail: victim != "agent",
        ends_checker: false,
        what: Step {
            is_up,
            blow: Blow { victim, when },
            then,
        },
    }
}

/// Migrates, has something die at a step, and ends the migration.
pub fn struck_step(stack: &Stack, step: &Step, pulse: &Pulse) -> String {
    let (from, to) = if step.is_up { (1, 2) } else { (2, 1) };
    at_phase(stack, from);
    if !step.is_up && step.blow.victim == "new primary" {
        // So that the primary has to move back.
        let _there = stack.scalectl(&["db", "switchover", "--to", "db-2"]);
    }
    let old = primary(stack);
    let new = format!("{}-db-1-1", stack.name);
    let victim = victim(stack, step.blow.victim, &old, &new);
    let strike = Strike::arm(stack, &step.blow.when, "KILL", &[victim]);
    let number = to.to_string();
    let migrate = started(stack, &["migrate", "--to", &number, "--yes"]);
    let struck = strike.struck(ENDS_WITHIN);
    assert!(
        struck.is_some(),
        "the migration came to {:?}",
        step.blow.when
    );
    let (code, said) = ended(migrate);
    flows(pulse);
    let status = stack.must(&["migrate", "status"]).out;
    let is_open = !status.starts_with("no migration of");
    assert_eq!(code != 0, is_open, "{said}\n{status}");
    let mut end = "it went on by itself".to_owned();
    if code != 0 {
        let error = said.lines().find(|line| line.starts_with("error:"));
        end = format!("{}; {}", error.unwrap_or_default(), step.then);
        if step.then.starts_with("nothing") {
            std::thread::sleep(Duration::from_secs(5));
            flows(pulse);
        }
        let verb = if step.then == "abort" {
            "abort"
        } else {
            "resume"
        };
        finish(stack, verb);
        let phase = if verb == "abort" && !is_past(&status) {
            from
        } else {
            to
        };
        is_at(stack, phase);
    } else {
        is_at(stack, to);
    }
    flows(pulse);
    end
}

fn is_past(status: &str) -> bool {
    status.contains("past its point of no return")
}

/// A member that is on its way back may end one try.
fn finish(stack: &Stack, verb: &str) {
    for attempt in 0..3 {
        let ran = stack.scalectl(&["migrate", verb, "--yes"]);
        if ran.code == 0 {
            return;
        }
        eprintln!("try {attempt} of migrate {verb}: {}", ran.err);
        let ran = stack.scalectl(&["migrate", "resume", "--yes"]);
        if ran.code == 0 {
            return;
        }
        eprintln!("try {attempt} of migrate resume: {}", ran.err);
        std::thread::sleep(Duration::from_secs(5));
    }
    panic!("`migrate {verb}` does not end it");
}

/// A shard or a later run may begin in the middle.
fn at_phase(stack: &Stack, phase: u8) {
    let runs = if stack.instances("cache").is_empty() {
        1
    } else {
        2
    };
    if runs != phase {
        stack.must(&["migrate", "--to", &phase.to_string(), "--yes"]);
        wait_for_standbys(stack, members(stack).len() - 1);
    }
}

/// It runs that phase, wholly, and no migration is open.
fn is_at(stack: &Stack, phase: u8) {
    let phase = phase.to_string();
    stack.must(&["plan", "--detailed-exit-code", "--phase", &phase]);
    let status = stack.must(&["migrate", "status"]).out;
    assert!(status.starts_with("no migration of"), "{status}");
}
