//! `migrate --to N`: looks whether it can be, shows what would be, asks, begins.

use std::collections::BTreeSet;

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::{DockerEngine, LockOwner};
use scalectl_migrate::{Drive, Entry, Event, Ladder, Migration, Outline, Site, outline};
use scalectl_plan::{Goal, Observed, Plan};
use scalectl_ui::{Answer, Format, confirm, outline_text};
use serde::Serialize;

use super::needs::{self, Needs};
use super::site::DockerSite;
use super::{HowArgs, MigrateError, journal, ladder, told};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::images;
use crate::cli::lock::{self, Before, Wanted};
use crate::cli::up::assume_own;

/// A stack that could be moved, and the way.
pub struct Way {
    pub project: String,
    pub engine: DockerEngine,
    pub observed: Observed,
    pub ladder: Ladder,
    pub from: u8,
    pub to: u8,
}

pub async fn run(
    context: &Context,
    to: u8,
    dry_run: bool,
    how: HowArgs,
) -> Result<(), CommandError> {
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
    let ladder = ladder::between(context, &engine, from, to).await?;
    let way = Way {
        project,
        engine,
        observed,
        ladder,
        from,
        to,
    };
    let needs = way.refuse_unready(context, how).await?;
    let outline = way.outline();
    if dry_run {
        return way.show(context, &outline, needs);
    }
    let text = outline_text(&outline) + &needs.text();
    context.printer.say(text.trim_end());
    ask(context, how, &outline.destroys)?;
    let wanted = Wanted {
        project: &way.project,
        command: "migrate",
        observed: &way.observed,
    };
    let work = async |before| way.begin(context, how, before).await;
    lock::held(how.lock, context, &way.engine, wanted, work).await
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    outline: &'a Outline,
    needs: Needs,
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

async fn refuse_open(
    engine: &DockerEngine,
    project: &str,
    observed: &Observed,
) -> Result<(), CommandError> {
    let journal = journal::read(engine, project, observed).await?;
    let open = journal.open_on(observed.migrating);
    let open = open.map(|it| (it.from, it.to));
    let marked = observed.migrating.map(|it| (it.from, it.to));
    match open.or(marked) {
        None => Ok(()),
        Some((from, to)) => {
            let project = project.to_owned();
            Err(MigrateError::Open { project, from, to }.into())
        }
    }
}

impl Way {
    fn start(&self) -> usize {
        self.ladder.rung_of(self.from)
    }

    fn goal(&self) -> usize {
        self.ladder.rung_of(self.to)
    }

    fn outline(&self) -> Outline {
        outline(&self.ladder, self.start(), self.goal())
    }

    /// The documents of now and of the end.
    pub fn documents(&self) -> (&Compose, &Compose) {
        let rungs = self.ladder.rungs();
        (&rungs[self.start()].compose, &rungs[self.goal()].compose)
    }

    /// How many database members come.
    pub fn new_members(&self) -> u64 {
        let before = self.ladder.members(self.start());
        let after = self.ladder.members(self.goal());
        let new = after.keys().filter(|it| !before.contains_key(*it));
        new.count() as u64
    }

    fn show(&self, context: &Context, outline: &Outline, needs: Needs) -> Result<(), CommandError> {
        let printed = match context.printer.format {
            Format::Json => context.printer.json(&Shown { outline, needs }),
            Format::Text => {
                let text = outline_text(outline) + &needs.text();
                context.printer.data(&text)
            }
        };
        printed.map_err(|source| CommandError::io("print the steps", source))
    }

    /// Whether what runs is what it should be, nothing stands in the way of what is to
    /// come, the database is well, and there is room.
    async fn refuse_unready(&self, context: &Context, how: HowArgs) -> Result<Needs, CommandError> {
        let wait = Span::seconds(how.wait_timeout);
        let (now, then) = self.documents();
        let observed = self.engine.observe(&Scope::of(now)).await?;
        let left = scalectl_plan::build(&Goal::up(now, wait), &observed)?;
        self.refuse_left(&left)?;
        let mut observed = self.engine.observe(&Scope::of(then)).await?;
        assume_own(then, &mut observed);
        let goal = Goal {
            migrates: true,
            ..Goal::up(then, wait)
        };
        scalectl_plan::build(&goal, &observed)?;
        let census = self.site(context, how, Before::Rest).census().await?;
        let why = match (&census.primary, census.paused) {
            (None, _) => "no member takes writes",
            (_, true) => "automatic failover is off, so somebody else is at work on it",
            (Some(primary), false) => {
                let needs = needs::of(self, &observed, primary).await?;
                needs.refuse_too_little()?;
                return Ok(needs);
            }
        };
        let (project, why) = (self.project.clone(), why.to_owned());
        Err(MigrateError::Database { project, why }.into())
    }

    fn refuse_left(&self, left: &Plan) -> Result<(), CommandError> {
        match left.operations.first() {
            None => Ok(()),
            Some(first) => Err(MigrateError::NotAsDescribed {
                phase: self.from,
                subject: first.call.subject().to_owned(),
                cause: first.cause.to_string(),
            }
            .into()),
        }
    }

    fn site<'a>(&'a self, context: &'a Context, how: HowArgs, before: Before) -> DockerSite<'a> {
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
        how: HowArgs,
        before: Before,
    ) -> Result<(), CommandError> {
        let observed = context.look_at_own(&self.engine, &self.project).await?;
        refuse_open(&self.engine, &self.project, &observed).await?;
        let journal = journal::read(&self.engine, &self.project, &observed).await?;
        let (_, then) = self.documents();
        let seen = self.engine.observe(&Scope::of(then)).await?;
        let build = images::build_missing(context, &self.engine, then, &seen);
        lock::unless_interrupted(build).await?;
        self.refuse_unready(context, how).await?;
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
        };
        told::drive(context, drive).await
    }
}

/// How often it is looked, twice a second, before a wait is given up.
pub fn looks(how: HowArgs) -> u32 {
    u32::try_from(how.wait_timeout.saturating_mul(2)).unwrap_or(u32::MAX)
}
