//! A plan before its images are there: `up` makes them first, `plan` makes none.
//!
//! It is made as if they were there, and says which are not. Next: `images.rs`.

use std::time::Duration;

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::DockerEngine;
use scalectl_images::{AppBuild, AppImage};
use scalectl_plan::{Goal, ImageFacts, Observed, Plan};

use super::phase::phase_of;
use crate::cli::context::{Context, IMAGE_TAG};
use crate::cli::error::CommandError;
use crate::cli::images;

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
