//! docs/commands.md and docs/exit-codes.md, made from the code: a page that is
//! kept by hand grows old. `UPDATE=1 cargo test --bin scalectl docs` writes them.

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::cli::Cli;
use crate::exit::Exit;

const COMMANDS: &str = "\
# Commands

Stdout is data, stderr is for people. `--output json` gives data as JSON wherever a verb has any: `up`, `down` and
`restart` print one event a line (`event`, and of which operation: `call`, `subject`, `cause`), `check` a list of
mistakes. `NO_COLOR`, `CI` and a stderr that is no terminal are respected: there are no colours or live lines then.
How each can end: [exit-codes.md](exit-codes.md). This page is made from the program (`UPDATE=1 cargo test --bin scalectl docs`).

Ctrl-C once ends a change cleanly and the same command goes on from there; twice ends it at once. One scalectl at a
time changes a stack: another waits for up to `--lock-timeout` seconds and then says who is at work (exit code 9).
";

const EXIT_CODES: &str = "\
# Exit codes

Made from `src/exit.rs` (`UPDATE=1 cargo test --bin scalectl docs`). `scalectl exec` and `scalectl db shell` end with
the exit code of the command that they ran.

| code | name | meaning |
| --- | --- | --- |
";

fn commands() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut text = COMMANDS.to_owned();
    let globals: Vec<_> = cli.get_arguments().filter(|arg| is_shown(arg)).collect();
    text += "\n## Everywhere\n\n";
    text += &arguments(&globals);
    let globals: Vec<_> = globals.iter().map(|arg| arg.get_id().to_string()).collect();
    let verbs = cli.get_subcommands().filter(|verb| !verb.is_hide_set());
    for verb in verbs {
        section(verb, &globals, &mut text);
    }
    text
}

fn section(verb: &Command, globals: &[String], text: &mut String) {
    if verb.get_name() == "help" {
        return;
    }
    let mut verb = verb.clone();
    let usage = verb.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let about = verb
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let name = verb.get_bin_name().unwrap_or_default().to_owned();
    let _ = write!(text, "\n## {name}\n\n{about}.\n\n```\n{usage}\n```\n");
    let own = verb.get_arguments();
    let own: Vec<_> = own
        .filter(|arg| is_shown(arg) && !globals.contains(&arg.get_id().to_string()))
        .collect();
    if !own.is_empty() {
        let _ = write!(text, "\n{}", arguments(&own));
    }
    for below in verb.get_subcommands() {
        section(below, globals, text);
    }
}

fn is_shown(arg: &Arg) -> bool {
    let is_help = matches!(arg.get_id().as_str(), "help" | "version");
    !arg.is_hide_set() && !is_help
}

fn arguments(arguments: &[&Arg]) -> String {
    let mut text = "| argument | what it does |\n| --- | --- |\n".to_owned();
    for arg in arguments {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let mut help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let defaults = arg.get_default_values().iter();
        let defaults: Vec<_> = defaults.map(|it| it.to_string_lossy()).collect();
        let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        if takes_value && !defaults.is_empty() {
            let _ = write!(help, "; `{}` if it is left out", defaults.join(" "));
        }
        if let Some(variable) = arg.get_env() {
            let _ = write!(help, "; also from `{}`", variable.to_string_lossy());
        }
        let values: Vec<_> = arg
            .get_possible_values()
            .iter()
            .filter(|_| takes_value)
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !values.is_empty() {
            let _ = write!(help, "; one of {}", values.join(", "));
        }
        let help = help.trim_start_matches("; ");
        let name = form(arg).replace('|', "\\|");
        let _ = writeln!(text, "| `{name}` | {} |", help.replace('|', "\\|"));
    }
    text
}

/// `-f, --file FILE`
fn form(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let value = names
        .iter()
        .map(|name| name.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    if arg.is_positional() {
        return value;
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let flags: Vec<_> = short.into_iter().chain(long).collect();
    match arg.get_action() {
        ArgAction::Set | ArgAction::Append => format!("{} {value}", flags.join(", ")),
        _ => flags.join(", "),
    }
}

fn exit_codes() -> String {
    let mut text = EXIT_CODES.to_owned();
    for (exit, code, meaning) in Exit::ALL {
        let _ = writeln!(
            text,
            "| {code} | {exit:?} | {} |",
            meaning.replace('|', "\\|")
        );
    }
    text
}

fn holds(page: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(page);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == made,
        "docs/{page} is not what the code says: `UPDATE=1 cargo test --bin scalectl docs` writes it"
    );
}

#[test]
fn the_page_of_commands_is_what_the_command_line_says() {
    holds("commands.md", &commands());
}

#[test]
fn the_page_of_exit_codes_is_what_the_program_ends_with() {
    holds("exit-codes.md", &exit_codes());
}

#[test]
fn every_argument_says_what_it_does() {
    fn check(command: &Command) {
        for arg in command.get_arguments() {
            let name = command.get_name();
            assert!(
                arg.get_help().is_some() || arg.get_id() == "shell",
                "{} of `{name}` has no help",
                arg.get_id()
            );
        }
        command
            .get_subcommands()
            .filter(|it| !it.is_hide_set())
            .for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn exit_codes_are_told_apart() {
    let mut codes: Vec<_> = Exit::ALL.iter().map(|(_, code, _)| *code).collect();
    codes.dedup();
    assert_eq!(codes.len(), Exit::ALL.len(), "a code must mean one thing");
    assert!(codes.is_sorted(), "they are listed in order");
}
