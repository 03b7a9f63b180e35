//! A stack between two phases: what may be done with it, and what goes with its data.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use scalectl_plan::{Migrating, Volumes};

use crate::scene::{Scene, steps};
use crate::stack::STACK;

/// The stack on its way from phase 1 to phase 2.
fn between() -> String {
    STACK.replace(
        "{dev.scalectl.stage: \"1\"}",
        "{dev.scalectl.stage: \"1\", dev.scalectl.migration: 3 1-2 1}",
    )
}

#[test]
fn a_stack_between_two_phases_is_neither_brought_up_nor_taken_down_but_with_its_data() {
    let scene = Scene::after(STACK);
    scene.run(&scene.migrate(&between(), Volumes::Keep));
    let seen = scene.look(STACK);
    let mark = Migrating {
        id: 3,
        from: 1,
        to: 2,
        rung: 1,
        generations: None,
    };
    assert_eq!((seen.phase, seen.migrating), (Some(1), Some(mark)));
    assert_snapshot!(scene.refusal(STACK), @"
    nothing was changed: one thing stands in the way
    - a migration of shop from phase 1 to phase 2 is open
      help: `scalectl migrate status` tells how far it is, `scalectl migrate resume` finishes it, `scalectl migrate abort` takes it back
    ");
    assert!(
        scene
            .refusal_of_down(Volumes::Keep)
            .contains("from phase 1 to phase 2 is open")
    );
    assert!(!scene.plan_down(Volumes::Remove).is_empty());
    scene.run(&scene.migrate(STACK, Volumes::Keep));
    assert!(scene.plan(STACK).is_empty(), "without the mark all is open");
}

#[test]
fn a_migration_destroys_the_volumes_that_are_named_and_no_other() {
    let more = STACK.replace(
        "volumes:\n  state: {}",
        "volumes:\n  of-old: {}\n  db-2-data: {labels: {dev.scalectl.data: member}}\n  state: {}",
    );
    let scene = Scene::after(&more);
    let keep = scene.migrate(STACK, Volumes::Keep);
    assert_eq!(steps(&keep), [] as [&str; 0]);
    assert_eq!(keep.keeps, ["shop_db-2-data", "shop_of-old"]);
    let named = BTreeSet::from(["shop_db-2-data".to_owned(), "shop_state".to_owned()]);
    let plan = scene.migrate(STACK, Volumes::Discard(&named));
    assert_snapshot!(plan, @"
    1 shop_db-2-data  remove-volume    removal of data asked
    keeps volume shop_of-old
    ");
}

#[test]
fn the_stage_of_the_one_shot_counts_more_than_what_containers_were_made_for() {
    let larger = STACK.replace("phase: 1", "phase: 2");
    let scene = Scene::after(&larger.replace("stage: \"1\"", "stage: \"2\""));
    assert_eq!(scene.look(STACK).phase, Some(2));
    scene.run(&scene.migrate(STACK, Volumes::Keep));
    assert_eq!(scene.look(STACK).phase, Some(1));
    assert!(
        scene.plan(STACK).is_empty(),
        "what was made for phase 2 stays"
    );
}
