//! A migration in people's words: its steps, what each changes, what cannot be undone.

use std::collections::BTreeSet;

use scalectl_migrate::{Outline, OutlinedStep, Step};

/// All steps, before any is taken.
pub fn outline_text(outline: &Outline) -> String {
    let Outline { from, to, .. } = outline;
    let count = outline.steps.len();
    let mut text = match outline.generations {
        None => format!("from phase {from} to phase {to} in {count} steps, while it serves\n"),
        Some(_) => format!("the database to a fresh cluster in {count} steps, while it serves\n"),
    };
    for step in &outline.steps {
        text += &step_lines(step);
    }
    text += &match outline.point_of_no_return {
        Some(number) if outline.generations.is_some() => format!(
            "point of no return: step {number}; until then `migrate undo` goes back at once\n"
        ),
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
            "lost, because it is in memory alone: what is in {}\n",
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
                "wait until the new members follow closely and answer reads ({})",
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
        Step::Cross { generation } => format!(
            "move the database to cluster {generation} (writes wait, 2 s at most); the other one follows it then"
        ),
        Step::Affirm { generation } => {
            format!("make sure that the database is in cluster {generation}")
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

#[cfg(test)]
mod tests {
    use scalectl_documents::Compose;
    use scalectl_migrate::{Ladder, outline};

    use super::*;

    fn ladder() -> Ladder {
        let bootstrap = |phase: u8| {
            format!(
                "name: shop\nx-scalectl: {{phase: {phase}}}\nservices:\n  bootstrap: {{image: a, labels: {{dev.scalectl.stage: \"{phase}\"}}}}\n"
            )
        };
        let member = |number: u8| {
            format!(
                "  db-{number}: {{image: db, volumes: [{{type: volume, source: db-{number}-data, target: /d}}]}}\n"
            )
        };
        let volume =
            |number: u8| format!("  db-{number}-data: {{labels: {{dev.scalectl.data: member}}}}\n");
        let app = |says: &str| format!("  app: {{image: app, environment: {{SAYS: {says}}}}}\n");
        let parse = |text: String| Compose::parse(&text).unwrap();
        let (one, two) = (volume(1), volume(1) + &volume(2));
        let small = bootstrap(1) + &member(1) + &app("one") + "volumes:\n" + &one;
        let grown = bootstrap(1) + &member(1) + &member(2) + &app("one") + "volumes:\n" + &two;
        let large = bootstrap(2) + &member(1) + &member(2) + &app("two");
        let large = large + "  cache: {image: c}\nvolumes:\n" + &two;
        Ladder::of(&parse(small), &parse(grown), &parse(large)).unwrap()
    }

    #[test]
    fn a_migration_is_told_step_by_step_with_what_each_changes_and_what_is_lost() {
        let ladder = ladder();
        insta::assert_snapshot!(outline_text(&outline(&ladder, 0, 3)), @"
        from phase 1 to phase 2 in 5 steps, while it serves
         1 bring the other database members
             makes    db-2
         2 wait until the new members follow closely and answer reads (db-2)
         3 bring what phase 2 adds
             makes    cache
             changes  bootstrap
         4 bring what phase 2 changes
             changes  app
         5 take the mark of the migration off
        no point of no return: until the end `migrate abort` goes back, then `migrate undo`
        ");
        insta::assert_snapshot!(outline_text(&outline(&ladder, 3, 0)), @"
        from phase 2 to phase 1 in 8 steps, while it serves
         1 take back what phase 2 changes
             changes  app
         2 take back what phase 2 adds
             changes  bootstrap
             removes  cache
         3 move the primary to db-1, if another member has it (writes wait, 2 s at most)
         4 make sure that db-1 is the primary
         5 take back the other database members
             removes  db-2
         6 make sure that those who left are gone, and that nobody took over meanwhile
         7 destroy the 1 volumes that nothing has any more
         8 take the mark of the migration off
        point of no return: step 7; before it `migrate abort` goes back, after the end `migrate undo`
        destroys the data in shop_db-2-data
        lost, because it is in memory alone: what is in cache
        ");
    }
}
