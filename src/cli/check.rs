//! `scalectl check`: every mistake in scale.yaml, without an engine.

use std::process::ExitCode;

use miette::Diagnostic;
use scalectl_model::{Mistake, Mistakes};
use scalectl_ui::Format;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Find every mistake in scale.yaml; touches nothing and needs no engine
#[derive(clap::Args, Debug)]
pub struct CheckArgs {
    /// Print the JSON Schema of scale.yaml in place of checking
    #[arg(long)]
    schema: bool,
}

/// A mistake as JSON.
#[derive(Serialize)]
struct Row {
    line: usize,
    column: usize,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

fn rows(mistakes: &Mistakes) -> Vec<Row> {
    let row = |mistake: &Mistake| {
        let (line, column) = mistakes.place(mistake);
        Row {
            line,
            column,
            message: mistake.to_string(),
            hint: mistake.help().map(|help| help.to_string()),
            code: mistake.code().map(|code| code.to_string()),
        }
    };
    mistakes.all().iter().map(row).collect()
}

fn every_phase(context: &Context) -> Result<(), CommandError> {
    for phase in context.phases()?.keys() {
        context.app(*phase)?;
    }
    Ok(())
}

pub fn run(args: &CheckArgs, context: &Context) -> Result<ExitCode, CommandError> {
    if args.schema {
        let printed = context.printer.data(&scalectl_model::json_schema());
        printed.map_err(|source| CommandError::io("print the schema", source))?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = every_phase(context);
    if context.printer.format == Format::Json {
        let mistakes = match &found {
            Err(CommandError::Model(mistakes)) => rows(mistakes),
            _ => Vec::new(),
        };
        let printed = context.printer.json(&mistakes);
        printed.map_err(|source| CommandError::io("print the mistakes", source))?;
    }
    found?;
    context.printer.say(&format!(
        "{} is right for every phase",
        context.global.file.display()
    ));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scalectl_model::ListedFacts;

    #[test]
    fn a_mistake_as_json_has_its_place_its_words_and_what_to_do() {
        let text = "name: shop\napp:\n  image: a:1\n  prot: 80\n";
        let facts = ListedFacts {
            phases: vec![1],
            database_versions: vec!["17".to_owned()],
            ..ListedFacts::default()
        };
        let mistakes = scalectl_model::load(text, "scale.yaml", &facts, 1).unwrap_err();
        let rows = rows(&mistakes);
        let row = rows
            .iter()
            .find(|it| it.message.contains("`prot`"))
            .unwrap();
        assert_eq!((row.line, row.column), (4, 3));
        assert_eq!(row.code.as_deref(), Some("scalectl::model::unknown_key"));
        assert!(row.hint.as_ref().is_some_and(|hint| hint.contains("port")));
    }
}
