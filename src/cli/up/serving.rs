//! The end of an `up`: what runs is served, not only well.
//!
//! A container that was made by an `up` that failed can be well and unknown to the edge,
//! which nothing shows but the edge's own answer. It is asked, quietly as long as that
//! takes no time. Must never change anything. Next: `plan/serving.rs` (who is asked).

use std::time::Duration;

use scalectl_engine_docker::DockerEngine;
use scalectl_execute::{Stop, Width};
use scalectl_plan::{Call, Plan};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock;

/// So long is nothing said.
const QUIET: Duration = Duration::from_secs(1);

/// Asks what `plan` asks, and waits for the answers.
pub async fn confirm(
    context: &Context,
    engine: &DockerEngine,
    plan: &Plan,
) -> Result<(), CommandError> {
    if plan.is_empty() {
        return Ok(());
    }
    let stop = Stop::default();
    let asked = async {
        let ended = scalectl_execute::run(plan, engine, Width::default(), &stop, |_| ()).await;
        let failed = |source| CommandError::Execute { what: "up", source };
        ended.map(drop).map_err(failed)
    };
    let told = async {
        tokio::time::sleep(QUIET).await;
        context.printer.say(&waiting(plan));
        std::future::pending().await
    };
    lock::unless_interrupted(async {
        tokio::select! {
            ended = asked => ended,
            never = told => never,
        }
    })
    .await
}

fn waiting(plan: &Plan) -> String {
    let questions = plan.operations.iter().filter_map(|it| match &it.call {
        Call::Exec { command, .. } => command.last().cloned(),
        _ => None,
    });
    let names: Vec<_> = questions.collect();
    format!("waiting until {} is served", names.join(", "))
}
