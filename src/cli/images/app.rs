//! The image of the user's app: built when its folder has changed, fetched when its
//! own command must be known.
//!
//! Next: `images/app.rs` (what a folder's image is made from).

use scalectl_engine::ImageEngine;
use scalectl_engine_docker::DockerEngine;
use scalectl_images::{AppBuild, AppImage};
use scalectl_model::{App, Source};
use scalectl_plan::Call;
use scalectl_ui::Builds;

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Whether `up` builds the user's app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppBuilds {
    /// If its image is missing or its folder has changed.
    WhenNeeded,
    /// Even though nothing has changed, every step anew.
    Always,
    Never,
}

/// The reference of the app's image.
pub fn app_image(app: &App, project: &str) -> String {
    match &app.app.source {
        Source::Image(image) => image.to_string(),
        Source::Build(_) => format!("{project}-app:latest"),
    }
}

/// Builds the app's image as far as `how` wants it, and fetches one that is made
/// elsewhere if its own command must be known.
pub async fn prepare_app(
    context: &Context,
    engine: &DockerEngine,
    phase: u8,
    how: AppBuilds,
) -> Result<(), CommandError> {
    if how == AppBuilds::Never || context.global.document.is_some() {
        return Ok(());
    }
    let app = context.app(phase)?;
    let image = app_image(&app, &context.project_of(&app));
    let Source::Build(_) = &app.app.source else {
        return match app.app.command {
            Some(_) => Ok(()),
            None => fetch(context, engine, image).await,
        };
    };
    let Some((build, state)) = app_state(context, engine, phase).await? else {
        return Ok(());
    };
    match (state, how) {
        (AppImage::Current, AppBuilds::WhenNeeded) => return Ok(()),
        (AppImage::Missing, _) => say(context, &build, "is not there yet"),
        (AppImage::Changed, _) => say(context, &build, "is older than its folder"),
        (AppImage::Current, _) => say(context, &build, "is built anew, as asked"),
    }
    let anew = how == AppBuilds::Always;
    let builds = Builds::new(context.printer);
    let outcome = build.build(engine, anew, &|event| builds.show(event)).await;
    builds.finish();
    Ok(outcome?)
}

/// Whether `prepare_app` would have something to do.
pub async fn app_is_to_be_made(
    context: &Context,
    engine: &DockerEngine,
    phase: u8,
    how: AppBuilds,
) -> Result<bool, CommandError> {
    if how == AppBuilds::Never || context.global.document.is_some() {
        return Ok(false);
    }
    if let Some((_, state)) = app_state(context, engine, phase).await? {
        return Ok(how == AppBuilds::Always || state != AppImage::Current);
    }
    let app = context.app(phase)?;
    let image = app_image(&app, &context.project_of(&app));
    Ok(app.app.command.is_none() && ImageEngine::image_config(engine, &image).await?.is_none())
}

fn say(context: &Context, build: &AppBuild, why: &str) {
    context.printer.say(&format!("{} {why}", build.image));
}

/// The app's build and how its image stands to it; none if it is not built here.
pub async fn app_state(
    context: &Context,
    engine: &DockerEngine,
    phase: u8,
) -> Result<Option<(AppBuild, AppImage)>, CommandError> {
    let app = context.app(phase)?;
    let Source::Build(given) = &app.app.source else {
        return Ok(None);
    };
    let args = given.args.iter();
    let build = AppBuild {
        image: app_image(&app, &context.project_of(&app)),
        folder: context.folder().join(&given.context).components().collect(),
        dockerfile: given.dockerfile.clone(),
        args: args
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect(),
    };
    let there = ImageEngine::image_config(engine, &build.image).await?;
    let state = build.compare(there.as_ref())?;
    Ok(Some((build, state)))
}

async fn fetch(
    context: &Context,
    engine: &DockerEngine,
    image: String,
) -> Result<(), CommandError> {
    if ImageEngine::image_config(engine, &image).await?.is_some() {
        return Ok(());
    }
    context.printer.say(&format!("fetching {image}"));
    let call = Call::PullImage { reference: image };
    Ok(scalectl_engine::Engine::apply(engine, &call).await?)
}
