//! A scene: a fake engine, and documents brought up on it.

use miette::Diagnostic;
use scalectl_documents::{Compose, Span};
use scalectl_engine::{EngineError, Scope};
use scalectl_engine_fake::{FakeEngine, World};
use scalectl_plan::{Call, Goal, Observed, Operation, Plan, PlanError, Volumes, build};

pub struct Scene {
    pub engine: FakeEngine,
}

impl Scene {
    /// An empty engine of the current API, with the images of every test.
    pub fn new() -> Self {
        Self::on(FakeEngine::new())
    }

    pub fn on(engine: FakeEngine) -> Self {
        for image in ["agent", "app", "base", "db", "pooler"] {
            engine.world().add_image(image);
        }
        Self { engine }
    }

    /// A scene in which `text` was brought up.
    pub fn after(text: &str) -> Self {
        let scene = Self::new();
        scene.up(text);
        scene
    }

    pub fn world(&self) -> std::cell::RefMut<'_, World> {
        self.engine.world()
    }

    pub fn look(&self, text: &str) -> Observed {
        self.engine.look(&Scope::of(&parse(text)))
    }

    /// A step of a migration towards `text`.
    pub fn migrate(&self, text: &str, volumes: Volumes<'_>) -> Plan {
        let compose = parse(text);
        let goal = Goal {
            volumes,
            migrates: true,
            ..Goal::up(&compose, Span::seconds(60))
        };
        let plan = build(&goal, &self.look(text));
        plan.expect("nothing stands in the way")
    }

    fn build(&self, compose: &Compose, volumes: Volumes<'_>) -> Result<Plan, PlanError> {
        let goal = Goal {
            volumes,
            ..Goal::up(compose, Span::seconds(60))
        };
        build(&goal, &self.engine.look(&Scope::of(compose)))
    }

    pub fn plan(&self, text: &str) -> Plan {
        let plan = self.build(&parse(text), Volumes::Keep);
        plan.expect("nothing stands in the way")
    }

    /// After somebody died at work on the stack.
    pub fn plan_unsettled(&self, text: &str) -> Plan {
        let compose = parse(text);
        let goal = Goal {
            is_unsettled: true,
            ..Goal::up(&compose, Span::seconds(60))
        };
        let plan = build(&goal, &self.look(text));
        plan.expect("nothing stands in the way")
    }

    pub fn plan_down(&self, volumes: Volumes<'_>) -> Plan {
        let plan = self.build(&Compose::none("shop"), volumes);
        plan.expect("nothing stands in the way")
    }

    pub fn up(&self, text: &str) {
        self.run(&self.plan(text));
    }

    pub fn run(&self, plan: &Plan) {
        let ended = self.run_until(plan, |_| false);
        assert!(ended.is_ok(), "{ended:?}\n{plan}");
    }

    /// Plans `text` and is killed right before the first operation of which
    /// `stops` is true.
    pub fn up_until(&self, text: &str, stops: impl Fn(&Operation) -> bool) {
        let plan = self.plan(text);
        let ended = self.run_until(&plan, &stops);
        assert!(plan.operations.iter().any(&stops), "never reached:\n{plan}");
        assert!(ended.is_ok(), "{ended:?}\n{plan}");
    }

    pub fn run_until(
        &self,
        plan: &Plan,
        stops: impl Fn(&Operation) -> bool,
    ) -> Result<(), EngineError> {
        let all = plan.operations.iter();
        for operation in all.take_while(|operation| !stops(operation)) {
            self.engine.call(&operation.call)?;
        }
        Ok(())
    }

    /// The whole message of a refusal, as a user reads it.
    pub fn refusal(&self, text: &str) -> String {
        message(self.build(&parse(text), Volumes::Keep))
    }

    pub fn refusal_of_down(&self, volumes: Volumes<'_>) -> String {
        message(self.build(&Compose::none("shop"), volumes))
    }
}

pub fn parse(text: &str) -> Compose {
    Compose::parse(text).expect("the test's document must be valid")
}

fn message(refused: Result<Plan, PlanError>) -> String {
    let error = refused.expect_err("the plan must be refused");
    let mut text = format!("{error}\n");
    for conflict in &error.conflicts {
        text += &format!("- {conflict}\n");
        if let Some(help) = conflict.help() {
            text += &format!("  help: {help}\n");
        }
    }
    text
}

/// For `up_until`: an operation by its verb and subject.
pub fn at(verb: &'static str, subject: &'static str) -> impl Fn(&Operation) -> bool {
    move |operation| operation.call.verb() == verb && operation.call.subject() == subject
}

/// What a plan does, without causes and order: `verb subject` a line.
pub fn steps(plan: &Plan) -> Vec<String> {
    let all = plan.operations.iter();
    all.map(|it| format!("{} {}", it.call.verb(), it.call.subject()))
        .collect()
}

/// Whether `first` has ended before `then` starts, in any order of execution.
pub fn precedes(
    plan: &Plan,
    first: impl Fn(&Operation) -> bool,
    then: impl Fn(&Operation) -> bool,
) -> bool {
    let find = |wanted: &dyn Fn(&Operation) -> bool| {
        let found = plan.operations.iter().find(|it| wanted(it));
        found.unwrap_or_else(|| panic!("an operation is missing in\n{plan}"))
    };
    let (first, then) = (find(&first), find(&then));
    let mut behind = vec![then.id];
    while let Some(id) = behind.pop() {
        if id == first.id {
            return true;
        }
        behind.extend(&plan.operations[id.0 as usize - 1].after);
    }
    false
}

pub fn files(plan: &Plan) -> usize {
    let uploads = plan.operations.iter().filter_map(|it| match &it.call {
        Call::UploadFiles { files, .. } => Some(files.len()),
        _ => None,
    });
    uploads.sum()
}
