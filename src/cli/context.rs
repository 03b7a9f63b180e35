//! What every verb needs: the files it reads, the engine, the way to documents.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use scalectl_documents::Compose;
use scalectl_engine::{Engine, ImageEngine, Scope};
use scalectl_engine_docker::DockerEngine;
use scalectl_model::App;
use scalectl_phase::{Lineage, Phase, Stack};
use scalectl_plan::Observed;
use scalectl_render::{Facts, RenderError, Rendered, Templates};
use scalectl_ui::Printer;

use crate::cli::Global;
use crate::cli::error::CommandError;
use crate::cli::images::{ImageArgs, ImageChoice, app_image};
use crate::cli::migrate::MigrateError;
use crate::cli::values;
use crate::cli::world::World;

/// The tag of scalectl's own images: its version.
pub const IMAGE_TAG: &str = env!("CARGO_PKG_VERSION");

/// In what documents on the way to another phase differ from those of `up`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Between {
    /// The database clusters; those that are there where it is not said.
    pub lineage: Option<Lineage>,
    /// Copies of the database are held back.
    pub copies_slowly: bool,
}

impl Between {
    pub fn copying(slowly: bool) -> Self {
        Self {
            copies_slowly: slowly,
            ..Self::default()
        }
    }
}

pub struct Context {
    pub global: Global,
    pub printer: Printer,
    /// Images for this once, in place of those that scale.yaml names.
    images: Vec<ImageChoice>,
}

type Files = BTreeMap<String, String>;

impl Context {
    pub fn new(global: Global, printer: Printer) -> Self {
        Self {
            global,
            printer,
            images: Vec::new(),
        }
    }

    /// The same with other images.
    pub fn with_images(&self, args: &ImageArgs) -> Self {
        Self {
            global: self.global.clone(),
            printer: self.printer,
            images: args.images.clone(),
        }
    }

    /// Every phase, with the user's in place of scalectl's own.
    pub fn phases(&self) -> Result<BTreeMap<u8, Phase>, CommandError> {
        Ok(scalectl_phase::phases(&self.overrides("phases")?)?)
    }

