//! Building: every image that is missing or whose recipe has changed, side by side.

use std::collections::BTreeMap;
use std::io;

use futures_util::stream::{FuturesUnordered, StreamExt};
use scalectl_engine::{BuildRequest, EngineError, ImageEngine};

use crate::catalogue::{Recipe, base_reference, reference};
use crate::context::{archive, hash};

/// The label that holds the hash of what an image was made from.
const RECIPE_LABEL: &str = "dev.scalectl.recipe";
/// The file name under which a network's own authorities go into a build.
const EXTRA_AUTHORITY: &str = "extra-ca.crt";

/// What to build, and from what.
#[derive(Debug, Clone)]
pub struct Build {
    pub recipes: Vec<Recipe>,
    pub tag: String,
    /// The image that all stand on.
    pub base: String,
    /// This program, static: it goes into the agent's image.
    pub program: Vec<u8>,
    /// PEM text of authorities that builds must trust beside Debian's.
    pub extra_authorities: Option<String>,
    /// Build although nothing has changed.
    pub again: bool,
}

/// What happens while images are built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    /// It is there and its recipe has not changed.
    Current {
        image: String,
    },
    Started {
        image: String,
    },
    /// A line that the build wrote.
    Line {
        image: String,
        line: String,
    },
    Done {
        image: String,
    },
}

/// A build that did not succeed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ImageError {
    #[error("the engine does not have the base image {base}")]
    #[diagnostic(
        code(scalectl::images::no_base),
        help(
            "`./scripts/quickstart` makes it; or tag any Debian 13 image: `docker tag debian:trixie-slim {base}`"
        )
    )]
    NoBase { base: String },
    #[error(
        "this program needs files of the machine it was built on, so it cannot go into an image"
    )]
    #[diagnostic(
        code(scalectl::images::not_static),
        help(
            "build it for a musl target: `cargo build --release --target x86_64-unknown-linux-musl`"
        )
    )]
    NotStatic,
    #[error("pack the recipe of {image}")]
    Pack {
        image: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
}

/// Builds what is not current: the agent's image first, then all others at once.
///
/// # Errors
/// The first build that fails; those under way are given up.
pub async fn build<E: ImageEngine>(
    build: &Build,
    engine: &E,
    tell: &dyn Fn(BuildEvent),
) -> Result<(), ImageError> {
    if !crate::is_static(&build.program) {
        return Err(ImageError::NotStatic);
    }
    let base = engine.image_config(&build.base).await?;
    let base_id = base
        .ok_or_else(|| ImageError::NoBase {
            base: build.base.clone(),
        })?
        .id;
    let (first, rest): (Vec<_>, Vec<_>) =
        build.recipes.iter().partition(|recipe| !recipe.needs_agent);
    for group in [first, rest] {
        let mut running: FuturesUnordered<_> = group
            .into_iter()
            .map(|recipe| one(build, recipe, &base_id, engine, tell))
            .collect();
        while let Some(outcome) = running.next().await {
            outcome?;
        }
    }
    Ok(())
}

async fn one<E: ImageEngine>(
    build: &Build,
    recipe: &Recipe,
    base_id: &str,
    engine: &E,
    tell: &dyn Fn(BuildEvent),
) -> Result<(), ImageError> {
    let image = reference(recipe.name, &build.tag);
    let request = request(build, recipe, base_id, engine).await?;
    let there = engine.image_config(&image).await?;
    let is_current =
        there.is_some_and(|it| it.labels.get(RECIPE_LABEL) == request.labels.get(RECIPE_LABEL));
    if is_current && !build.again {
        tell(BuildEvent::Current { image });
        return Ok(());
    }
    tell(BuildEvent::Started {
        image: image.clone(),
    });
    let on_line = |line: &str| {
        tell(BuildEvent::Line {
            image: image.clone(),
            line: line.to_owned(),
        })
    };
    engine.build_image(&request, &on_line).await?;
    tell(BuildEvent::Done {
        image: image.clone(),
    });
    Ok(())
}

async fn request<E: ImageEngine>(
    build: &Build,
    recipe: &Recipe,
    base_id: &str,
    engine: &E,
) -> Result<BuildRequest, ImageError> {
    let tag = reference(recipe.name, &build.tag);
    let mut files = recipe.files();
    if recipe.name == "agent" {
        files.push(("scalectl".to_owned(), build.program.clone()));
    }
    let recipe_files = archive(&files).map_err(|source| ImageError::Pack {
        image: tag.clone(),
        source,
    })?;
    let mut stands_on = base_id.to_owned();
    let mut args = BTreeMap::from([("BASE".to_owned(), build.base.clone())]);
    if recipe.needs_agent {
        let agent = reference("agent", &build.tag);
        stands_on += &engine.image_config(&agent).await?.unwrap_or_default().id;
        args.insert("AGENT".to_owned(), agent);
    }
    let basis = hash(&[recipe_files.as_slice(), stands_on.as_bytes()].concat());
    // Which authorities were trusted while fetching does not change the result.
    let context = match (&build.extra_authorities, recipe.fetches_by_tls) {
        (Some(authorities), true) => {
            files.push((EXTRA_AUTHORITY.to_owned(), authorities.clone().into_bytes()));
            archive(&files).map_err(|source| ImageError::Pack {
                image: tag.clone(),
                source,
            })?
        }
        _ => recipe_files,
    };
    let labels = BTreeMap::from([(RECIPE_LABEL.to_owned(), basis)]);
    Ok(BuildRequest {
        tag,
        context,
        dockerfile: "Dockerfile".to_owned(),
        args,
        labels,
    })
}

impl Build {
    /// All images that a phase needs, on scalectl's own base.
    pub fn of_phase(phase: u8, tag: &str, program: Vec<u8>) -> Self {
        Self {
            recipes: crate::CATALOGUE
                .into_iter()
                .filter(|recipe| recipe.since_phase <= phase)
                .collect(),
            tag: tag.to_owned(),
            base: base_reference(),
            program,
            extra_authorities: None,
            again: false,
        }
    }
}
