//! `scalectl up`: plans towards the documents of a phase and runs that plan.
//!
//! Also upgrades: a changed scale.yaml is only another document. Must never
//! start or change anything itself. Next: `plan/rules.rs`.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::DockerEngine;
use scalectl_images::{AppBuild, AppImage};
use scalectl_plan::{Data, Goal, ImageFacts, Observed, Ownership, Plan};
use scalectl_ui::critical_path;

use crate::cli::apply;
use crate::cli::context::{Context, IMAGE_TAG};
use crate::cli::error::CommandError;
use crate::cli::images::{self, AppBuilds, ImageArgs};
use crate::cli::lock::{self, Before, LockArgs, Wanted};

/// Bring the stack up, or bring it to what scale.yaml says now
#[derive(clap::Args, Debug)]
pub struct UpArgs {
    /// The stage of growth; without it the one that runs or ran last, or else 1
    #[arg(long, value_name = "N")]
    phase: Option<u8>,
    /// How long each wait may take, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    wait_timeout: u64,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    lock: LockArgs,
    /// Build the app's image even if its folder has not changed, every step anew
    #[arg(long, conflicts_with = "no_build")]
    build: bool,
    /// Take the app's image as it is
    #[arg(long)]
    no_build: bool,
    /// Run this plan (of `scalectl plan -o FILE`); refused when things have changed since
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,
}

pub async fn run(args: &UpArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let context = &context.with_images(&args.images);
    let engine = context.engine().await?;
    let phase = phase_of(context, &engine, args.phase).await?;
    let engine = context.giving(engine, phase)?;
    let compose = match args.look(context, &engine, phase).await? {
        Some((compose, observed)) => {
            args.bring(context, &engine, &compose, &observed).await?;
            compose
        }
        None => args.build_and_bring(context, &engine, phase).await?,
    };
    for (what, address) in compose.about.iter().flat_map(|about| &about.addresses) {
        context.printer.say(&format!("{what:12} {address}"));
    }
    Ok(ExitCode::SUCCESS)
}

impl UpArgs {
    fn app_builds(&self) -> AppBuilds {
        match (self.build, self.no_build || self.plan.is_some()) {
            (true, _) => AppBuilds::Always,
            (_, true) => AppBuilds::Never,
            _ => AppBuilds::WhenNeeded,
        }
    }

    /// The plan from what was observed; the one of the file if that fits it.
    fn plan_from(&self, compose: &Compose, observed: &Observed) -> Result<Plan, CommandError> {
        let fresh = scalectl_plan::build(&self.goal(compose), observed)?;
        match &self.plan {
            Some(file) => saved(file, &fresh),
            None => Ok(fresh),
        }
    }

    /// The documents and what is there; none while images are to be made first.
    async fn look(
        &self,
        context: &Context,
        engine: &DockerEngine,
        phase: u8,
    ) -> Result<Option<(Compose, Observed)>, CommandError> {
        if images::app_is_to_be_made(context, engine, phase, self.app_builds()).await? {
            return Ok(None);
        }
        let compose = context.render(phase, Some(engine)).await?.compose;
        let observed = engine.observe(&Scope::of(&compose)).await?;
        let is_complete = images::missing(&compose, &observed).is_empty();
        Ok(is_complete.then_some((compose, observed)))
    }

    async fn bring(
        &self,
        context: &Context,
        engine: &DockerEngine,
        compose: &Compose,
        observed: &Observed,
    ) -> Result<(), CommandError> {
        let plan = self.plan_from(compose, observed)?;
        if plan.is_empty() && !lock::is_there(&plan.project, observed) {
            let nothing = format!("{} is up, nothing to do", plan.project);
            context.printer.say(&nothing);
            return Ok(());
        }
        let wanted = Wanted {
            project: &plan.project,
            command: "up",
            observed,
        };
        let work = async |before| self.apply(context, engine, compose, before).await;
        lock::held(self.lock, context, engine, wanted, work).await
    }

