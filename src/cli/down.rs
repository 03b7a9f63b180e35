//! `scalectl down`: plans towards nothing and runs that plan.
//!
//! Must never stop or remove anything itself, nor know an order.
//! Next: `plan/removal.rs` (what goes when), `ui/confirm.rs` (the question).

use std::process::ExitCode;
use std::time::Duration;

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::DockerEngine;
use scalectl_plan::{Goal, Observed, Plan, Volumes};
use scalectl_ui::{Answer, confirm, seconds};

use crate::cli::apply;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock::{self, Before, LockArgs, Wanted};

/// Remove the stack; its volumes stay
#[derive(clap::Args, Debug)]
pub struct DownArgs {
    /// Also destroy every volume, with the data in it (cannot be undone)
    #[arg(long)]
    volumes: bool,
    /// Answer the question with yes
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    lock: LockArgs,
}

pub async fn run(args: &DownArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let engine = context.engine().await?;
    let nothing = Compose::none(&context.project()?);
    let observed = engine.observe(&Scope::of(&nothing)).await?;
    let plan = args.plan_from(&nothing, &observed)?;
    if plan.is_empty() && !lock::is_there(&plan.project, &observed) {
        context.refuse_composed(&plan.project, &observed)?;
        context
            .printer
            .say(&format!("{} is down, nothing to do", plan.project));
    } else {
        ask(args, context, &plan)?;
        let wanted = Wanted {
            project: &plan.project,
            command: "down",
            observed: &observed,
        };
        let work = async |before| args.apply(context, &engine, &nothing, &plan, before).await;
        lock::held(args.lock, context, &engine, wanted, work).await?;
    }
    if !plan.keeps.is_empty() {
        context
            .printer
            .say(&format!("kept with their data: {}", plan.keeps.join(", ")));
        context
            .printer
            .say("`scalectl down --volumes` destroys them");
    }
    Ok(ExitCode::SUCCESS)
}

impl DownArgs {
    fn plan_from(&self, nothing: &Compose, observed: &Observed) -> Result<Plan, CommandError> {
        let volumes = if self.volumes {
            Volumes::Remove
        } else {
            Volumes::Keep
        };
        let goal = Goal {
            volumes,
            ..Goal::up(nothing, Span(Duration::from_secs(120)))
        };
        Ok(scalectl_plan::build(&goal, observed)?)
    }

    /// Looks and plans once more, now that nobody else changes anything, and
    /// runs that plan, unless it destroys more than was asked about.
    async fn apply(
        &self,
        context: &Context,
        engine: &DockerEngine,
        nothing: &Compose,
        asked: &Plan,
        before: Before,
    ) -> Result<(), CommandError> {
        let known: Vec<_> = asked.destroys().collect();
        let done = apply::carry_out(context, engine, "down", before, async |_| {
            let observed = engine.observe(&Scope::of(nothing)).await?;
            let plan = self.plan_from(nothing, &observed)?;
            match self.yes || plan.destroys().all(|volume| known.contains(&volume)) {
                true => Ok(plan),
                false => Err(CommandError::MoreToDestroy),
            }
        });
        let elapsed = done.await?.iter().map(|(_, report)| report.elapsed).sum();
        context.printer.say(&format!(
            "{} is down after {}",
            asked.project,
            seconds(elapsed)
        ));
        Ok(())
    }
}

fn ask(args: &DownArgs, context: &Context, plan: &Plan) -> Result<(), CommandError> {
    let destroyed: Vec<_> = plan.destroys().collect();
    if destroyed.is_empty() || args.yes {
        return Ok(());
    }
    let question = format!(
        "This destroys the data in {} for good.",
        destroyed.join(", ")
    );
    match confirm(&context.printer, &question) {
        Answer::Yes => Ok(()),
        Answer::No => Err(CommandError::Declined),
        Answer::Nobody => Err(CommandError::NeedsYes { question }),
    }
}
