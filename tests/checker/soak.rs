//! One action again and again under the population: counted, resumable, summed up.
//!
//! Each time is a case with a name. What is done stands in the file `SCALECTL_SOAK_STATE`,
//! if there is one, and is not done again; `SCALECTL_SHARD` (K/N) is the part to be done,
//! `SCALECTL_RUNS` how often (20). Next: `scenario.rs` (one time).

#![allow(clippy::print_stdout, reason = "scripts/soak counts what is printed")]

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use super::figures::{median, ms};
use super::population::Pulse;
use super::scenario::{Checker, Run};
use crate::support::Stack;

const RUNS: usize = 20;

/// An action under load, many times.
pub struct Series {
    name: String,
    /// What each case adds to the name, as `3, killed`.
    cases: Vec<String>,
}

/// What many times were like.
#[derive(Default)]
pub struct Summary {
    pub name: String,
    pub passed: usize,
    pub failed: Vec<String>,
    /// The longest that a client waited for a write, each time.
    pub stalls: Vec<Duration>,
    pub silences: Vec<Duration>,
    pub staleness: Duration,
    pub operations: u64,
}

impl Series {
    /// `variants` in turn, as `["watched", "killed"]`.
    pub fn of(name: &str, variants: &[&str]) -> Self {
        let runs = std::env::var("SCALECTL_RUNS").ok();
        let runs = runs.map_or(RUNS, |it| it.parse().expect("SCALECTL_RUNS is a number"));
        let variant = |number: usize| variants[number % variants.len().max(1)];
        let cases = (0..runs).map(|number| format!("{name} {} {}", number + 1, variant(number)));
        Self {
            name: name.to_owned(),
            cases: mine(cases.collect()),
        }
    }

    /// Does that each time; it is told the case's name. A checker that has found
    /// something is replaced, so that each failure is of one case.
    pub fn run(self, stack: &Stack, mut action: impl FnMut(&str, &Pulse)) -> Summary {
        let mut summary = Summary {
            name: self.name,
            ..Summary::default()
        };
        let mut checker = None;
        let before = done();
        for case in self.cases.iter().filter(|case| !before.contains(*case)) {
            let checking = checker.get_or_insert_with(|| Checker::new(stack));
            let run = checking.during(case, |pulse| action(case, pulse));
            println!("{run}");
            println!("json: {}", run.json());
            if !summary.take_in(&run) {
                drop(checker.take());
            }
        }
        println!("{summary}");
        summary
    }
}

impl Summary {
    fn take_in(&mut self, run: &Run) -> bool {
        let case = &run.name;
        self.stalls.push(run.figures.longest_write);
        self.silences.push(run.figures.longest_silence);
        self.staleness = self.staleness.max(run.verdict.worst_staleness);
        self.operations = run.verdict.operations.values().flatten().sum();
        let is_sound = run.verdict.is_sound();
        if is_sound {
            self.passed += 1;
            println!("case passed: {case}");
            note(case);
        } else {
            println!("case failed: {case}");
            self.failed.push(case.clone());
        }
        is_sound
    }

    pub fn must_have_passed(&self) {
        assert_eq!(self.failed, Vec::<String>::new(), "{self}");
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let worst = |times: &[Duration]| ms(times.iter().copied().max().unwrap_or_default());
        write!(
            f,
            "{}: {} passed, {} failed; the longest wait for a write: median {} ms, worst {} ms; \
             without any acknowledged write: median {} ms, worst {} ms; replicas at most {} ms behind",
            self.name,
            self.passed,
            self.failed.len(),
            ms(median(self.stalls.clone())),
            worst(&self.stalls),
            ms(median(self.silences.clone())),
            worst(&self.silences),
            ms(self.staleness)
        )
    }
}

/// Those cases that are in this shard.
fn mine(cases: Vec<String>) -> Vec<String> {
    let shard = std::env::var("SCALECTL_SHARD").unwrap_or_else(|_| "1/1".to_owned());
    let numbers = shard.split_once('/');
    let numbers = numbers.and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    let (k, n): (usize, usize) = numbers.expect("SCALECTL_SHARD is K/N");
    let cases = cases.into_iter().enumerate();
    let cases = cases.filter(|(at, _)| at % n == k - 1);
    cases.map(|(_, case)| case).collect()
}

fn done() -> BTreeSet<String> {
    let file = std::env::var("SCALECTL_SOAK_STATE").ok();
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn note(case: &str) {
    if let Ok(file) = std::env::var("SCALECTL_SOAK_STATE") {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(file);
        let mut file = file.expect("the file of what is done can be written");
        writeln!(file, "{case}").expect("what is done can be written down");
    }
}
