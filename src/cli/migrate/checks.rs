//! Whether a migration can begin: everything that is looked at, all at once.

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::DockerEngine;
use scalectl_migrate::{Census, Copies, Expected, Ladder, Outline, Step, expected, outline};
use scalectl_plan::{Goal, Observed, PlanError};
use scalectl_ui::expected_text;

use super::begin::Way;
use super::needs::{self, Needs};
use super::report;
use super::site::MAX_HOLD_MS;
use super::{Begin, MigrateError, OnwardArgs};
use crate::cli::context::Context;
use crate::cli::db::switchover;
use crate::cli::error::CommandError;
use crate::cli::lock::Before;
use crate::cli::preflight::{self, Check, State, Work};
use crate::cli::up::assume_own;

/// What the pooler's service is called in every phase that has one.
const POOLER: &str = "pooler";

/// What was looked at, and what is needed.
pub struct Ready {
    pub checks: Vec<Check>,
    pub needs: Needs,
    pub expected: Expected,
}

impl Ready {
    /// What is needed, and what is worth knowing.
    pub fn text(&self, context: &Context) -> String {
        let notes = self.checks.iter().filter(|it| it.state == State::Note);
        let notes: Vec<_> = notes.cloned().collect();
        let expected = expected_text(&self.expected);
        self.needs.text() + &expected + &preflight::text(&context.printer, &notes)
    }
}

impl Way {
    /// Whether what runs is what it should be, nothing stands in the way of what is to
    /// come, the database and its sessions are well, and there is room.
    pub async fn look(&self, context: &Context, begin: Begin) -> Result<Ready, CommandError> {
        let report = self.engine.report().await?;
        let (now, then) = self.documents();
        let wait = Span::seconds(begin.how.wait_timeout);
        let mut checks = vec![preflight::engine(&report)];
        let observed = self.engine.observe(&Scope::of(now)).await?;
        checks.extend(self.as_described(now, &observed, wait));
        checks.push(preflight::components(&observed));
        let mut observed = self.engine.observe(&Scope::of(then)).await?;
        assume_own(then, &mut observed);
        checks.extend(in_the_way(then, &observed, wait));
        let census = self
            .site(context, begin.how, Before::Rest)
            .census_now()
            .await;
        let primary = match &census {
            Ok(census) => {
                checks.extend(self.unwell(census));
                census.primary.clone()
            }
            Err(error) => {
                checks.push(Check::of_error("cluster", error));
                None
            }
        };
        let needs = needs::of(self, &observed, primary.as_deref()).await?;
        checks.push(needs.disk());
        let facts = match switchover::agent(&self.project, &observed) {
            Ok(agent) => preflight::facts(&self.engine, &agent).await?,
            Err(error) => Err(error.to_string()),
        };
        let available = facts.as_ref().ok().and_then(|it| it.available_memory_bytes);
        let more = u64::try_from(needs.memory_bytes).unwrap_or_default();
        checks.push(preflight::memory(more, available));
        let work = Work {
            end_sessions: begin.end_sessions,
            ..work(&self.outline(), primary.as_deref(), |name| {
                is_member(&self.ladder, name)
            })
        };
        let names = preflight::names(&observed);
        checks.extend(preflight::database(facts, work, &names));
        let history = report::history(&self.engine, &self.project, &observed).await?;
        // What is copied by each new member at once is written to one disk.
        let copies = Copies {
            bytes: needs.disk_bytes,
            bytes_a_second: self.copy_rate(),
        };
        let expected = expected(&self.outline(), &history, copies, work.moves_primary);
        Ok(Ready {
            checks,
            needs,
            expected,
        })
    }

    fn as_described(&self, now: &Compose, observed: &Observed, wait: Span) -> Vec<Check> {
        let left = match scalectl_plan::build(&Goal::up(now, wait), observed) {
            Err(error) => return conflicts(&error),
            Ok(left) => left,
        };
        let Some(first) = left.operations.first() else {
            let says = format!("what runs is what scale.yaml says of phase {}", self.from);
            return vec![Check::ok("described", says)];
        };
        let error = MigrateError::NotAsDescribed {
            phase: self.from,
            subject: first.call.subject().to_owned(),
            cause: first.cause.to_string(),
        };
        vec![Check::of_error("described", &error)]
    }

    fn unwell(&self, census: &Census) -> Option<Check> {
        let why = match (&census.primary, census.paused) {
            (None, _) => "no member takes writes",
            (_, true) => "automatic failover is off, so somebody else is at work on it",
            (Some(_), false) => return None,
        };
        let (project, why) = (self.project.clone(), why.to_owned());
        Some(Check::of_error(
            "cluster",
            &MigrateError::Database { project, why },
        ))
    }
}

/// What is left of an open migration, between two rungs.
pub struct Rest<'a> {
    pub engine: &'a DockerEngine,
    pub project: &'a str,
    pub ladder: &'a Ladder,
    pub rung: usize,
    pub goal: usize,
}

