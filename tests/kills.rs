//! scalectl is killed at each call that changes something: what follows is whole.
//!
//! A seeded sample here (`SCALECTL_SEED` repeats one); every call at every point
//! in the soak tier (`scripts/soak kills`). Next: `support/kills.rs`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may panic and speak"
)]

mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Instant;

use support::kills::{After, Case, Scene, Victim};
use support::proxy::Point;
use support::random::Random;
use support::strays;

/// In an order in which the stack of one is there for the next.
const SAMPLE: [(Scene, After); 5] = [
    (Scene::Up, After::Down),
    (Scene::Up, After::Up),
    (Scene::Upgrade, After::Up),
    (Scene::Down, After::Up),
    (Scene::Down, After::Down),
];

#[test]
fn after_a_kill_at_any_call_up_converges_and_down_leaves_nothing() {
    let (mut random, seed) = Random::seeded();
    eprintln!("SCALECTL_SEED={seed}");
    let mut victim = Victim::new("kill");
    let calls = victim.calls().expect("all goes well undisturbed");
    strays::are_seen(&victim.stack.name).expect("an anonymous volume that is left is seen");
    let mut is_up = false;
    for (scene, calls) in &calls {
        eprintln!("{scene:?}: {} calls: {}", calls.len(), calls.join(", "));
    }
    for (scene, after) in SAMPLE {
        let (_, calls) = calls
            .iter()
            .find(|(it, _)| *it == scene)
            .expect("each scene has its calls");
        let case = Case {
            scene,
            call: random.pick(calls).clone(),
            point: *random.pick(&Point::ALL),
            after,
        };
        eprintln!("kill: {case}");
        let began = Instant::now();
        let ended = victim.run(&case, &mut is_up);
        ended.unwrap_or_else(|error| panic!("SCALECTL_SEED={seed}, {case}: {error}"));
        eprintln!("  {:.1} s", began.elapsed().as_secs_f32());
    }
}

/// `SCALECTL_SHARD` (K/N) is the part to be done, `SCALECTL_SOAK_STATE` the file
/// of what is done: an interrupted run goes on where it was. `SCALECTL_KILL` chooses
/// those that hold a text, such as `down | DELETE volumes/`; after
/// `SCALECTL_SOAK_SECONDS` no other one begins.
#[test]
#[ignore = "an hour: scripts/soak runs it"]
fn after_a_kill_at_every_call_and_point_up_converges_and_down_leaves_nothing() {
    let shard = std::env::var("SCALECTL_SHARD").unwrap_or_else(|_| "1/1".to_owned());
    let numbers = shard.split_once('/');
    let numbers = numbers.and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    let (k, n): (usize, usize) = numbers.expect("SCALECTL_SHARD is K/N");
    let file = std::env::var("SCALECTL_SOAK_STATE").expect("SCALECTL_SOAK_STATE names a file");
    let done = std::fs::read_to_string(&file).unwrap_or_default();
    let done: BTreeSet<_> = done.lines().map(str::to_owned).collect();

    let mut victim = Victim::new(&format!("kills{k}"));
    let calls = victim.calls().expect("all goes well undisturbed");
    let all = cases(&calls);
    let mine = all.iter().enumerate().filter(|(at, _)| at % n == k - 1);
    let mine: Vec<_> = mine.map(|(_, case)| case).collect();
    let chosen = std::env::var("SCALECTL_KILL").unwrap_or_default();
    let is_left = |it: &&&Case| {
        let it = it.to_string();
        !done.contains(&it) && it.contains(&chosen)
    };
    let left: Vec<_> = mine.iter().filter(is_left).collect();
    println!(
        "kills: {} calls, {} kills, {} of them in shard {shard}, {} left",
        all.len() / Point::ALL.len(),
        all.len(),
        mine.len(),
        left.len()
    );
    let mut record = std::fs::File::options();
    let record = record.create(true).append(true).open(&file);
    let mut record = record.expect("the file of what is done can be written");
    let (mut is_up, mut failed) = (false, 0);
    let limit = std::env::var("SCALECTL_SOAK_SECONDS").ok();
    let limit = limit.map_or(u64::MAX, |it| it.parse().expect("a number of seconds"));
    let all_began = Instant::now();
    for case in &in_turn(left) {
        if all_began.elapsed().as_secs() > limit {
            println!("kills: the time is over, the rest is for the next run");
            break;
        }
        let began = Instant::now();
        match victim.run(case, &mut is_up) {
            Ok(()) => {
                println!(
                    "kill passed in {:.1} s: {case}",
                    began.elapsed().as_secs_f32()
                );
                writeln!(record, "{case}").expect("what is done can be written down");
            }
            Err(error) => {
                failed += 1;
                println!("kill failed: {case}: {error}");
                victim.start_anew(&mut is_up);
            }
        }
    }
    assert_eq!(failed, 0, "kills after which something was not whole");
}

/// Every call at every point; what follows alternates, so that each call gets both.
fn cases(calls: &[(Scene, Vec<String>)]) -> Vec<Case> {
    let calls = calls
        .iter()
        .flat_map(|(scene, calls)| calls.iter().map(|call| (*scene, call)));
    let mut all = Vec::new();
    for (at, (scene, call)) in calls.enumerate() {
        for (number, point) in Point::ALL.into_iter().enumerate() {
            let after = match (at + number) % 2 {
                0 => After::Up,
                _ => After::Down,
            };
            let call = call.clone();
            all.push(Case {
                scene,
                call,
                point,
                after,
            });
        }
    }
    all
}

/// The same cases, so ordered that a stack that is there is used.
fn in_turn(cases: Vec<&&Case>) -> Vec<Case> {
    let mut left: Vec<Case> = cases.into_iter().map(|case| (*case).clone()).collect();
    let mut ordered = Vec::new();
    let mut is_up = false;
    while !left.is_empty() {
        let next = left.iter().position(|it| it.scene.needs_stack() == is_up);
        let case = left.remove(next.unwrap_or(0));
        is_up = case.after == After::Up;
        ordered.push(case);
    }
    ordered
}
