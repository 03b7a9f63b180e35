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
use scalectl_plan::{Goal, Plan};
use scalectl_ui::critical_path;

use crate::cli::apply;
use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Bring the stack up, or bring it to what scale.yaml says now
#[derive(clap::Args, Debug)]
pub struct UpArgs {
    /// The stage of growth; without it the one that runs, or else 1
    #[arg(long, value_name = "N")]
    phase: Option<u8>,
    /// How long each wait may take, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    wait_timeout: u64,
    /// Run this plan (of `scalectl plan -o FILE`); refused when things have changed since
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,
}

pub async fn run(args: &UpArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let engine = context.engine().await?;
    let planned = plan(context, &engine, args.phase, args.wait_timeout).await?;
    let plan = match &args.plan {
        Some(file) => saved(file, &planned.plan)?,
        None => planned.plan,
    };
    if plan.is_empty() {
        context
            .printer
            .say(&format!("{} is up, nothing to do", plan.project));
    } else {
        let report = apply::run(context, &engine, &plan, "up").await?;
        context.printer.say(&critical_path(&plan, &report));
    }
    for (what, address) in planned
        .compose
        .about
        .iter()
        .flat_map(|about| &about.addresses)
    {
        context.printer.say(&format!("{what:12} {address}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A plan and what it was made for.
pub struct Planned {
    pub compose: Compose,
    pub plan: Plan,
}

/// Renders, looks and plans.
pub async fn plan(
    context: &Context,
    engine: &DockerEngine,
    phase: Option<u8>,
    wait_timeout: u64,
) -> Result<Planned, CommandError> {
    let phase = match phase {
        Some(phase) => phase,
        None => running_phase(context, engine).await?,
    };
    let compose = context.render(phase, Some(engine)).await?.compose;
    let observed = engine.observe(&Scope::of(&compose)).await?;
    let goal = Goal::up(&compose, Span(Duration::from_secs(wait_timeout)));
    let plan = scalectl_plan::build(&goal, &observed)?;
    Ok(Planned { compose, plan })
}

async fn running_phase(context: &Context, engine: &DockerEngine) -> Result<u8, CommandError> {
    let scope = Scope {
        project: context.project()?,
        images: Vec::new(),
    };
    Ok(engine.observe(&scope).await?.phase.unwrap_or(1))
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
