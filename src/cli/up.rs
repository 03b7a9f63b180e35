//! `scalectl up`: plans towards the documents of a phase and runs that plan.
//!
//! Also upgrades: a changed scale.yaml is only another document. Must never
//! start or change anything itself. Next: `plan/rules.rs`.

mod phase;
mod saved;
mod unbuilt;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::DockerEngine;
use scalectl_plan::{Goal, Observed, Plan};
use scalectl_ui::critical_path;

use crate::cli::apply;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::images::{self, AppBuilds, ImageArgs};
use crate::cli::lock::{self, Before, LockArgs, Wanted};
use phase::phase_of;
use saved::saved;
pub use unbuilt::{assume_own, plan};

/// Bring the stack up, or bring it to what scale.yaml says now
#[derive(clap::Args, Debug)]
pub struct UpArgs {
    /// The stage of growth; without it the one that runs or ran last, or else 1
    #[arg(long, value_name = "N")]
    phase: Option<u8>,
    /// How long each wait may take, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    wait_timeout: u64,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    lock: LockArgs,
    /// Build the app's image even if its folder has not changed, every step anew
    #[arg(long, conflicts_with = "no_build")]
    build: bool,
    /// Take the app's image as it is
    #[arg(long)]
    no_build: bool,
    /// Run this plan (of `scalectl plan -o FILE`); refused when things have changed since
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,
}

pub async fn run(args: &UpArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let context = &context.with_images(&args.images);
    let engine = context.engine().await?;
    let phase = phase_of(context, &engine, args.phase).await?;
    let engine = context.giving(engine, phase)?;
    let compose = match args.look(context, &engine, phase).await? {
        Some((compose, observed)) => {
            args.bring(context, &engine, &compose, &observed).await?;
            compose
        }
        None => args.build_and_bring(context, &engine, phase).await?,
    };
    for (what, address) in compose.about.iter().flat_map(|about| &about.addresses) {
        context.printer.say(&format!("{what:12} {address}"));
    }
    Ok(ExitCode::SUCCESS)
}

impl UpArgs {
    fn app_builds(&self) -> AppBuilds {
        match (self.build, self.no_build || self.plan.is_some()) {
            (true, _) => AppBuilds::Always,
            (_, true) => AppBuilds::Never,
            _ => AppBuilds::WhenNeeded,
        }
    }

    /// The plan from what was observed; the one of the file if that fits it.
    fn plan_from(&self, compose: &Compose, observed: &Observed) -> Result<Plan, CommandError> {
        let fresh = scalectl_plan::build(&self.goal(compose), observed)?;
        match &self.plan {
            Some(file) => saved(file, &fresh),
            None => Ok(fresh),
        }
    }

    /// The documents and what is there; none while images are to be made first.
    async fn look(
        &self,
        context: &Context,
        engine: &DockerEngine,
        phase: u8,
    ) -> Result<Option<(Compose, Observed)>, CommandError> {
        if images::app_is_to_be_made(context, engine, phase, self.app_builds()).await? {
            return Ok(None);
        }
        let compose = context.render(phase, Some(engine)).await?.compose;
        let observed = engine.observe(&Scope::of(&compose)).await?;
        let is_complete = images::missing(&compose, &observed).is_empty();
        Ok(is_complete.then_some((compose, observed)))
    }

    async fn bring(
        &self,
        context: &Context,
        engine: &DockerEngine,
        compose: &Compose,
        observed: &Observed,
    ) -> Result<(), CommandError> {
        let plan = self.plan_from(compose, observed)?;
        if plan.is_empty() && !lock::is_there(&plan.project, observed) {
            let nothing = format!("{} is up, nothing to do", plan.project);
            context.printer.say(&nothing);
            return Ok(());
        }
        let wanted = Wanted {
            project: &plan.project,
            command: "up",
            observed,
        };
        let work = async |before| self.apply(context, engine, compose, before).await;
        lock::held(self.lock, context, engine, wanted, work).await
    }

    /// Makes images under the lock, too: of two who make the same ones, each would
    /// replace the containers that the other has made from its own.
    async fn build_and_bring(
        &self,
        context: &Context,
        engine: &DockerEngine,
        phase: u8,
    ) -> Result<Compose, CommandError> {
        let project = context.project()?;
        let observed = context.look(engine, &project).await?;
        let wanted = Wanted {
            project: &project,
            command: "up",
            observed: &observed,
        };
        let work = async |before| {
            let compose = lock::unless_interrupted(self.build(context, engine, phase)).await?;
            self.apply(context, engine, &compose, before).await?;
            Ok(compose)
        };
        lock::held(self.lock, context, engine, wanted, work).await
    }

    async fn build(
        &self,
        context: &Context,
        engine: &DockerEngine,
        phase: u8,
    ) -> Result<Compose, CommandError> {
        images::prepare_app(context, engine, phase, self.app_builds()).await?;
        let compose = context.render(phase, Some(engine)).await?.compose;
        let observed = engine.observe(&Scope::of(&compose)).await?;
        images::build_missing(context, engine, &compose, &observed).await?;
        Ok(compose)
    }

    /// Looks and plans once more, now that nobody else changes anything, and
    /// runs that plan.
    async fn apply(
        &self,
        context: &Context,
        engine: &DockerEngine,
        compose: &Compose,
        before: Before,
    ) -> Result<(), CommandError> {
        let is_first = Cell::new(true);
        let done = apply::carry_out(context, engine, "up", before, async |is_unsettled| {
            let observed = engine.observe(&Scope::of(compose)).await?;
            // A plan of a file is for what was there at first.
            if is_first.replace(false) && self.plan.is_some() {
                return self.plan_from(compose, &observed);
            }
            let goal = Goal {
                is_unsettled,
                ..self.goal(compose)
            };
            Ok(scalectl_plan::build(&goal, &observed)?)
        });
        let done = done.await?;
        for (plan, report) in &done {
            context.printer.say(&critical_path(plan, report));
        }
        if done.is_empty() {
            // Somebody else was quicker, or what was built anew is what runs.
            let nothing = format!("{} is up, nothing is left to do", compose.name);
            context.printer.say(&nothing);
        }
        Ok(())
    }

    fn goal<'a>(&self, compose: &'a Compose) -> Goal<'a> {
        Goal::up(compose, Span(Duration::from_secs(self.wait_timeout)))
    }
}