    /// Makes images under the lock, too: of two who make the same ones, each would
    /// replace the containers that the other has made from its own.
    async fn build_and_bring(
        &self,
        context: &Context,
        engine: &DockerEngine,
        phase: u8,
    ) -> Result<Compose, CommandError> {
        let project = context.project()?;
        let observed = context.look(engine, &project).await?;
        let wanted = Wanted {
            project: &project,
            command: "up",
            observed: &observed,
        };
        let work = async |before| {
            let compose = lock::unless_interrupted(self.build(context, engine, phase)).await?;
            self.apply(context, engine, &compose, before).await?;
            Ok(compose)
        };
        lock::held(self.lock, context, engine, wanted, work).await
    }

    async fn build(
        &self,
        context: &Context,
        engine: &DockerEngine,
        phase: u8,
    ) -> Result<Compose, CommandError> {
        images::prepare_app(context, engine, phase, self.app_builds()).await?;
        let compose = context.render(phase, Some(engine)).await?.compose;
        let observed = engine.observe(&Scope::of(&compose)).await?;
        images::build_missing(context, engine, &compose, &observed).await?;
        Ok(compose)
    }

    /// Looks and plans once more, now that nobody else changes anything, and
    /// runs that plan.
    async fn apply(
        &self,
        context: &Context,
        engine: &DockerEngine,
        compose: &Compose,
        before: Before,
    ) -> Result<(), CommandError> {
        let is_first = Cell::new(true);
        let done = apply::carry_out(context, engine, "up", before, async |is_unsettled| {
            let observed = engine.observe(&Scope::of(compose)).await?;
            // A plan of a file is for what was there at first.
            if is_first.replace(false) && self.plan.is_some() {
                return self.plan_from(compose, &observed);
            }
            let goal = Goal {
                is_unsettled,
                ..self.goal(compose)
            };
            Ok(scalectl_plan::build(&goal, &observed)?)
        });
        let done = done.await?;
        for (plan, report) in &done {
            context.printer.say(&critical_path(plan, report));
        }
        if done.is_empty() {
            // Somebody else was quicker, or what was built anew is what runs.
            let nothing = format!("{} is up, nothing is left to do", compose.name);
            context.printer.say(&nothing);
        }
        Ok(())
    }

    fn goal<'a>(&self, compose: &'a Compose) -> Goal<'a> {
        Goal::up(compose, Span(Duration::from_secs(self.wait_timeout)))
    }
}

/// Renders, looks and plans; changes nothing, not even an image. Gives also the
/// images that `up` makes before it plans: the plan is made as if they were there.
pub async fn plan(
    context: &Context,
    engine: DockerEngine,
    phase: Option<u8>,
    wait_timeout: u64,
) -> Result<(Plan, Vec<String>), CommandError> {
    let phase = phase_of(context, &engine, phase).await?;
    let engine = &context.giving(engine, phase)?;
    let mut missing = Vec::new();
    match app_build(context, engine, phase).await? {
        Some((build, AppImage::Missing)) => missing.push(build.image),
        Some((build, AppImage::Changed)) => context.printer.say(&format!(
            "{} is not what its folder gives now: `up` builds it first, and what follows from that is not in this plan",
            build.image
        )),
        _ => {}
    }
    let compose = context.render_unbuilt(phase, engine).await?.compose;
    let mut observed = engine.observe(&Scope::of(&compose)).await?;
    let own = images::missing(&compose, &observed).into_iter();
    missing.extend(own.map(|name| scalectl_images::reference(&name, IMAGE_TAG)));
    if !missing.is_empty() {
        context.printer.say(&format!(
            "planned as if these images were there: `up` builds them first: {}",
            missing.join(", ")
        ));
    }
    assume(&missing, &mut observed);
    let goal = Goal::up(&compose, Span(Duration::from_secs(wait_timeout)));
    Ok((scalectl_plan::build(&goal, &observed)?, missing))
}

async fn app_build(
    context: &Context,
    engine: &DockerEngine,
    phase: u8,
) -> Result<Option<(AppBuild, AppImage)>, CommandError> {
    match context.global.document.is_some() {
        true => Ok(None),
        false => images::app_state(context, engine, phase).await,
    }
}

