//! `migrate --to N`: looks whether it can be, shows what would be, asks, begins.

use std::collections::BTreeSet;

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::{DockerEngine, LockOwner};
use scalectl_migrate::{Drive, Entry, Event, Expected, Ladder, Migration, Outline, Site, outline};
use scalectl_plan::Observed;
use scalectl_ui::{Answer, Format, confirm, expected_text, outline_text};
use serde::Serialize;

use super::checks::Ready;
use super::needs::Needs;
use super::site::DockerSite;
use super::{Begin, HowArgs, MigrateError, journal, ladder, told};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::images;
use crate::cli::lock::{self, Before, Wanted};
use crate::cli::preflight::{self, Check};

/// A copy that is not `--fast`. Its other home: src/render/view.rs.
const COPY_BYTES_A_SECOND: u64 = 24 << 20;

/// A stack that could be moved, and the way.
pub struct Way {
    pub project: String,
    pub engine: DockerEngine,
    pub observed: Observed,
    pub ladder: Ladder,
    pub from: u8,
    pub to: u8,
    /// Copies of the database are not slowed down.
    pub is_fast: bool,
    /// It rests before an old cluster is given up.
    pub rests: bool,
}

pub async fn run(context: &Context, to: u8, begin: Begin) -> Result<(), CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look(&engine, &project).await?;
    let from = running(context, &project, &observed)?;
    scalectl_phase::get(&context.phases()?, to)?;
    refuse_open(&engine, &project, &observed).await?;
    if from == to {
        let there = format!("{project} is in phase {to} already, nothing to do");
        context.printer.say(&there);
        return Ok(());
    }
    let engine = context.giving(engine, to)?;
    let ladder = ladder::between(context, &engine, from, to, begin.fast).await?;
    let way = Way {
        project,
        engine,
        observed,
        ladder,
        from,
        to,
        is_fast: begin.fast,
        rests: false,
    };
    way.go(context, begin).await
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    outline: &'a Outline,
    needs: Needs,
    expected: &'a Expected,
    checks: &'a [Check],
}

/// The phase that runs.
pub fn running(context: &Context, project: &str, observed: &Observed) -> Result<u8, CommandError> {
    context.refuse_composed(project, observed)?;
    let runs = observed.ours().any(|(_, it)| it.is_running());
    let phase = observed.phase.filter(|_| runs);
    phase.ok_or_else(|| CommandError::NotUp {
        project: project.to_owned(),
    })
}

/// Asks before data is destroyed.
pub fn ask(
    context: &Context,
    how: HowArgs,
    destroys: &BTreeSet<String>,
) -> Result<(), CommandError> {
    if destroys.is_empty() || how.yes {
        return Ok(());
    }
    let volumes: Vec<_> = destroys.iter().map(String::as_str).collect();
    let question = format!(
        "At its end this destroys the data in {} for good.",
        volumes.join(", ")
    );
    match confirm(&context.printer, &question) {
        Answer::Yes => Ok(()),
        Answer::No => Err(CommandError::Declined),
        Answer::Nobody => Err(CommandError::NeedsYes { question }),
    }
}

pub async fn refuse_open(
    engine: &DockerEngine,
    project: &str,
    observed: &Observed,
) -> Result<(), CommandError> {
    let journal = journal::read(engine, project, observed).await?;
    let open = journal.open_on(observed.migrating).map(Migration::way);
    match open.or(observed.migrating.map(|it| it.way())) {
        None => Ok(()),
        Some(way) => {
            let project = project.to_owned();
            Err(MigrateError::Open { project, way }.into())
        }
    }
}

impl Way {
    /// Shows it, or looks, asks, and begins.
    pub async fn go(&self, context: &Context, begin: Begin) -> Result<(), CommandError> {
        let how = begin.how;
        let ready = self.look(context, begin).await?;
        let outline = self.outline();
        if begin.dry_run {
            self.show(context, &outline, &ready)?;
            return preflight::refuse(&ready.checks);
        }
        preflight::refuse(&ready.checks)?;
        let text = outline_text(&outline) + &ready.text(context);
        context.printer.say(text.trim_end());
        if !self.rests {
            ask(context, how, &outline.destroys)?;
        }
        let wanted = Wanted {
            project: &self.project,
            command: "migrate",
            observed: &self.observed,
        };
        let work = async |before| self.begin(context, begin, before).await;
        lock::held(how.lock, context, &self.engine, wanted, work).await
    }

