//! One action again and again under the population: counted, resumable, summed up.
//!
//! Each time is a case with a name. What is done stands in the file `SCALECTL_SOAK_STATE`,
//! if there is one, and is not done again; `SCALECTL_SHARD` (K/N) is the part to be done,
//! `SCALECTL_RUNS` how often (20). Next: `scenario.rs` (one time).

#![allow(clippy::print_stdout, reason = "scripts/soak counts what is printed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
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
    cases: Vec<Case>,
}

#[derive(Clone)]
struct Case {
    /// As `switchover 3 killed`.
    name: String,
    variant: &'static str,
}

/// What many times were like.
#[derive(Default)]
pub struct Summary {
    pub name: String,
    pub passed: usize,
    pub failed: Vec<String>,
    pub by_variant: BTreeMap<&'static str, Felt>,
    /// Of the last checker.
    pub operations: u64,
    pub worst_staleness: Duration,
}

/// What clients felt of one variant, a figure for each time.
#[derive(Default)]
pub struct Felt {
    /// The longest that a client waited for a write.
    pub stalls: Vec<Duration>,
    /// The longest time without any acknowledged write.
    pub silences: Vec<Duration>,
}

/// How often a series does what it does.
pub fn runs() -> usize {
    let runs = std::env::var("SCALECTL_RUNS").ok();
    runs.map_or(RUNS, |it| it.parse().expect("SCALECTL_RUNS is a number"))
}

impl Series {
    /// So many times, `variants` in turn, as `["watched", "killed"]`.
    pub fn of(name: &str, times: usize, variants: &[&'static str]) -> Self {
        let variants = variants.iter().cycle().take(times).enumerate();
        let cases = variants.map(|(at, variant)| Case {
            name: format!("{name} {} {variant}", at + 1),
            variant,
        });
        Self {
            name: name.to_owned(),
            cases: mine(cases.collect()),
        }
    }

    /// Does that each time; it is told the variant. What is to be waited for before the
    /// next time is `settle`'s, without load. A checker that has found something is
    /// replaced, so that each failure is of one case.
    pub fn run(
        self,
        stack: &Stack,
        mut action: impl FnMut(&str, &Pulse),
        mut settle: impl FnMut(),
    ) -> Summary {
        let mut summary = Summary {
            name: self.name,
            ..Summary::default()
        };
        let mut checker = None;
        let before = done();
        let left = self.cases.iter();
        for case in left.filter(|case| !before.contains(&case.name)) {
            let checking = checker.get_or_insert_with(|| Checker::new(stack));
            let act = |pulse: &Pulse| action(case.variant, pulse);
            let run = checking.during_and_then(&case.name, act, &mut settle);
            println!("{run}");
            println!("json: {}", run.json());
            if !summary.take_in(case.variant, &run) {
                drop(checker.take());
            }
        }
        println!("{summary}");
        summary
    }
}

impl Summary {
    fn take_in(&mut self, variant: &'static str, run: &Run) -> bool {
        let case = &run.name;
        let felt = self.by_variant.entry(variant).or_default();
        felt.stalls.push(run.figures.longest_write);
        felt.silences.push(run.figures.longest_silence);
        self.worst_staleness = self.worst_staleness.max(run.verdict.worst_staleness);
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

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed) = (self.passed, self.failed.len());
        write!(f, "{}: {passed} passed, {failed} failed", self.name)?;
        let staleness = ms(self.worst_staleness);
        write!(
            f,
            "; {} operations; replicas at most {staleness} ms behind",
            self.operations
        )?;
        for (variant, felt) in &self.by_variant {
            write!(f, "\n  {variant}: {felt}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Felt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worst = |times: &[Duration]| ms(times.iter().copied().max().unwrap_or_default());
        write!(
            f,
            "the longest wait for a write: median {} ms, worst {} ms; no write acknowledged: \
             median {} ms, worst {} ms ({} times)",
            ms(median(self.stalls.clone())),
            worst(&self.stalls),
            ms(median(self.silences.clone())),
            worst(&self.silences),
            self.stalls.len()
        )
    }
}

/// Those cases that are in this shard.
pub fn mine<T>(cases: Vec<T>) -> Vec<T> {
    let shard = std::env::var("SCALECTL_SHARD").unwrap_or_else(|_| "1/1".to_owned());
    let numbers = shard.split_once('/');
    let numbers = numbers.and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    let (k, n): (usize, usize) = numbers.expect("SCALECTL_SHARD is K/N");
    let cases = cases.into_iter().enumerate();
    let cases = cases.filter(|(at, _)| at % n == k - 1);
    cases.map(|(_, case)| case).collect()
}

/// The names of cases that an interrupted run has done.
pub fn done() -> BTreeSet<String> {
    let file = std::env::var("SCALECTL_SOAK_STATE").ok();
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// It need not be done again.
pub fn note(case: &str) {
    if let Ok(file) = std::env::var("SCALECTL_SOAK_STATE") {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(file);
        let mut file = file.expect("the file of what is done can be written");
        writeln!(file, "{case}").expect("what is done can be written down");
    }
}
