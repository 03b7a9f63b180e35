//! `scalectl doctor`: looks at everything that `up` needs, each with what to do.
//!
//! Changes nothing. A check is a function from facts to a finding; the facts
//! come from one look at the engine and at scale.yaml.
//! Next: `engine.rs` and `stack.rs` (the checks).

mod engine;
mod finding;
mod stack;

use std::process::ExitCode;

use scalectl_engine_docker::{DockerEngine, EngineReport};
use scalectl_ui::{Format, Mark, finding_text};

use self::engine::{
    clock, control_groups, disk, forwarding, free_bytes, health_checks, kernel, memory, storage,
    version,
};
use self::finding::{Finding, State, note, ok, wrong};
use self::stack::{health, images, limits, port_finding, ports};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::exit::Exit;

/// Look at all that `up` needs, and say what to do about what is wrong
#[derive(clap::Args, Debug)]
pub struct DoctorArgs {
    /// The stage of growth to look for; without it the one that runs, or else 1
    #[arg(long, value_name = "N")]
    phase: Option<u8>,
}

pub async fn run(args: &DoctorArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let (findings, unreachable) = match context.engine().await {
        Ok(engine) => (look(args, context, &engine).await?, None),
        Err(error) => (vec![unreachable(&error)], Some(error.exit())),
    };
    let printed = match context.printer.format {
        Format::Json => context.printer.json(&findings),
        Format::Text => context.printer.data(&text(context, &findings)),
    };
    printed.map_err(|source| CommandError::io("print the findings", source))?;
    let is_wrong = findings.iter().any(|it| it.state == State::Wrong);
    match (unreachable, is_wrong) {
        (Some(exit), _) => Ok(exit.into()),
        (None, true) => Ok(Exit::Unwell.into()),
        (None, false) => Ok(ExitCode::SUCCESS),
    }
}

fn text(context: &Context, findings: &[Finding]) -> String {
    let line = |it: &Finding| {
        let mark = match it.state {
            State::Ok => Mark::Ok,
            State::Note => Mark::Note,
            State::Wrong => Mark::Wrong,
        };
        finding_text(
            &context.printer,
            mark,
            it.about,
            &it.says,
            it.fix.as_deref(),
        )
    };
    findings.iter().map(line).collect()
}

fn unreachable(error: &CommandError) -> Finding {
    let fix = miette::Diagnostic::help(error).map(|help| help.to_string());
    wrong(
        "engine",
        error.to_string(),
        fix.unwrap_or_else(|| "start it, then look again".to_owned()),
    )
}

async fn look(
    args: &DoctorArgs,
    context: &Context,
    engine: &DockerEngine,
) -> Result<Vec<Finding>, CommandError> {
    let report = engine.report().await?;
    let mut findings = vec![
        version(&engine.address(), &report),
        kernel(&report),
        health_checks(&report),
        control_groups(&report),
        clock(engine.clock_ahead_seconds()),
        storage(&report),
    ];
    findings.extend(forwarding(&report));
    // What it says of version 1 has been said.
    let known = |warning: &&String| report.cgroup_version == 1 && warning.contains("cgroup v1");
    let warnings = report.warnings.iter().filter(|warning| !known(warning));
    findings.extend(warnings.map(|warning| {
        note(
            "engine",
            warning.trim_start_matches("WARNING: "),
            "the engine's own warning; its documentation says what follows from it",
        )
    }));
    let model = context.global.file.clone();
    if !model.exists() {
        findings.push(disk(&report, free_bytes(&report), 0));
        findings.push(memory(&report, 0));
        findings.push(note(
            "scale.yaml",
            format!("there is no {}: no stack was looked at", model.display()),
            "`scalectl init` writes one; `-f FILE` names another",
        ));
        return Ok(findings);
    }
    findings.extend(look_at_stack(args, context, engine, &report).await?);
    Ok(findings)
}

/// What a stack needs of the engine.
async fn look_at_stack(
    args: &DoctorArgs,
    context: &Context,
    engine: &DockerEngine,
    report: &EngineReport,
) -> Result<Vec<Finding>, CommandError> {
    let first = context.phases()?.keys().next().copied().unwrap_or(1);
    let app = match context.app(args.phase.unwrap_or(first)) {
        Ok(app) => app,
        Err(error) => {
            let says = error.to_string();
            return Ok(vec![wrong(
                "scale.yaml",
                says,
                "`scalectl check` shows each mistake",
            )]);
        }
    };
    let project = context.project_of(&app);
    let observed = context.look(engine, &project).await?;
    let phase = args.phase.or(observed.last_phase()).unwrap_or(first);
    let app = context.app(phase)?;
    // Without it (the app's own command may be unknown yet) the app model tells
    // what it can.
    let compose = context
        .render(phase, Some(engine))
        .await
        .ok()
        .map(|it| it.compose);
    let needed = compose.as_ref().map_or(0, limits);
    let mut findings = vec![
        ok(
            "scale.yaml",
            format!("{project}, looked at for phase {phase}"),
        ),
        memory(report, needed),
        disk(report, free_bytes(report), app.database.size.get()),
        images(engine, phase, compose.as_ref()).await?,
    ];
    for (address, port) in ports(&app, compose.as_ref()) {
        findings.push(port_finding(report, &observed, &address, port));
    }
    findings.extend(health(&observed));
    Ok(findings)
}
