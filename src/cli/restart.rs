//! `scalectl restart`: plans the restart of what is there and runs that plan.
//!
//! Must never know an order, nor change what a container is made from.
//! Next: `plan/restart.rs`.

use std::process::ExitCode;
use std::time::Duration;

use scalectl_documents::Span;
use scalectl_engine_docker::DockerEngine;
use scalectl_plan::{Call, Observed, Plan};
use scalectl_ui::seconds;

use crate::cli::apply;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock::{self, LockArgs, Wanted};

/// Stop and start containers as they are; changes in scale.yaml wait for `up`
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
    if args.plan(&project, &observed).is_empty() {
        let nothing = format!("nothing of {project} runs; `scalectl up` brings it up");
        context.printer.say(&nothing);
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted {
        project: &project,
        command: "restart",
        observed: &observed,
    };
    let work = async |_| args.apply(context, &engine, &project).await;
    lock::held(args.lock, context, &engine, wanted, work).await?;
    Ok(ExitCode::SUCCESS)
}

impl RestartArgs {
    fn plan(&self, project: &str, observed: &Observed) -> Plan {
        let deadline = Span(Duration::from_secs(self.wait_timeout));
        scalectl_plan::restart(project, observed, &self.services, deadline)
    }

    /// Looks and plans once more, now that nobody else changes anything.
    async fn apply(
        &self,
        context: &Context,
        engine: &DockerEngine,
        project: &str,
    ) -> Result<(), CommandError> {
        let observed = lock::unless_interrupted(context.look(engine, project)).await?;
        let plan = self.plan(project, &observed);
        let report = apply::run(context, engine, &plan, "restart").await?;
        let starts = plan.operations.iter();
        let starts = starts.filter(|it| matches!(it.call, Call::StartContainer { .. }));
        context.printer.say(&format!(
            "{} of {project} restarted in {}",
            starts.count(),
            seconds(report.elapsed)
        ));
        Ok(())
    }
}
