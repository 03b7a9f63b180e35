//! `migrate resume`, `abort` and `undo`: going on with what is there, or back.
//!
//! What is there is looked up first: the journal, or the mark on the stack where the
//! journal is lost.

use scalectl_documents::Span;
use scalectl_engine_docker::{DockerEngine, LockOwner};
use scalectl_migrate::{Drive, Event, Ladder, Migration, Step, course};
use scalectl_plan::{Observed, Volumes};

use super::begin::{self, ask, looks};
use super::checks::Rest;
use super::site::DockerSite;
use super::{Begin, HowArgs, MigrateError, OnwardArgs, journal, ladder, told};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock::{self, Before, Wanted};
use crate::cli::preflight::{self, State};

pub async fn resume(context: &Context, args: OnwardArgs) -> Result<(), CommandError> {
    let how = args.how;
    let open = Open::look(context).await?;
    let rest = (open.migration.rung, open.migration.goal);
    open.look_again(context, args, rest).await?;
    if !open.migration.is_journaled() {
        // Nobody can tell whether that was ever asked.
        open.ask(context, how, (open.migration.start, open.migration.goal))?;
    }
    if open.leaves_the_old() {
        open.ask(context, how, (open.migration.start, open.migration.goal))?;
    }
    open.take_on(context, how, "migrate resume", None).await
}

pub async fn abort(context: &Context, args: OnwardArgs) -> Result<(), CommandError> {
    let how = args.how;
    let open = Open::look(context).await?;
    if open.migration.is_turned_back && open.migration.trouble.is_none() {
        let rest = (open.migration.rung, open.migration.goal);
        open.look_again(context, args, rest).await?;
        return open.take_on(context, how, "migrate abort", None).await;
    }
    if open.migration.is_past_return {
        return Err(MigrateError::PastReturn.into());
    }
    let turn = open.migration.turn(&open.ladder);
    if open.migration.is_turned_back {
        let way = open.migration.way();
        let told = format!("it cannot be taken back as it stands: going on {way}");
        context.printer.say(&told);
    }
    open.look_again(context, args, turn).await?;
    open.ask(context, how, turn)?;
    open.take_on(context, how, "migrate abort", Some(turn))
        .await
}

pub async fn undo(context: &Context, undo: Begin) -> Result<(), CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look_at_own(&engine, &project).await?;
    let phase = begin::running(context, &project, &observed)?;
    let journal = journal::read(&engine, &project, &observed).await?;
    let open = journal.open_on(observed.migrating);
    let is_moved = |it: &&Migration| match it.ended {
        Some(_) if it.generations.is_some() => !it.is_turned_back,
        Some(end) => end.phase != it.from,
        None => open.is_some_and(|open| open.id == it.id),
    };
    let mut moved = journal.migrations.iter().rev().filter(is_moved);
    match moved.next() {
        // It rests, so that it can be taken back like this.
        Some(open) if open.ended.is_none() && open.generations.is_some() && !undo.dry_run => {
            let Begin {
                end_sessions, how, ..
            } = undo;
            abort(context, OnwardArgs { end_sessions, how }).await
        }
        Some(open) if open.ended.is_none() => {
            let way = open.way();
            Err(MigrateError::Open { project, way }.into())
        }
        Some(last) if last.generations.is_some() => {
            Err(MigrateError::MovedForGood { project }.into())
        }
        Some(last) if last.to == phase => begin::run(context, last.from, undo).await,
        _ => Err(MigrateError::NothingToUndo { project }.into()),
    }
}

/// A migration that is open, and what it needs.
struct Open {
    project: String,
    engine: DockerEngine,
    observed: Observed,
    ladder: Ladder,
    migration: Migration,
}

impl Open {
    async fn look(context: &Context) -> Result<Self, CommandError> {
        let engine = context.engine().await?;
        let project = context.project()?;
        let observed = context.look(&engine, &project).await?;
        let mut migration = migration(&engine, &project, &observed).await?;
        let engine = context.giving(engine, migration.from.max(migration.to))?;
        let is_fast = migration.is_fast;
        let ladder = match migration.generations {
            None => {
                let (from, to) = (migration.from, migration.to);
                ladder::between(context, &engine, from, to, is_fast).await?
            }
            Some(generations) => {
                ladder::of_move(context, &engine, migration.from, generations, is_fast).await?
            }
        };
        migration.fit(&ladder);
        if migration.is_journaled() && migration.fingerprint != ladder.fingerprint() {
            return Err(MigrateError::OtherDocuments.into());
        }
        Ok(Self {
            project,
            engine,
            observed,
            ladder,
            migration,
        })
    }

