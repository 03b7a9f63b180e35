//! Properties of planning, held over random documents and random pasts.
//!
//! Each past is what an earlier document left behind: applied wholly or killed
//! in between, and then disturbed as users, crashes and engines do.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod audit;
mod documents;
mod past;
mod runner;

use proptest::prelude::*;
use scalectl_documents::{Compose, Span};
use scalectl_engine::Scope;
use scalectl_engine_fake::{FakeEngine, Fault};
use scalectl_plan::{Call, Goal, Observed, Plan, Volumes, build};

use audit::{Audit, assert_whole, is_ours};
use documents::{PROJECT, SECRET};
use past::{Case, cases, strangers};
use runner::{Dice, Until, run};

pub const PATIENCE: Span = Span::seconds(60);

pub fn look(engine: &FakeEngine, compose: &Compose) -> Observed {
    engine.look(&Scope::of(compose))
}

pub fn plan_of(engine: &FakeEngine, compose: &Compose) -> Plan {
    let goal = Goal::up(compose, PATIENCE);
    build(&goal, &look(engine, compose)).expect("nothing stands in the way")
}

fn plan_down(engine: &FakeEngine, volumes: Volumes<'_>) -> Plan {
    let nothing = Compose::none(PROJECT);
    let goal = Goal {
        volumes,
        ..Goal::up(&nothing, PATIENCE)
    };
    build(&goal, &look(engine, &nothing)).expect("nothing stands in the way of down")
}

/// Plans and runs until the plan is empty, which must be once.
fn converge(engine: &FakeEngine, compose: &Compose, dice: &mut Dice, why: &str) {
    let plan = plan_of(engine, compose);
    let mut audit = Audit::new(compose, engine);
    if let Err((operation, error)) = run(&plan, engine, dice, Until::TheEnd, &mut audit) {
        panic!("{why}: {operation:?} failed: {error}\n{plan}");
    }
    let again = plan_of(engine, compose);
    assert!(
        again.is_empty(),
        "{why}: after\n{plan}\nthere is more to do:\n{again}"
    );
    assert_whole(compose, engine);
}

fn is_gone(engine: &FakeEngine, volumes: Volumes<'_>) {
    let nothing = Compose::none(PROJECT);
    let left = look(engine, &nothing);
    match volumes {
        Volumes::Remove => assert!(left.is_empty(), "something is left: {left:?}"),
        Volumes::Keep | Volumes::Discard(_) => {
            assert_eq!(left.ours().count(), 0, "containers are left");
            let ours = &scalectl_plan::Ownership::Ours;
            let mut networks = left.networks.values();
            assert!(
                networks.all(|it| it.ownership != *ours),
                "networks are left"
            );
        }
    }
}

/// What holds of any plan's form.
fn well_formed(plan: &Plan, volumes: Volumes<'_>) {
    for (index, operation) in plan.operations.iter().enumerate() {
        assert_eq!(operation.id.0 as usize, index + 1, "numbers count from 1");
        let mut after = operation.after.iter();
        assert!(
            after.all(|it| *it < operation.id),
            "{operation:?} waits for a later one"
        );
        assert!(
            volumes == Volumes::Remove || !matches!(operation.call, Call::RemoveVolume { .. }),
            "a plan that was not asked to destroy data does: {operation:?}"
        );
    }
}

fn check_up(case: &Case) {
    let engine = case.engine();
    let before = strangers(&engine);
    let second = case.second();
    well_formed(&plan_of(&engine, &second), Volumes::Keep);
    converge(&engine, &second, &mut case.dice(), "from the past");
    assert_eq!(strangers(&engine), before, "what is not ours was touched");
}

fn check_faults(case: &Case) {
    let start = case.engine();
    let second = case.second();
    let plan = plan_of(&start, &second);
    let before = strangers(&start);
    for nth in 1..=plan.operations.len() {
        for fault in Fault::ALL {
            let engine = start.clone();
            let mut dice = case.dice();
            engine.fail(nth, fault);
            let until = match dice.below(2) {
                0 => Until::Failure,
                _ => Until::FailureAndItsFollowers,
            };
            let mut audit = Audit::new(&second, &engine);
            let failed = run(&plan, &engine, &mut dice, until, &mut audit);
            let (operation, _) = failed.expect_err("the fault must fail the run");
            if dice.below(2) == 0 {
                engine.world().settle();
            }
            let why = format!("{fault:?} at {operation:?} of\n{plan}");
            let goal = match dice.below(3) {
                0 => case.first(),
                _ => second.clone(),
            };
            converge(&engine, &goal, &mut dice, &why);
            assert_eq!(strangers(&engine), before, "what is not ours was touched");
        }
    }
}