/// Takes those images of ours for made that the document names and the engine has not.
pub fn assume_own(compose: &Compose, observed: &mut Observed) {
    let own = images::missing(compose, observed).into_iter();
    let own: Vec<_> = own
        .map(|name| scalectl_images::reference(&name, IMAGE_TAG))
        .collect();
    assume(&own, observed);
}

/// Their content is not known: it is another one than that of any container.
fn assume(images: &[String], observed: &mut Observed) {
    for image in images {
        let id = String::new();
        observed.images.insert(image.clone(), ImageFacts { id });
    }
}

/// The phase that is asked for, else the one that runs or ran last, else 1.
async fn phase_of(
    context: &Context,
    engine: &DockerEngine,
    asked: Option<u8>,
) -> Result<u8, CommandError> {
    if let Some(phase) = asked {
        return Ok(phase);
    }
    let scope = Scope::project(&context.project()?);
    let observed = engine.observe_own(&scope).await?;
    let (None, Some(made_for)) = (observed.phase, observed.phase_of_volumes) else {
        return Ok(observed.phase.unwrap_or(1));
    };
    let phase = of_members(context, engine, made_for, &observed).await?;
    context.printer.say(&format!(
        "taking phase {phase}, whose volumes {} has; `--phase` asks for another",
        scope.project
    ));
    Ok(phase)
}

/// The phase that volumes were made for, or a smaller one that has every database member
/// of which there is data: a migration has taken the others away, and kept what both have.
async fn of_members(
    context: &Context,
    engine: &DockerEngine,
    made_for: u8,
    observed: &Observed,
) -> Result<u8, CommandError> {
    let there = observed.volumes.iter();
    let there = there.filter(|(_, it)| it.data == Data::Member && it.ownership == Ownership::Ours);
    let there: BTreeSet<_> = there.map(|(name, _)| name.clone()).collect();
    if context.global.document.is_some() || there.is_empty() {
        return Ok(made_for);
    }
    for phase in 1..made_for {
        let compose = context.render_unbuilt(phase, engine).await?.compose;
        if there.is_subset(&scalectl_plan::member_volumes(&compose)) {
            return Ok(phase);
        }
    }
    Ok(made_for)
}

/// A saved plan, if it was made from what is there now.
fn saved(file: &PathBuf, fresh: &Plan) -> Result<Plan, CommandError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| CommandError::io(format!("read {}", file.display()), source))?;
    let plan: Plan = serde_json::from_str(&text).map_err(|source| CommandError::BadPlan {
        file: file.clone(),
        source: Some(source),
    })?;
    if plan.project != fresh.project || plan.fingerprint != fresh.fingerprint {
        return Err(CommandError::StalePlan { file: file.clone() });
    }
    let is_in_order = plan.operations.iter().zip(1..).all(|(operation, id)| {
        operation.id.0 == id
            && operation
                .after
                .iter()
                .all(|before| before.0 < id && before.0 > 0)
    });
    match is_in_order {
        true => Ok(plan),
        false => Err(CommandError::BadPlan {
            file: file.clone(),
            source: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_plan_is_made_as_if_the_images_that_up_builds_were_there() {
        let agent = scalectl_images::reference("agent", IMAGE_TAG);
        let text = format!(
            "name: shop\nservices:\n  agent: {{image: '{agent}', pull_policy: never, restart: always}}\n  app: {{image: 'shop-app:latest', pull_policy: never, restart: always}}\n"
        );
        let compose = Compose::parse(&text).unwrap();
        let mut observed = Observed::default();
        let goal = Goal::up(&compose, Span::seconds(60));
        assert!(
            scalectl_plan::build(&goal, &observed).is_err(),
            "`up FILE` builds no app: an image that is missing refuses it"
        );
        assert_eq!(images::missing(&compose, &observed), ["agent"]);
        assume(&[agent, "shop-app:latest".to_owned()], &mut observed);
        let plan = scalectl_plan::build(&goal, &observed).unwrap();
        let pulls = plan
            .operations
            .iter()
            .filter(|it| it.call.verb() == "pull-image");
        assert_eq!(pulls.count(), 0, "no registry has them:\n{plan}");
        assert!(!plan.is_empty());
    }
}
