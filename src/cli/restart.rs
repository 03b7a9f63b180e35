//! `scalectl restart`: plans the restart of what is there and runs that plan.
//!
//! Must never know an order, nor change what a container is made from. With the
//! stack's document at hand the plan can keep clients unaware.
//! Next: `plan/restart.rs`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::DockerEngine;
use scalectl_plan::{Call, Goal, Observed, Plan};
use scalectl_ui::seconds;

use crate::cli::apply;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock::{self, LockArgs, Wanted};

/// Restart services as they are; changes in scale.yaml wait for `up`
///
/// A named service that rolls (app, edge, pooler) gets successors of the same definition, and
/// no request is lost, unless scale.yaml says something else of it now. All others are stopped
/// and started.
#[derive(clap::Args, Debug)]
pub struct RestartArgs {
    /// Only these services; all that run without a name
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// How long each wait may take, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    wait_timeout: u64,
    #[command(flatten)]
    lock: LockArgs,
}

pub async fn run(args: &RestartArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look(&engine, &project).await?;
    context.refuse_unknown(&project, &observed, &args.services)?;
    context.refuse_migrating(&project, &observed)?;
    let document = args.document(context, &engine, &observed).await?;
    let engine = match (&document, observed.phase) {
        (Some(_), Some(phase)) => context.giving(engine, phase)?,
        _ => engine,
    };
    let work = Work {
        args,
        document: document.as_ref(),
        project: &project,
    };
    if work.plan(&engine).await?.0.is_empty() {
        let nothing = format!("nothing of {project} runs; `scalectl up` brings it up");
        context.printer.say(&nothing);
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted {
        project: &project,
        command: "restart",
        observed: &observed,
    };
    let work = async |_| work.apply(context, &engine).await;
    lock::held(args.lock, context, &engine, wanted, work).await?;
    Ok(ExitCode::SUCCESS)
}

impl RestartArgs {
    /// What the stack was made from, where a service is named and scale.yaml is there.
    async fn document(
        &self,
        context: &Context,
        engine: &DockerEngine,
        observed: &Observed,
    ) -> Result<Option<Compose>, CommandError> {
        let is_there = context.has_model();
        match observed.phase {
            Some(phase) if is_there && !self.services.is_empty() => {
                Ok(Some(context.render(phase, Some(engine)).await?.compose))
            }
            _ => Ok(None),
        }
    }
}

struct Work<'a> {
    args: &'a RestartArgs,
    document: Option<&'a Compose>,
    project: &'a str,
}

impl Work<'_> {
    /// The plan, and the named services that could have rolled and do not, each with
    /// what was found of it.
    async fn plan(
        &self,
        engine: &DockerEngine,
    ) -> Result<(Plan, BTreeMap<String, String>), CommandError> {
        let deadline = Span(Duration::from_secs(self.args.wait_timeout));
        let (project, services) = (self.project, &self.args.services);
        let Some(compose) = self.document else {
            let observed = engine.observe(&Scope::project(project)).await?;
            let plan = scalectl_plan::restart(project, &observed, services, deadline);
            return Ok((plan, BTreeMap::new()));
        };
        let observed = engine.observe(&Scope::of(compose)).await?;
        let goal = Goal::up(compose, deadline);
        let in_place = scalectl_plan::in_place(&goal, &observed, services);
        let plan = scalectl_plan::restart_as(&goal, &observed, services);
        Ok((plan, in_place))
    }

    /// Looks and plans once more, now that nobody else changes anything.
    async fn apply(&self, context: &Context, engine: &DockerEngine) -> Result<(), CommandError> {
        let (plan, in_place) = lock::unless_interrupted(self.plan(engine)).await?;
        for (service, why) in in_place {
            context.printer.say(&format!(
                "{service} is stopped and started, and not replaced while it serves, for {why}: requests can fail meanwhile"
            ));
        }
        let report = apply::run(context, engine, &plan, "restart").await?;
        let starts = plan.operations.iter();
        let starts = starts.filter(|it| matches!(it.call, Call::StartContainer { .. }));
        let count = starts.count();
        context.printer.say(&format!(
            "{count} container{} of {} restarted in {}",
            if count == 1 { "" } else { "s" },
            self.project,
            seconds(report.elapsed)
        ));
        Ok(())
    }
}
