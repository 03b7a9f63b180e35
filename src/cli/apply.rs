//! A plan is run: shown while it works, stopped by Ctrl-C, counted at the end.

use scalectl_engine_docker::DockerEngine;
use scalectl_execute::{ExecuteError, Report, Stop, Width};
use scalectl_plan::Plan;
use scalectl_ui::Progress;

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Carries out `plan`. Ctrl-C once ends it cleanly, twice at once.
pub async fn run(
    context: &Context,
    engine: &DockerEngine,
    plan: &Plan,
    what: &'static str,
) -> Result<Report, CommandError> {
    let stop = Stop::default();
    let mut progress = Progress::new(context.printer, plan);
    let outcome = {
        let run = scalectl_execute::run(plan, engine, Width::default(), &stop, |event| {
            progress.show(&event)
        });
        tokio::pin!(run);
        let mut signals = 0;
        loop {
            tokio::select! {
                outcome = &mut run => break outcome,
                _ = tokio::signal::ctrl_c() => {
                    signals += 1;
                    if signals > 1 {
                        break Err(ExecuteError::Stopped { done: 0, total: plan.operations.len() });
                    }
                    stop.ask();
                }
            }
        }
    };
    progress.finish();
    outcome.map_err(|source| CommandError::Execute { what, source })
}
