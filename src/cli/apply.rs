//! A plan is run: shown while it works, stopped by Ctrl-C, counted at the end.

use scalectl_engine_docker::DockerEngine;
use scalectl_execute::{Report, Stop, Width};
use scalectl_plan::Plan;
use scalectl_ui::Progress;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock::{self, Before};

/// How often what is done is found undone before it is given up.
const ROUNDS: u32 = 3;

/// Carries out what `plan` gives, which is told whether nothing is sure yet. After unrest it looks again until nothing is left to
/// do: what a killed scalectl had asked for can happen late, undo what was done and
/// make fail what relied on it. Gives what was carried out.
pub async fn carry_out(
    context: &Context,
    engine: &DockerEngine,
    what: &'static str,
    before: Before,
    plan: impl AsyncFn(bool) -> Result<Plan, CommandError>,
) -> Result<Vec<(Plan, Report)>, CommandError> {
    let mut done = Vec::new();
    for round in 0.. {
        let is_unsettled = before == Before::Unrest && done.is_empty();
        let left = lock::unless_interrupted(plan(is_unsettled)).await?;
        if left.is_empty() {
            break;
        }
        if round > ROUNDS {
            return Err(not_at_rest(&left));
        }
        if round > 0 {
            let changed = format!("something has changed while `{what}` worked: going on");
            context.printer.say(&changed);
        }
        match run(context, engine, &left, what).await {
            Ok(report) => done.push((left, report)),
            Err(error) if round < ROUNDS && before == Before::Unrest && error.may_be_unrest() => {
                error.print(&context.printer);
            }
            Err(error) => return Err(error),
        }
        if before == Before::Rest {
            break;
        }
    }
    Ok(done)
}

fn not_at_rest(left: &Plan) -> CommandError {
    let first = left.operations.first();
    CommandError::NotAtRest {
        project: left.project.clone(),
        subject: first.map_or_else(String::new, |it| it.call.subject().to_owned()),
        cause: first.map_or_else(String::new, |it| it.cause.to_string()),
    }
}

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
                        return Err(CommandError::EndedAtOnce { what });
                    }
                    stop.ask();
                }
            }
        }
    };
    progress.finish();
    outcome.map_err(|source| CommandError::Execute { what, source })
}
