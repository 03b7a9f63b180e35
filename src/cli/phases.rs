//! `scalectl phases`: the stages of growth, and what changes between two.

use std::process::ExitCode;

use scalectl_phase::{Phase, difference, get};
use scalectl_ui::{Format, table};

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// List and explain the phases, or show what changes between two
#[derive(clap::Args, Debug)]
pub struct PhasesArgs {
    /// Explain this one
    #[arg(value_name = "N")]
    phase: Option<u8>,
    /// Show what changes from N to this one
    #[arg(value_name = "TO", requires = "phase")]
    to: Option<u8>,
}

pub fn run(args: &PhasesArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let phases = context.phases()?;
    let printer = &context.printer;
    let printed = match (args.phase, args.to, printer.format) {
        (Some(from), Some(to), format) => {
            let changes = difference(get(&phases, from)?, get(&phases, to)?);
            let row = |it: &scalectl_phase::Change| {
                vec![
                    it.component.clone(),
                    it.from.to_string(),
                    it.to.to_string(),
                    it.what.clone(),
                ]
            };
            match format {
                Format::Json => printer.json(&changes),
                Format::Text => {
                    let header = [
                        "COMPONENT",
                        &format!("IN {from}"),
                        &format!("IN {to}"),
                        "WHAT",
                    ];
                    printer.data(&table(
                        &header,
                        &changes.iter().map(row).collect::<Vec<_>>(),
                    ))
                }
            }
        }
        (Some(one), None, Format::Json) => printer.json(get(&phases, one)?),
        (Some(one), None, Format::Text) => printer.data(&explain(get(&phases, one)?)),
        (None, _, Format::Json) => printer.json(&phases.values().collect::<Vec<_>>()),
        (None, _, Format::Text) => {
            let row = |it: &Phase| vec![it.phase.to_string(), it.name.clone(), it.summary.clone()];
            printer.data(&table(
                &["PHASE", "NAME", "WHAT"],
                &phases.values().map(row).collect::<Vec<_>>(),
            ))
        }
    };
    printed.map_err(|source| CommandError::io("print the phases", source))?;
    Ok(ExitCode::SUCCESS)
}

fn explain(phase: &Phase) -> String {
    let rows: Vec<_> = phase
        .components
        .iter()
        .map(|(name, it)| vec![name.clone(), it.members.to_string(), it.what.clone()])
        .collect();
    let Phase {
        phase: number,
        name,
        summary,
        audience,
        ..
    } = phase;
    format!(
        "Phase {number}: {name}\n{summary}\nFor {audience}.\n\n{}",
        table(&["COMPONENT", "MEMBERS", "WHAT"], &rows)
    )
}
