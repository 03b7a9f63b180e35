//! Cases in which something dies at an entry of a journal, and what they cost clients.
//!
//! Nothing acknowledged may be lost or doubled, whatever dies; no request may fail where
//! the agent does. Each case is counted, and done once (`soak.rs`). Next: `strike.rs`.

#![allow(clippy::print_stdout, reason = "scripts/soak counts what is printed")]

use std::collections::BTreeMap;
use std::fmt;

use super::anomaly::Kind;
use super::figures::ms;
use super::population::Pulse;
use super::scenario::{Checker, Run};
use super::soak::{done, mine, note};
use crate::support::Stack;

/// A case of a table; `fault` and `moment` are its row and column.
pub struct Case<T> {
    pub fault: String,
    pub moment: String,
    /// Whether clients may see errors.
    pub may_fail: bool,
    /// The checker's own container dies, too: the next case gets another one.
    pub ends_checker: bool,
    pub what: T,
}

impl<T> Case<T> {
    pub fn name(&self, of: &str) -> String {
        format!("{of}, {} {}", self.fault, self.moment)
    }
}

/// One line of the table that is printed at the end.
struct Cell {
    case: String,
    silence_ms: f64,
    longest_ms: f64,
    failed: usize,
    end: String,
}

/// What all cases were like.
#[derive(Default)]
pub struct Table {
    cells: Vec<Cell>,
    failed: Vec<String>,
}

/// Does each case of this shard that was not done yet, under the population. `act` strikes
/// and waits until clients are served, and tells how it ended; `settle` waits, without
/// load, until all is as before.
pub fn each<T>(
    of: &str,
    stack: &Stack,
    cases: Vec<Case<T>>,
    mut act: impl FnMut(&T, &Pulse) -> String,
    mut settle: impl FnMut(),
) -> Table {
    let before = done();
    let mut table = Table::default();
    let mut checker = None;
    let mut counted = BTreeMap::new();
    for case in mine(cases) {
        let name = case.name(of);
        if before.contains(&name) {
            continue;
        }
        let checking = checker.get_or_insert_with(|| {
            counted.clear();
            Checker::new(stack)
        });
        let mut end = String::new();
        let act = |pulse: &Pulse| end = act(&case.what, pulse);
        let run = checking.during_and_then(&name, act, &mut settle);
        let new = new_kinds(&run, &mut counted);
        let failed = new.get(&Kind::FailedRequest).copied().unwrap_or(0);
        let is_sound = new
            .keys()
            .all(|kind| case.may_fail && *kind == Kind::FailedRequest);
        if !is_sound {
            println!("{run}");
        }
        println!("{}\n{end}; {new:?}", run.figures);
        let passed = if is_sound { "passed" } else { "failed" };
        println!("case {passed}: {name}");
        table.cells.push(Cell {
            case: name.clone(),
            silence_ms: ms(run.figures.longest_silence),
            longest_ms: ms(run.figures.longest_write),
            failed,
            end,
        });
        if is_sound {
            note(&name);
        } else {
            table.failed.push(format!("{name}: {new:?}"));
        }
        if !is_sound || case.ends_checker {
            drop(checker.take());
        }
    }
    println!("{table}");
    table
}

/// A verdict is about all writes since the checker's beginning: what was not there before.
fn new_kinds(run: &Run, counted: &mut BTreeMap<Kind, usize>) -> BTreeMap<Kind, usize> {
    let kinds = run.verdict.kinds();
    let more = |(kind, count): (&Kind, &usize)| {
        let new = count.saturating_sub(counted.get(kind).copied().unwrap_or(0));
        (new > 0).then_some((*kind, new))
    };
    let new = kinds.iter().filter_map(more).collect();
    *counted = kinds;
    new
}

impl Table {
    pub fn must_have_passed(&self) {
        assert_eq!(self.failed, Vec::<String>::new(), "{self}");
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "no write for | longest wait | failed | case, and how it ended"
        )?;
        for cell in &self.cells {
            writeln!(
                f,
                "{} ms | {} ms | {} | {}: {}",
                cell.silence_ms, cell.longest_ms, cell.failed, cell.case, cell.end
            )?;
        }
        let (all, failed) = (self.cells.len(), self.failed.len());
        write!(f, "{} passed, {failed} failed", all - failed)
    }
}