    /// The folder that paths in scale.yaml start from.
    pub fn folder(&self) -> PathBuf {
        let parent = self.global.file.parent().unwrap_or(Path::new(""));
        match parent.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => parent.to_owned(),
        }
    }

    /// Whether the stack's document can be rendered here; with `-p` no file is needed.
    pub fn has_model(&self) -> bool {
        self.global.document.is_some() || self.global.file.exists()
    }

    /// The app model as a phase sees it.
    ///
    /// # Errors
    /// A phase that there is not, before a word is said about the file.
    pub fn app(&self, phase: u8) -> Result<App, CommandError> {
        let phases = self.phases()?;
        scalectl_phase::get(&phases, phase)?;
        let (file, text) = (&self.global.file, self.text()?);
        let world = World {
            folder: self.folder(),
            phases: phases.keys().copied().collect(),
            database_versions: vec!["17".to_owned()],
        };
        let mut app = scalectl_model::load(&text, &file.display().to_string(), &world, phase)?;
        self.images.iter().for_each(|image| image.apply(&mut app));
        Ok(app)
    }

    /// What scale.yaml says, as it stands there.
    fn text(&self) -> Result<String, CommandError> {
        let file = &self.global.file;
        std::fs::read_to_string(file).map_err(|source| match source.kind() {
            ErrorKind::NotFound => CommandError::NoModel { file: file.clone() },
            _ => CommandError::io(format!("read {}", file.display()), source),
        })
    }

    /// The document that is given in place of an app model.
    pub fn document(&self) -> Result<Option<Rendered>, CommandError> {
        let Some(file) = &self.global.document else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(file)
            .map_err(|source| CommandError::io(format!("read {}", file.display()), source))?;
        let compose = Compose::parse(&text).map_err(RenderError::Document)?;
        Ok(Some(Rendered { text, compose }))
    }

    /// The stack's name, where no app model is needed to know it.
    pub fn project(&self) -> Result<String, CommandError> {
        match (&self.global.project, self.document()?) {
            (_, Some(document)) => Ok(document.compose.name),
            (Some(project), None) => Ok(project.clone()),
            (None, None) => match scalectl_model::name(&self.text()?) {
                Some(name) => Ok(name.to_string()),
                None => {
                    let phase = self.phases()?.keys().next().copied().unwrap_or(1);
                    Ok(self.app(phase)?.name.to_string())
                }
            },
        }
    }

    /// The stack's name: `-p`, or else the app's.
    pub fn project_of(&self, app: &App) -> String {
        let given = self.global.project.clone();
        given.unwrap_or_else(|| app.name.to_string())
    }

    /// The documents of a phase.
    pub async fn render(
        &self,
        phase: u8,
        engine: Option<&DockerEngine>,
    ) -> Result<Rendered, CommandError> {
        self.render_as(phase, engine, None).await
    }

    /// The documents of a phase as far as they can be told before the app's image is
    /// there: only to be shown.
    pub async fn render_unbuilt(
        &self,
        phase: u8,
        engine: &DockerEngine,
    ) -> Result<Rendered, CommandError> {
        let unknown = Some("the-image-s-own-command");
        self.render_as(phase, Some(engine), unknown).await
    }

    /// `unknown` stands in for the command of an image that is not there.
    async fn render_as(
        &self,
        phase: u8,
        engine: Option<&DockerEngine>,
        unknown: Option<&str>,
    ) -> Result<Rendered, CommandError> {
        if let Some(document) = self.document()? {
            return Ok(document);
        }
        let phases = self.phases()?;
        let phase = scalectl_phase::get(&phases, phase)?;
        self.render_phase(phase, engine, unknown, Between::default())
            .await
    }

    /// The documents of a phase that no `up` brings up: what lies between two others.
    pub async fn render_between(
        &self,
        phase: &Phase,
        engine: &DockerEngine,
        between: Between,
    ) -> Result<Rendered, CommandError> {
        self.render_phase(phase, Some(engine), None, between).await
    }

    async fn render_phase(
        &self,
        phase: &Phase,
        engine: Option<&DockerEngine>,
        unknown: Option<&str>,
        between: Between,
    ) -> Result<Rendered, CommandError> {
        let app = self.app(phase.phase)?;
        let project = self.project_of(&app);
        let facts = facts(&app, &project, engine, unknown).await?;
        let lineage = match (between.lineage, engine) {
            (Some(lineage), _) => lineage,
            (None, Some(engine)) => Lineage::of(&engine.generations(&project).await?),
            (None, None) => Lineage::default(),
        };
        let stack = Stack::of(app, phase, self.global.project.as_deref())
            .with_lineage(lineage)
            .copying(between.copies_slowly);
        let templates = Templates::new(&self.overrides("templates")?);
        Ok(scalectl_render::compose(&stack, &facts, &templates)?)
    }

    /// What the engine has of a stack, without its images.
    pub async fn look(
        &self,
        engine: &DockerEngine,
        project: &str,
    ) -> Result<Observed, CommandError> {
        let scope = Scope::project(project);
        Ok(engine.observe(&scope).await?)
    }

    /// The same without what is not the stack's own: to tell, not to plan.
    pub async fn look_at_own(
        &self,
        engine: &DockerEngine,
        project: &str,
    ) -> Result<Observed, CommandError> {
        let scope = Scope::project(project);
        Ok(engine.observe_own(&scope).await?)
    }

    /// Refuses to say that a stack is down which plain `docker compose` brought up.
    pub fn refuse_composed(&self, project: &str, observed: &Observed) -> Result<(), CommandError> {
        match observed.composed(project).as_slice() {
            [] => Ok(()),
            containers => Err(CommandError::NotOurs {
                project: project.to_owned(),
                count: containers.len(),
            }),
        }
    }

    /// Refuses what does not go beside a migration: it would go on from there as if
    /// nobody had.
    pub fn refuse_migrating(&self, project: &str, observed: &Observed) -> Result<(), CommandError> {
        match observed.migrating {
            None => Ok(()),
            Some(mark) => {
                let (project, way) = (project.to_owned(), mark.way());
                Err(MigrateError::Open { project, way }.into())
            }
        }
    }

    /// Refuses services that the stack does not have, and a stack that is not up.
    pub fn refuse_unknown(
        &self,
        project: &str,
        observed: &Observed,
        services: &[String],
    ) -> Result<(), CommandError> {
        let known: BTreeSet<_> = observed.ours().map(|(_, it)| it.service.clone()).collect();
        let unknown = services.iter().find(|service| !known.contains(*service));
        match unknown {
            Some(_) if known.is_empty() => Err(CommandError::NotUp {
                project: project.to_owned(),
            }),
            Some(service) => Err(CommandError::UnknownService {
                project: project.to_owned(),
                service: service.clone(),
                known: known.into_iter().collect(),
            }),
            None => Ok(()),
        }
    }

    pub async fn engine(&self) -> Result<DockerEngine, CommandError> {
        Ok(DockerEngine::connect().await?)
    }

    /// That engine, given what the user keeps in files for this phase; a document
    /// in place of an app model has no such files.
    pub fn giving(&self, engine: DockerEngine, phase: u8) -> Result<DockerEngine, CommandError> {
        if self.global.document.is_some() {
            return Ok(engine);
        }
        let app = self.app(phase)?;
        Ok(engine.with_values(values::of(&app, self.folder())))
    }

    /// The user's files in `--overrides DIR/<kind>`, by path below it.
    fn overrides(&self, kind: &str) -> Result<Files, CommandError> {
        let Some(folder) = &self.global.overrides else {
            return Ok(Files::new());
        };
        let mut files = Files::new();
        collect(&folder.join(kind), "", &mut files).map_err(|source| {
            CommandError::io(format!("read {}", folder.join(kind).display()), source)
        })?;
        Ok(files)
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Files) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => collect(&entry.path(), &format!("{name}/"), files)?,
            false => drop(files.insert(name, std::fs::read_to_string(entry.path())?)),
        }
    }
    Ok(())
}

/// The app's image and command. A command that scale.yaml leaves out is the
/// image's own, which only an engine that has the image can tell.
async fn facts(
    app: &App,
    project: &str,
    engine: Option<&DockerEngine>,
    unknown: Option<&str>,
) -> Result<Facts, CommandError> {
    let app_image = app_image(app, project);
    let given = app
        .app
        .command
        .as_ref()
        .map(|command| command.words().to_vec());
    let app_command = match given {
        Some(words) => words,
        None => match (command_of_image(&app_image, engine).await, unknown) {
            (Err(CommandError::NoCommand), Some(word)) => vec![word.to_owned()],
            (found, _) => found?,
        },
    };
    Ok(Facts {
        app_image,
        app_command,
        image_tag: IMAGE_TAG.to_owned(),
    })
}

async fn command_of_image(
    image: &str,
    engine: Option<&DockerEngine>,
) -> Result<Vec<String>, CommandError> {
    let Some(engine) = engine else {
        return Err(CommandError::NoCommand);
    };
    let image = ImageEngine::image_config(engine, image).await?;
    let image = image.ok_or(CommandError::NoCommand)?;
    match [image.entrypoint, image.command].concat() {
        none if none.is_empty() => Err(CommandError::NoCommand),
        words => Ok(words),
    }
}
