//! `scalectl up`: plans towards the documents of a phase and runs that plan.
//!
//! Also upgrades: a changed scale.yaml is only another document. Must never
//! start or change anything itself. Next: `plan/rules.rs`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::DockerEngine;
use scalectl_images::AppImage;
use scalectl_plan::{Goal, Observed, Plan};
use scalectl_ui::critical_path;

use crate::cli::apply;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::images::{self, AppBuilds, ImageArgs};
use crate::cli::lock::{self, LockArgs, Wanted};

/// Bring the stack up, or bring it to what scale.yaml says now
#[derive(clap::Args, Debug)]
pub struct UpArgs {
    /// The stage of growth; without it the one that runs, or else 1
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
    images::prepare_app(context, &engine, phase, args.app_builds()).await?;
    let compose = context.render(phase, Some(&engine)).await?.compose;
    let mut observed = engine.observe(&Scope::of(&compose)).await?;
    if images::build_missing(context, &engine, &compose, &observed).await? {
        observed = engine.observe(&Scope::of(&compose)).await?;
    }
    let plan = args.plan_from(&compose, &observed)?;
    if plan.is_empty() {
        context
            .printer
            .say(&format!("{} is up, nothing to do", plan.project));
    } else {
        let wanted = Wanted {
            project: &plan.project,
            command: "up",
            observed: &observed,
        };
        let work = args.apply(context, &engine, &compose);
        lock::held(args.lock, context, &engine, wanted, work).await?;
    }
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
        let goal = Goal::up(compose, Span(Duration::from_secs(self.wait_timeout)));
        let fresh = scalectl_plan::build(&goal, observed)?;
        match &self.plan {
            Some(file) => saved(file, &fresh),
            None => Ok(fresh),
        }
    }

    /// Looks and plans once more, now that nobody else changes anything, and
    /// runs that plan.
    async fn apply(
        &self,
        context: &Context,
        engine: &DockerEngine,
        compose: &Compose,
    ) -> Result<(), CommandError> {
        let plan = lock::unless_interrupted(async {
            let observed = engine.observe(&Scope::of(compose)).await?;
            self.plan_from(compose, &observed)
        });
        let plan = plan.await?;
        if plan.is_empty() {
            let done = format!("{} is up: somebody else was quicker", plan.project);
            context.printer.say(&done);
            return Ok(());
        }
        let report = apply::run(context, engine, &plan, "up").await?;
        context.printer.say(&critical_path(&plan, &report));
        Ok(())
    }
}

/// Renders, looks and plans; changes nothing, not even an image.
pub async fn plan(
    context: &Context,
    engine: DockerEngine,
    phase: Option<u8>,
    wait_timeout: u64,
) -> Result<Plan, CommandError> {
    let phase = phase_of(context, &engine, phase).await?;
    let engine = &context.giving(engine, phase)?;
    if let Some((build, state)) = images::app_state(context, engine, phase).await?
        && state != AppImage::Current
    {
        context.printer.say(&format!(
            "{} is not what its folder gives now: `up` builds it first, and what follows from that is not in this plan",
            build.image
        ));
    }
    let compose = context.render(phase, Some(engine)).await?.compose;
    let observed = engine.observe(&Scope::of(&compose)).await?;
    let goal = Goal::up(&compose, Span(Duration::from_secs(wait_timeout)));
    Ok(scalectl_plan::build(&goal, &observed)?)
}

/// The phase that is asked for, else the one that runs, else 1.
async fn phase_of(
    context: &Context,
    engine: &DockerEngine,
    asked: Option<u8>,
) -> Result<u8, CommandError> {
    if let Some(phase) = asked {
        return Ok(phase);
    }
    let scope = Scope::project(&context.project()?);
    Ok(engine.observe_own(&scope).await?.phase.unwrap_or(1))
}

/// A saved plan, if it was made from what is there now.
fn saved(file: &PathBuf, fresh: &Plan) -> Result<Plan, CommandError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| CommandError::io(format!("read {}", file.display()), source))?;
    let plan: Plan = serde_json::from_str(&text).map_err(|source| CommandError::BadPlan {
        file: file.clone(),
        source: Some(source),
    })?;
    if plan.project != fresh.project || plan.fingerprint != fresh.fingerprint {
        return Err(CommandError::StalePlan { file: file.clone() });
    }
    let is_in_order = plan.operations.iter().zip(1..).all(|(operation, id)| {
        operation.id.0 == id
            && operation
                .after
                .iter()
                .all(|before| before.0 < id && before.0 > 0)
    });
    match is_in_order {
        true => Ok(plan),
        false => Err(CommandError::BadPlan {
            file: file.clone(),
            source: None,
        }),
    }
}