impl Rest<'_> {
    /// As before the beginning, but that what passes by itself is only told: a kill leaves an
    /// agent at work and members on their way, and the steps wait for both.
    pub async fn look(&self, args: OnwardArgs) -> Result<Vec<Check>, CommandError> {
        let report = self.engine.report().await?;
        let then = &self.ladder.rungs()[self.goal].compose;
        let mut observed = self.engine.observe(&Scope::of(then)).await?;
        assume_own(then, &mut observed);
        let mut checks = vec![preflight::engine(&report)];
        let wait = Span::seconds(args.how.wait_timeout);
        checks.extend(in_the_way(then, &observed, wait));
        let Ok(agent) = switchover::agent(self.project, &observed) else {
            return Ok(checks);
        };
        let facts = preflight::facts(self.engine, &agent).await?;
        let primary = facts.as_ref().ok().map(|it| it.primary.clone());
        let outline = outline(self.ladder, self.rung, self.goal);
        let work = Work {
            end_sessions: args.end_sessions,
            ..work(&outline, primary.as_deref(), |name| {
                is_member(self.ladder, name)
            })
        };
        let names = preflight::names(&observed);
        let found = preflight::database(facts, work, &names).into_iter();
        checks.extend(found.map(unless_it_passes));
        Ok(checks)
    }
}

fn unless_it_passes(check: Check) -> Check {
    match PASSES.contains(&check.name) {
        true => check.noted(),
        false => check,
    }
}

/// Checks of what passes by itself: who is primary and busy, and who follows.
const PASSES: [&str; 2] = ["database", "standbys"];

fn is_member(ladder: &Ladder, service: &str) -> bool {
    let mut rungs = 0..ladder.rungs().len();
    rungs.any(|rung| ladder.members(rung).contains_key(service))
}

/// What stands in the way of the document that it leads to.
fn in_the_way(then: &Compose, observed: &Observed, wait: Span) -> Vec<Check> {
    let goal = Goal {
        migrates: true,
        ..Goal::up(then, wait)
    };
    match scalectl_plan::build(&goal, observed) {
        Ok(_) => vec![Check::ok("places", "names, ports and images are there")],
        Err(error) => conflicts(&error),
    }
}

fn conflicts(error: &PlanError) -> Vec<Check> {
    let all = error.conflicts.iter();
    all.map(|it| Check::of_error("places", it)).collect()
}

/// What its steps do to the database's clients.
fn work(outline: &Outline, primary: Option<&str>, is_member: impl Fn(&str) -> bool) -> Work {
    let mut work = Work {
        hold_ms: MAX_HOLD_MS,
        ..Work::default()
    };
    for step in &outline.steps {
        work.moves_primary |= matches!(step.step, Step::Cross { .. });
        if let Step::Gather { stay } = &step.step {
            work.moves_primary |= primary.is_none_or(|it| !stay.contains(it));
        }
        work.moves_primary |= step.changes.iter().any(|it| is_member(it));
        work.replaces_pooler |= step.changes.contains(POOLER);
    }
    work
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use scalectl_migrate::{Facts, OutlinedStep, Prepared};

    use super::*;

    fn outline(step: Step, changes: &[&str]) -> Outline {
        let changes = changes.iter().map(|it| (*it).to_owned()).collect();
        Outline {
            generations: None,
            from: 2,
            to: 1,
            steps: vec![OutlinedStep {
                number: 1,
                step,
                makes: BTreeSet::new(),
                changes,
                removes: BTreeSet::new(),
            }],
            point_of_no_return: None,
            destroys: BTreeSet::new(),
            forgets: BTreeSet::new(),
        }
    }

    #[test]
    fn what_a_kill_left_on_its_way_is_told_and_what_stays_in_the_way_refuses_to_go_on() {
        let moves = Work {
            moves_primary: true,
            hold_ms: MAX_HOLD_MS,
            ..Work::default()
        };
        let refused = |facts| {
            let checks = preflight::database(facts, moves, &Default::default()).into_iter();
            let rest = checks.map(unless_it_passes);
            let refused = rest.filter(|it| it.state == State::Refused);
            refused.map(|it| it.name).collect::<Vec<_>>()
        };
        let busy = Facts {
            is_busy: true,
            is_synchronous: true,
            synchronous_standby_names: "db-2".to_owned(),
            ..Facts::default()
        };
        assert!(refused(Ok(busy.clone())).is_empty());
        assert!(refused(Err("no answer".to_owned())).is_empty());
        let prepared = vec![Prepared::default()];
        assert_eq!(refused(Ok(Facts { prepared, ..busy })), ["prepared"]);
    }

    #[test]
    fn sessions_matter_where_the_primary_moves_a_member_changes_or_the_pooler_does() {
        let is_member = |name: &str| name.starts_with("db-");
        let stay = BTreeSet::from(["db-1".to_owned()]);
        let gather = outline(Step::Gather { stay }, &[]);
        let moves = |outline: &Outline, primary| {
            let work = work(outline, primary, is_member);
            (work.moves_primary, work.replaces_pooler)
        };
        assert_eq!(moves(&gather, Some("db-1")), (false, false));
        assert_eq!(moves(&gather, Some("db-2")), (true, false));
        assert_eq!(moves(&gather, None), (true, false));
        assert_eq!(
            moves(&outline(Step::Finish, &["db-1"]), Some("db-1")),
            (true, false)
        );
        assert_eq!(
            moves(&outline(Step::Finish, &["pooler"]), Some("db-1")),
            (false, true)
        );
        assert_eq!(
            moves(&outline(Step::Finish, &["app"]), Some("db-1")),
            (false, false)
        );
    }
}
