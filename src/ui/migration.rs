//! A migration in people's words: its steps, what each changes, what cannot be undone.

use std::collections::BTreeSet;

use scalectl_migrate::{Outline, OutlinedStep, Step};

/// All steps, before any is taken.
pub fn outline_text(outline: &Outline) -> String {
    let Outline { from, to, .. } = outline;
    let count = outline.steps.len();
    let mut text = format!("from phase {from} to phase {to} in {count} steps, while it serves\n");
    for step in &outline.steps {
        text += &step_lines(step);
    }
    text += &match outline.point_of_no_return {
        Some(number) => format!(
            "point of no return: step {number}; before it `migrate abort` goes back, after the end `migrate undo`\n"
        ),
        None => {
            "no point of no return: until the end `migrate abort` goes back, then `migrate undo`\n"
                .to_owned()
        }
    };
    if !outline.destroys.is_empty() {
        text += &format!("destroys the data in {}\n", list(&outline.destroys));
    }
    if !outline.forgets.is_empty() {
        text += &format!(
            "lost with its memory: what {} hold\n",
            list(&outline.forgets)
        );
    }
    text
}

fn step_lines(outlined: &OutlinedStep) -> String {
    let mut text = format!("{:>2} {}\n", outlined.number, step_text(&outlined.step));
    for (what, names) in [
        ("makes", &outlined.makes),
        ("changes", &outlined.changes),
        ("removes", &outlined.removes),
    ] {
        if !names.is_empty() {
            text += &format!("     {what:8} {}\n", list(names));
        }
    }
    text
}

/// One step in a few words.
pub fn step_text(step: &Step) -> String {
    match step {
        Step::Settle {
            what,
            takes_back: true,
            ..
        } => format!("take back {what}"),
        Step::Settle { what, .. } => format!("bring {what}"),
        Step::Follow { members } => {
            format!(
                "wait until {} follow closely and answer reads",
                list(members)
            )
        }
        Step::Gather { stay } => format!(
            "move the primary to {}, if another member has it (writes wait, 2 s at most)",
            list(stay)
        ),
        Step::Pin { stay } => format!("make sure that {} is the primary", list(stay)),
        Step::Alone { .. } => {
            "make sure that those who left are gone, and that nobody took over meanwhile".to_owned()
        }
        Step::Discard { volumes } => {
            format!(
                "destroy the {} volumes that nothing has any more",
                volumes.len()
            )
        }
        Step::Finish => "take the mark of the migration off".to_owned(),
    }
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    names.join(", ")
}
