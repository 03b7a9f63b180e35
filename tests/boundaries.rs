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

mod checker;
mod load;
mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use checker::by_hand::{self, Tries};
use checker::population::Pulse;
use checker::reading::{members, primary, wait_for_standbys};
use checker::strike::{Strike, When};
use checker::struck::{Case, each};
use support::engine::OwnEngine;
use support::random::Random;
use support::{Stack, program};

const STANDBYS: usize = 2;
/// The entries of a handover, each written before the act.
const STAGES: [&str; 4] = ["preparing", "holding", "promoting", "promoted"];
const VICTIMS: [&str; 5] = ["agent", "pooler", "old primary", "new primary", "store"];
/// Longer than the leader's key of a dead member lives, with all that the agent waits for.
const ENDS_WITHIN: Duration = Duration::from_secs(180);
/// Until Patroni has looked, and some.
const PATRONIS_ROUND: Duration = Duration::from_secs(3);
/// How many steps a migration has, up and down.
const STEPS: [usize; 2] = [5, 8];

/// A handover, and who dies when.
struct Blow {
    victim: &'static str,
    when: When,
}

/// A step of a migration, and how it goes on.
struct Step {
    is_up: bool,
    blow: Blow,
    then: &'static str,
}

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

/// All is as before: nothing goes on, and a switchover could begin.
fn settled(stack: &Stack) {
    wait_for_standbys(stack, members(stack).len() - 1);
    let give_up = Instant::now() + ENDS_WITHIN;
    loop {
        let (status, paused) = (stack.scalectl(&["status", "--exit-code"]), is_paused(stack));
        if status.code == 0 && !paused {
            return;
        }
        if Instant::now() > give_up {
            let agent = stack.instances("agent").pop().unwrap_or_default();
            let told = support::run(Command::new("docker").args(["logs", "--tail", "40", &agent]));
            let said = format!("{}{}\n{}", status.out, status.err, told.err);
            panic!("not well after {ENDS_WITHIN:?}; failover off: {paused}\n{said}");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn is_paused(stack: &Stack) -> bool {
    let member = members(stack).pop().expect("a member runs");
    let config = "curl -sk https://localhost:8008/config || python3 -c \"import ssl,urllib.request as u;\
                  print(u.urlopen('https://localhost:8008/config',context=ssl._create_unverified_context()).read().decode())\"";
    let mut command = Command::new("docker");
    let said = support::run(command.args(["exec", &member, "sh", "-c", config]));
    said.code != 0 || said.out.contains("\"pause\": true")
}

fn victim(stack: &Stack, name: &str, old: &str, new: &str) -> String {
    let service = match name {
        "old primary" => return old.to_owned(),
        "new primary" => return new.to_owned(),
        "store" => "etcd-1",
        other => other,
    };
    let mut found = stack.instances(service);
    found.pop().unwrap_or_else(|| panic!("{service} runs"))
}

fn started(stack: &Stack, args: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(args).current_dir(&stack.folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
        .stderr(Stdio::piped())
        .spawn()
        .expect("scalectl starts")
}

/// Its exit code and what it said.
fn ended(mut child: Child) -> (i32, String) {
    let give_up = Instant::now() + ENDS_WITHIN;
    while child.try_wait().expect("the child is ours").is_none() {
        if Instant::now() > give_up {
            let _ = child.kill();
            panic!("it hangs for {ENDS_WITHIN:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

/// Writes are acknowledged again.
fn flows(pulse: &Pulse) {
    std::thread::sleep(Duration::from_millis(500));
    until("writes flow", || {
        pulse.silence() < Duration::from_millis(500)
    });
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let give_up = Instant::now() + ENDS_WITHIN;
    while !holds() {
        assert!(Instant::now() < give_up, "{what} within {ENDS_WITHIN:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
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
            for victim in VICTIMS {
                cases.push(at_step(is_up, step, victim, then));
            }
        }
    }
    let act = |step: &Step, pulse: &Pulse| struck_step(&stack, step, pulse);
    each("migration", &stack, cases, act, || settled(&stack)).must_have_passed();
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
fn struck_step(stack: &Stack, step: &Step, pulse: &Pulse) -> String {
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