    fn start(&self) -> usize {
        match self.ladder.generations() {
            Some(_) => 0,
            None => self.ladder.rung_of(self.from),
        }
    }

    fn goal(&self) -> usize {
        match self.ladder.generations() {
            Some(_) => self.ladder.top(),
            None => self.ladder.rung_of(self.to),
        }
    }

    fn fullest(&self) -> usize {
        self.ladder.fullest(self.start(), self.goal())
    }

    pub fn outline(&self) -> Outline {
        outline(&self.ladder, self.start(), self.goal())
    }

    /// The documents of now and of when there is most.
    pub fn documents(&self) -> (&Compose, &Compose) {
        let rungs = self.ladder.rungs();
        let then = match self.ladder.generations() {
            Some(_) => self.fullest(),
            None => self.goal(),
        };
        (&rungs[self.start()].compose, &rungs[then].compose)
    }

    /// How fast copies may be at most, all of them together, in bytes a second; without one
    /// as fast as the disk is.
    pub fn copy_rate(&self) -> Option<u64> {
        let at_once = match self.ladder.generations() {
            // The others copy the first one.
            Some(_) => 1,
            None => self.new_members().max(1),
        };
        (!self.is_fast).then_some(COPY_BYTES_A_SECOND * at_once)
    }

    /// How many database members come.
    pub fn new_members(&self) -> u64 {
        let before = self.ladder.members(self.start());
        let after = self.ladder.members(self.fullest());
        let new = after.keys().filter(|it| !before.contains_key(*it));
        new.count() as u64
    }

    fn show(
        &self,
        context: &Context,
        outline: &Outline,
        ready: &Ready,
    ) -> Result<(), CommandError> {
        let shown = Shown {
            outline,
            needs: ready.needs,
            expected: &ready.expected,
            checks: &ready.checks,
        };
        let printed = match context.printer.format {
            Format::Json => context.printer.json(&shown),
            Format::Text => {
                let checks = preflight::text(&context.printer, &ready.checks);
                let text = outline_text(outline)
                    + &ready.needs.text()
                    + &expected_text(&ready.expected)
                    + &checks;
                context.printer.data(&text)
            }
        };
        printed.map_err(|source| CommandError::io("print the steps", source))
    }

    pub fn site<'a>(
        &'a self,
        context: &'a Context,
        how: HowArgs,
        before: Before,
    ) -> DockerSite<'a> {
        DockerSite {
            context,
            engine: &self.engine,
            project: &self.project,
            before,
            wait_timeout: Span::seconds(how.wait_timeout),
        }
    }

    /// Looks once more, now that nobody else changes anything, and begins.
    async fn begin(
        &self,
        context: &Context,
        begin: Begin,
        before: Before,
    ) -> Result<(), CommandError> {
        let how = begin.how;
        let observed = context.look_at_own(&self.engine, &self.project).await?;
        refuse_open(&self.engine, &self.project, &observed).await?;
        let journal = journal::read(&self.engine, &self.project, &observed).await?;
        let (_, then) = self.documents();
        let seen = self.engine.observe(&Scope::of(then)).await?;
        let build = images::build_missing(context, &self.engine, then, &seen);
        lock::unless_interrupted(build).await?;
        let ready = self.look(context, begin).await?;
        preflight::refuse(&ready.checks)?;
        let mut site = self.site(context, how, before);
        let entry = Entry {
            id: journal.next_id(),
            epoch: 1,
            at_ms: site.now_ms(),
            owner: LockOwner::this("migrate").to_string(),
            event: Event::Begun {
                from: self.from,
                to: self.to,
                fingerprint: self.ladder.fingerprint(),
                start: self.start(),
                goal: self.goal(),
                generations: self.ladder.generations(),
                is_fast: self.is_fast,
            },
        };
        let Some(migration) = Migration::begun(&entry) else {
            return Ok(());
        };
        site.write(&entry).await?;
        let drive = Drive {
            ladder: &self.ladder,
            site: &mut site,
            migration,
            looks: looks(how),
            rests: self.rests,
        };
        told::drive(context, drive).await
    }
}

/// How often it is looked, twice a second, before a wait is given up.
pub fn looks(how: HowArgs) -> u32 {
    u32::try_from(how.wait_timeout.saturating_mul(2)).unwrap_or(u32::MAX)
}