fn check_down(case: &Case) {
    let start = case.engine();
    let second = case.second();
    let until = Until::Killed(
        case.dice()
            .below(plan_of(&start, &second).operations.len() + 1),
    );
    let plan = plan_of(&start, &second);
    let mut audit = Audit::new(&second, &start);
    run(&plan, &start, &mut case.dice(), until, &mut audit).expect("killed, not failed");
    let before = strangers(&start);
    let nothing = Compose::none(PROJECT);
    for volumes in [Volumes::Keep, Volumes::Remove] {
        let plan = plan_down(&start, volumes);
        well_formed(&plan, volumes);
        let waits_for_removal = plan.operations.iter().any(|operation| {
            let is_removal = |id: &scalectl_plan::OpId| {
                let other = &plan.operations[id.0 as usize - 1];
                matches!(other.call, Call::RemoveContainer { .. })
            };
            matches!(operation.call, Call::StopContainer { .. })
                && operation.after.iter().any(is_removal)
        });
        assert!(!waits_for_removal, "a stop waits for a removal:\n{plan}");
        for nth in 1..=plan.operations.len() {
            for fault in Fault::ALL {
                let engine = start.clone();
                let mut dice = case.dice();
                engine.fail(nth, fault);
                let mut audit = Audit::new(&nothing, &engine);
                run(&plan, &engine, &mut dice, Until::Failure, &mut audit)
                    .expect_err("the fault must fail the run");
                let again = plan_down(&engine, volumes);
                let ended = run(&again, &engine, &mut dice, Until::TheEnd, &mut audit);
                assert!(
                    ended.is_ok(),
                    "{fault:?} at {nth}: {ended:?}\n{plan}\n{again}"
                );
                is_gone(&engine, volumes);
                assert_eq!(strangers(&engine), before, "what is not ours was touched");
            }
        }
        let had: Vec<_> = start.world().volumes.keys().cloned().collect();
        let engine = start.clone();
        let ended = run(
            &plan,
            &engine,
            &mut case.dice(),
            Until::TheEnd,
            &mut audit_of(&nothing, &engine),
        );
        assert!(ended.is_ok(), "{ended:?}\n{plan}");
        is_gone(&engine, volumes);
        assert!(
            plan_down(&engine, volumes).is_empty(),
            "down twice has nothing to do"
        );
        let has: Vec<_> = engine.world().volumes.keys().cloned().collect();
        assert!(
            volumes == Volumes::Remove || had == has,
            "volumes went unasked"
        );
    }
}

fn audit_of<'a>(compose: &'a Compose, engine: &FakeEngine) -> Audit<'a> {
    Audit::new(compose, engine)
}

fn check_function(case: &Case) {
    let engine = case.engine();
    let second = case.second();
    let plan = plan_of(&engine, &second);
    assert_eq!(
        plan,
        plan_of(&engine, &second),
        "the same input, another plan"
    );
    let backwards = Compose::parse(&case.second_shape().text(true)).expect("the same document");
    let other = plan_of(&engine, &backwards);
    assert_eq!(plan, other, "the order of the document changed the plan");
    let text = serde_json::to_string(&plan).expect("a plan serialises");
    let back: Plan = serde_json::from_str(&text).expect("and comes back");
    assert_eq!(plan, back, "a plan read back is another one");
    for text in [text, plan.to_string()] {
        assert!(
            !text.contains(SECRET),
            "a user's secret stands in the plan: {text}"
        );
    }
}

/// The soak tier asks for more: SCALECTL_SOAK is a factor.
fn config(cases: u32) -> ProptestConfig {
    let factor = std::env::var("SCALECTL_SOAK").ok();
    let factor: u32 = factor.and_then(|it| it.parse().ok()).unwrap_or(1);
    ProptestConfig {
        max_shrink_iters: 1000,
        ..ProptestConfig::with_cases(cases * factor)
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_plan_that_was_applied_leaves_nothing_to_do(case in cases()) {
        check_up(&case);
    }

    #[test]
    fn planning_is_a_function_and_a_plan_holds_no_secret(case in cases()) {
        check_function(&case);
    }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn whatever_call_fails_or_loses_its_reply_a_new_plan_finishes_the_work(case in cases()) {
        check_faults(&case);
    }

    #[test]
    fn down_leaves_volumes_alone_and_down_with_volumes_leaves_nothing(case in cases()) {
        check_down(&case);
    }
}

/// The same through the room that runs plans for users.
#[test]
fn the_real_runner_brings_random_stacks_up_and_down() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for _ in 0..32 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let (engine, second) = (case.engine(), case.second());
        for plan in [
            plan_of(&engine, &second),
            plan_down(&engine, Volumes::Remove),
        ] {
            // The second was planned before the first ran: it is planned anew.
            let plan = match plan.operations.is_empty() || plan == plan_of(&engine, &second) {
                true => plan,
                false => plan_down(&engine, Volumes::Remove),
            };
            let width = scalectl_execute::Width::default();
            let stop = scalectl_execute::Stop::default();
            let ended =
                runtime.block_on(scalectl_execute::run(&plan, &engine, width, &stop, |_| ()));
            assert!(ended.is_ok(), "{ended:?}\n{plan}");
        }
        is_gone(&engine, Volumes::Remove);
        assert!(engine.world().containers.values().all(|it| !is_ours(it)));
    }
}
