//! Building: every image that is missing or whose recipe has changed, side by side.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures_util::stream::{StreamExt, iter};
use scalectl_engine::{BuildContext, BuildRequest, BuildTold, EngineError, ImageEngine};

use crate::archive::{Hash, write_files};
use crate::catalogue::{CATALOGUE, Recipe, base_reference, reference};

/// The label that holds the hash of what an image was made from.
pub(crate) const RECIPE_LABEL: &str = "dev.scalectl.recipe";
/// The file name under which a network's own authorities go into a build.
const EXTRA_AUTHORITY: &str = "extra-ca.crt";
/// Builds at the same time: each runs a package manager of about 100 MB, and a
/// small server has 1 GB.
const AT_ONCE: usize = 4;

/// What to build, and from what.
#[derive(Debug, Clone)]
pub struct Build {
    pub recipes: Vec<Recipe>,
    pub tag: String,
    /// The image that all stand on.
    pub base: String,
    /// This program, static: it goes into the agent's image.
    pub program: Arc<[u8]>,
    /// PEM text of authorities that builds must trust beside Debian's.
    pub extra_authorities: Option<String>,
    /// Build although nothing has changed, and every step anew.
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
    Step {
        image: String,
        number: u32,
        of: u32,
        text: String,
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
            "build it for a musl target (`cargo build --release --target x86_64-unknown-linux-musl`), or name one that is static with `images build --program FILE`"
        )
    )]
    NotStatic,
    #[error("scalectl has no image of the name {name}")]
    #[diagnostic(
        code(scalectl::images::unknown),
        help("its images are {}", CATALOGUE.map(|recipe| recipe.name).join(", "))
    )]
    Unknown { name: String },
    #[error("{dockerfile} of {image} needs BuildKit: `{instruction}`")]
    #[diagnostic(
        code(scalectl::images::needs_buildkit),
        help(
            "build it yourself (`docker build -t {image} -f {folder}/{dockerfile} {folder}`), then use `--no-build`; or write the instruction without it"
        )
    )]
    NeedsBuildKit {
        image: String,
        dockerfile: String,
        folder: String,
        instruction: String,
    },
    #[error("pack the build folder of {image}")]
    Pack {
        image: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
}

impl Build {
    /// All images that a phase needs, on scalectl's own base.
    pub fn of_phase(phase: u8, tag: &str, program: Arc<[u8]>) -> Self {
        let recipes = CATALOGUE.into_iter();
        let recipes = recipes.filter(|recipe| recipe.since_phase <= phase);
        Self::of(recipes.collect(), tag, program)
    }

    /// The images of these names, and the agent's, which others take files from.
    ///
    /// # Errors
    /// A name that no image has.
    pub fn of_names(names: &[String], tag: &str, program: Arc<[u8]>) -> Result<Self, ImageError> {
        let unknown = |name: &&String| CATALOGUE.iter().all(|recipe| recipe.name != **name);
        if let Some(name) = names.iter().find(unknown) {
            return Err(ImageError::Unknown { name: name.clone() });
        }
        let recipes = CATALOGUE.into_iter();
        let recipes = recipes
            .filter(|recipe| recipe.name == "agent" || names.iter().any(|it| it == recipe.name));
        Ok(Self::of(recipes.collect(), tag, program))
    }

    fn of(recipes: Vec<Recipe>, tag: &str, program: Arc<[u8]>) -> Self {
        Self {
            recipes,
            tag: tag.to_owned(),
            base: base_reference(),
            program,
            extra_authorities: None,
            again: false,
        }
    }
}

/// Builds what is not current: the agent's image first, then all others, some
/// at a time.
///
/// # Errors
/// The first build that fails; those under way are given up.
pub async fn build<E: ImageEngine>(
    build: &Build,
    engine: &E,
    tell: &dyn Fn(BuildEvent),
) -> Result<(), ImageError> {
    let Some(base) = engine.image_config(&build.base).await? else {
        let base = build.base.clone();
        return Err(ImageError::NoBase { base });
    };
    let (first, rest): (Vec<_>, Vec<_>) = build
        .recipes
        .iter()
        .partition(|recipe| recipe.name == "agent");
    for group in [first, rest] {
        let builds = iter(group).map(|recipe| one(build, recipe, &base.id, engine, tell));
        let mut running = builds.buffer_unordered(AT_ONCE);
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
    let basis = basis(build, recipe, base_id, engine).await?;
    let there = engine.image_config(&image).await?;
    let is_current = there.is_some_and(|it| it.labels.get(RECIPE_LABEL) == Some(&basis));
    if is_current && !build.again {
        tell(BuildEvent::Current { image });
        return Ok(());
    }
    run(&request(build, recipe, image, basis)?, engine, tell).await
}

/// Runs one build and tells its course.
pub(crate) async fn run<E: ImageEngine>(
    request: &BuildRequest,
    engine: &E,
    tell: &dyn Fn(BuildEvent),
) -> Result<(), ImageError> {
    let image = || request.tag.clone();
    tell(BuildEvent::Started { image: image() });
    let on_told = |told| match told {
        BuildTold::Step { number, of, text } => tell(BuildEvent::Step {
            image: image(),
            number,
            of,
            text,
        }),
        BuildTold::Line(line) => tell(BuildEvent::Line {
            image: image(),
            line,
        }),
    };
    engine.build_image(request, &on_told).await?;
    tell(BuildEvent::Done { image: image() });
    Ok(())
}

/// The hash of all that an image is made from: its recipe, its base, and the
/// agent's image if it takes files from that.
pub(crate) async fn basis<E: ImageEngine>(
    build: &Build,
    recipe: &Recipe,
    base_id: &str,
    engine: &E,
) -> Result<String, ImageError> {
    let mut hash = Hash::default();
    hash.part(base_id);
    if recipe.needs_agent() {
        let agent = engine.image_config(&reference("agent", &build.tag)).await?;
        let agent = agent.unwrap_or_default();
        // What it was made from, if it tells: its id is another one each time.
        hash.part(agent.labels.get(RECIPE_LABEL).unwrap_or(&agent.id));
    }
    let packed = write_files(&files(build, recipe), &mut hash);
    packed.map_err(|source| ImageError::Pack {
        image: reference(recipe.name, &build.tag),
        source,
    })?;
    Ok(hash.hex())
}

fn files(build: &Build, recipe: &Recipe) -> Vec<(String, Vec<u8>)> {
    let mut files = recipe.files();
    if recipe.name == "agent" {
        files.push(("scalectl".to_owned(), build.program.to_vec()));
    }
    files
}

fn request(
    build: &Build,
    recipe: &Recipe,
    tag: String,
    basis: String,
) -> Result<BuildRequest, ImageError> {
    if recipe.name == "agent" && !crate::is_static(&build.program) {
        return Err(ImageError::NotStatic);
    }
    let mut args = BTreeMap::from([("BASE".to_owned(), build.base.clone())]);
    if recipe.needs_agent() {
        args.insert("AGENT".to_owned(), reference("agent", &build.tag));
    }
    let mut files = files(build, recipe);
    // Which authorities were trusted while fetching does not change the result,
    // so they are no part of the hash.
    if let (Some(authorities), true) = (&build.extra_authorities, recipe.fetches_by_tls) {
        files.push((EXTRA_AUTHORITY.to_owned(), authorities.clone().into_bytes()));
    }
    Ok(BuildRequest {
        tag,
        context: BuildContext::new(move |to| write_files(&files, to)),
        dockerfile: "Dockerfile".to_owned(),
        args,
        labels: BTreeMap::from([(RECIPE_LABEL.to_owned(), basis)]),
        anew: build.again,
    })
}