    /// What stands in the way of the rest: all of it at once, before anything goes on. A
    /// move of the whole database looks by itself, before each of its tries.
    async fn look_again(
        &self,
        context: &Context,
        args: OnwardArgs,
        (rung, goal): (usize, usize),
    ) -> Result<(), CommandError> {
        if self.migration.generations.is_some() {
            return Ok(());
        }
        let rest = Rest {
            engine: &self.engine,
            project: &self.project,
            ladder: &self.ladder,
            rung,
            goal,
        };
        let checks = rest.look(args).await?;
        let notes = checks.iter().filter(|it| it.state == State::Note).cloned();
        let notes: Vec<_> = notes.collect();
        if !notes.is_empty() {
            let text = preflight::text(&context.printer, &notes);
            context.printer.say(text.trim_end());
        }
        preflight::refuse(&checks)
    }

    /// It has moved, and rests: to go on is to give the old cluster up.
    fn leaves_the_old(&self) -> bool {
        let Migration {
            start, goal, next, ..
        } = self.migration;
        let steps = course(&self.ladder, start, goal);
        let crossed = steps.iter().position(|it| matches!(it, Step::Cross { .. }));
        let is_forward = goal == self.ladder.top();
        is_forward && crossed.is_some_and(|crossed| next > crossed)
    }

    /// Asks before data are destroyed on the way between two rungs.
    fn ask(
        &self,
        context: &Context,
        how: HowArgs,
        (start, goal): (usize, usize),
    ) -> Result<(), CommandError> {
        for step in course(&self.ladder, start, goal) {
            if let Step::Discard { volumes } = step {
                ask(context, how, &volumes)?;
            }
        }
        Ok(())
    }

    async fn take_on(
        &self,
        context: &Context,
        how: HowArgs,
        command: &'static str,
        turn: Option<(usize, usize)>,
    ) -> Result<(), CommandError> {
        let wanted = Wanted {
            project: &self.project,
            command,
            observed: &self.observed,
        };
        let work = async |before| self.work(context, how, command, turn, before).await;
        lock::held(how.lock, context, &self.engine, wanted, work).await
    }

    async fn work(
        &self,
        context: &Context,
        how: HowArgs,
        command: &'static str,
        turn: Option<(usize, usize)>,
        before: Before,
    ) -> Result<(), CommandError> {
        let observed = context.look_at_own(&self.engine, &self.project).await?;
        let mut migration = migration(&self.engine, &self.project, &observed).await?;
        if migration.epoch != self.migration.epoch || migration.next != self.migration.next {
            // Whoever had the lock until now went on with it.
            let (project, way) = (self.project.clone(), migration.way());
            return Err(MigrateError::Open { project, way }.into());
        }
        migration.fit(&self.ladder);
        migration.epoch += 1;
        migration.owner = LockOwner::this(command).to_string();
        let mut site = DockerSite {
            context,
            engine: &self.engine,
            project: &self.project,
            before,
            wait_timeout: Span::seconds(how.wait_timeout),
        };
        let mut drive = Drive {
            ladder: &self.ladder,
            site: &mut site,
            migration,
            looks: looks(how),
            rests: turn.is_some() || !self.leaves_the_old(),
        };
        let mut agents = observed.instances("agent").into_iter();
        if !agents.any(|(_, it)| it.is_running()) {
            // What was begun is journaled; without it nothing more can be.
            let rung = drive.migration.rung;
            let settled = drive.settle(rung, Volumes::Keep).await;
            settled.map_err(|source| told::stopped(&drive.migration, source))?;
        }
        drive.note(Event::TakenOver).await?;
        if let Some((start, goal)) = turn {
            drive.note(Event::TurnedBack { start, goal }).await?;
        }
        told::drive(context, drive).await
    }
}

/// The open migration from the journal, or from its mark where that is lost.
async fn migration(
    engine: &DockerEngine,
    project: &str,
    observed: &Observed,
) -> Result<Migration, CommandError> {
    let journal = match journal::read(engine, project, observed).await {
        Err(CommandError::Migrate(MigrateError::NoAgent { .. }))
            if observed.migrating.is_some() =>
        {
            Default::default()
        }
        read => read?,
    };
    let open = journal.open_on(observed.migrating).cloned();
    let open = open.or_else(|| observed.migrating.map(Migration::of_mark));
    open.ok_or_else(|| {
        let project = project.to_owned();
        MigrateError::NoneOpen { project }.into()
    })
}
