//! The lock of a stack: one scalectl at a time changes it.
//!
//! Taken when there is something to do, never for a question (a person may take
//! long), and given back however the work ends. Who holds it is told, with age.
//! Next: `engine/docker/lock.rs` (what a lock is).

use std::time::{Duration, Instant};

use scalectl_engine::{BuildContext, BuildRequest, EngineError, ImageEngine};
use scalectl_engine_docker::{DockerEngine, LockError, LockGuard, LockOwner, lock_name};
use scalectl_plan::Observed;

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// How often a lock that is held is tried again. Its end is no event of the
/// project's, and one call twice a second costs nothing.
const AGAIN: Duration = Duration::from_millis(500);
/// How often the heart of a held lock is asked.
const LOOK: Duration = Duration::from_secs(1);
/// In seconds. A clock cannot be set beyond its end.
const YEAR: u64 = 31_536_000;
/// The image of a lock on an engine that has no image at all.
const NOTHING: &str = "scalectl/nothing:1";
/// How often that image is made for one lock.
const TRIES: u32 = 3;

/// What every verb that changes a stack understands.
#[derive(clap::Args, Debug, Clone, Copy)]
pub struct LockArgs {
    /// How long to wait for another scalectl that works on this stack, in seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=YEAR))]
    lock_timeout: u64,
}

/// Whose lock is wanted, and for what.
pub struct Wanted<'a> {
    pub project: &'a str,
    /// The verb, as the next one is told.
    pub command: &'a str,
    /// What was last seen of the engine: the lock needs any image that is there.
    pub observed: &'a Observed,
}

/// What was before a lock was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nobody, or somebody who gave it back with nothing left under way.
    Rest,
    /// An owner that died. The engine may still do what that one had asked for,
    /// so what was looked at can change by itself.
    Unrest,
}

/// Whether somebody works on the stack, or died over it: nobody can say then that
/// nothing is to do.
pub fn is_there(project: &str, observed: &Observed) -> bool {
    observed.containers.contains_key(&lock_name(project))
}

/// Does `work` while the lock is held, and not before what an owner that died had
/// asked for is done, as far as the engine tells.
///
/// The lock is given back however the work ends, unless calls of it are under way
/// in the engine, or nobody has said that what runs is served: then it stays as that of one
/// who was killed, for the next one to take over and to make sure.
///
/// # Errors
/// What `work` gives; `Lock` if somebody else works on the stack for longer than
/// the caller waits; `LockLost` if the lock is taken away meanwhile.
pub async fn held<T>(
    args: LockArgs,
    context: &Context,
    engine: &DockerEngine,
    wanted: Wanted<'_>,
    work: impl AsyncFnOnce(Before) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let guard = unless_interrupted(take(args, context, engine, &wanted)).await?;
    let project = wanted.project;
    let work = async {
        let before = settle(context, engine, project, &guard).await?;
        work(before).await
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = lost(&guard) => Err(CommandError::LockLost),
    };
    if outcome.as_ref().is_err_and(CommandError::leaves_unrest) {
        return outcome;
    }
    if let Err(error) = guard.release(engine).await {
        // The next one finds this process gone and takes the lock over.
        context
            .printer
            .say(&format!("the lock was left behind: {error}"));
    }
    outcome
}

async fn settle(
    context: &Context,
    engine: &DockerEngine,
    project: &str,
    guard: &LockGuard,
) -> Result<Before, CommandError> {
    let Some(dead) = guard.taken_from() else {
        return Ok(Before::Rest);
    };
    context.printer.say(&format!(
        "{} ended before its work on {project} did: going on from there",
        dead.owner
    ));
    unless_interrupted(async { Ok(engine.settle(project, dead).await?) }).await?;
    Ok(Before::Unrest)
}

/// `work`, or `Interrupted` at Ctrl-C: for what changes nothing.
pub async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(CommandError::Interrupted),
    }
}

async fn take(
    args: LockArgs,
    context: &Context,
    engine: &DockerEngine,
    wanted: &Wanted<'_>,
) -> Result<LockGuard, CommandError> {
    let owner = LockOwner::this(wanted.command);
    let give_up = Instant::now() + Duration::from_secs(args.lock_timeout);
    let mut told = String::new();
    loop {
        match acquire(engine, wanted, &owner).await {
            Err(LockError::Held {
                owner, age_seconds, ..
            }) if Instant::now() < give_up => {
                if told != owner.token {
                    context.printer.say(&format!(
                        "waiting for {owner}, at work on {} for {age_seconds} s (at most {} s)",
                        wanted.project, args.lock_timeout
                    ));
                    told = owner.token;
                }
                tokio::time::sleep(AGAIN).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// Takes the lock with the first image that the engine really has.
async fn acquire(
    engine: &DockerEngine,
    wanted: &Wanted<'_>,
    owner: &LockOwner,
) -> Result<LockGuard, LockError> {
    let named = wanted.observed.images.keys().cloned();
    let used = wanted.observed.containers.values();
    let used = used.map(|container| container.image_id.clone());
    for image in named.chain(used).filter(|image| !image.is_empty()) {
        match engine.acquire_lock(wanted.project, &image, owner).await {
            // Removed by force under a container that was made from it.
            Err(LockError::Engine(EngineError::ImageMissing { .. })) => {}
            outcome => return outcome,
        }
    }
    for _ in 1..TRIES {
        make_nothing(engine).await?;
        match engine.acquire_lock(wanted.project, NOTHING, owner).await {
            // Another project's scalectl has made it anew at the same moment.
            Err(LockError::Engine(EngineError::ImageMissing { .. })) => {}
            outcome => return outcome,
        }
    }
    make_nothing(engine).await?;
    engine.acquire_lock(wanted.project, NOTHING, owner).await
}

/// The image of a lock, if it is not there.
async fn make_nothing(engine: &DockerEngine) -> Result<(), LockError> {
    if ImageEngine::image_config(engine, NOTHING).await?.is_some() {
        return Ok(());
    }
    let request = BuildRequest {
        tag: NOTHING.to_owned(),
        context: BuildContext::new(scalectl_images::write_nothing),
        dockerfile: "Dockerfile".to_owned(),
        args: Default::default(),
        labels: Default::default(),
        anew: false,
    };
    Ok(ImageEngine::build_image(engine, &request, &|_| {}).await?)
}

async fn lost(guard: &LockGuard) {
    while !guard.is_lost() {
        tokio::time::sleep(LOOK).await;
    }
}
