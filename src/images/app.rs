//! The user's app: its image, built from a folder when that has changed.
//!
//! What an image was made from stands in a label of it as a hash, so that an
//! `up` without a change builds nothing. Next: `folder.rs`, `buildkit.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use scalectl_engine::{BuildContext, BuildRequest, ImageConfig, ImageEngine};
use serde::Serialize;

use crate::archive::Hash;
use crate::buildkit;
use crate::construction::{BuildEvent, ImageError, run};
use crate::folder::write_folder;

/// The label that holds the hash of what the app's image was made from.
pub const CONTEXT_LABEL: &str = "dev.scalectl.context";

/// How the app's image is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppBuild {
    /// The reference that the image gets.
    pub image: String,
    pub folder: PathBuf,
    /// The Dockerfile's path in the folder.
    pub dockerfile: String,
    pub args: BTreeMap<String, String>,
}

/// The app's image on an engine, held against its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppImage {
    Current,
    Missing,
    /// The folder, the Dockerfile or an argument is another one now.
    Changed,
}

impl AppBuild {
    /// Compares the folder with what the image was made from.
    ///
    /// # Errors
    /// A file of the folder cannot be read.
    pub fn compare(&self, there: Option<&ImageConfig>) -> Result<AppImage, ImageError> {
        let Some(there) = there else {
            return Ok(AppImage::Missing);
        };
        let is_same = there.labels.get(CONTEXT_LABEL) == Some(&self.hash()?);
        Ok(if is_same {
            AppImage::Current
        } else {
            AppImage::Changed
        })
    }

    /// Builds the image; `anew` takes nothing from earlier builds.
    ///
    /// # Errors
    /// A file that cannot be read, a Dockerfile beyond the engine's own builder,
    /// or a build that fails.
    pub async fn build<E: ImageEngine>(
        &self,
        engine: &E,
        anew: bool,
        tell: &dyn Fn(BuildEvent),
    ) -> Result<(), ImageError> {
        self.refuse_buildkit()?;
        let (folder, dockerfile) = (self.folder.clone(), self.dockerfile.clone());
        let request = BuildRequest {
            tag: self.image.clone(),
            context: BuildContext::new(move |to| write_folder(&folder, &dockerfile, to)),
            dockerfile: self.dockerfile.clone(),
            args: self.args.clone(),
            labels: BTreeMap::from([(CONTEXT_LABEL.to_owned(), self.hash()?)]),
            anew,
        };
        run(&request, engine, tell).await
    }

    fn refuse_buildkit(&self) -> Result<(), ImageError> {
        // Without a Dockerfile the engine's own message says what is missing.
        let text = std::fs::read_to_string(self.folder.join(&self.dockerfile)).unwrap_or_default();
        match buildkit::needed(&text) {
            Some(instruction) => Err(ImageError::NeedsBuildKit {
                image: self.image.clone(),
                dockerfile: self.dockerfile.clone(),
                folder: self.folder.display().to_string(),
                instruction,
            }),
            None => Ok(()),
        }
    }

    fn hash(&self) -> Result<String, ImageError> {
        let mut hash = Hash::default();
        hash.part(&self.dockerfile);
        for (name, value) in &self.args {
            hash.part(name);
            hash.part(value);
        }
        write_folder(&self.folder, &self.dockerfile, &mut hash).map_err(|source| {
            ImageError::Pack {
                image: self.image.clone(),
                source,
            }
        })?;
        Ok(hash.hex())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn app(folder: &std::path::Path) -> AppBuild {
        AppBuild {
            image: "shop-app:latest".to_owned(),
            folder: folder.to_owned(),
            dockerfile: "Dockerfile".to_owned(),
            args: BTreeMap::new(),
        }
    }

    fn made_from(app: &AppBuild) -> ImageConfig {
        ImageConfig {
            labels: BTreeMap::from([(CONTEXT_LABEL.to_owned(), app.hash().unwrap())]),
            ..ImageConfig::default()
        }
    }

    #[test]
    fn an_image_is_current_until_a_file_an_argument_or_the_dockerfile_changes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Dockerfile"), "FROM x\n").unwrap();
        let app = app(folder.path());
        let there = made_from(&app);
        assert_eq!(app.compare(Some(&there)).unwrap(), AppImage::Current);
        assert_eq!(app.compare(None).unwrap(), AppImage::Missing);

        let mut other = app.clone();
        other.args.insert("LEVEL".to_owned(), "1".to_owned());
        assert_eq!(other.compare(Some(&there)).unwrap(), AppImage::Changed);

        fs::write(folder.path().join("main.py"), "").unwrap();
        assert_eq!(app.compare(Some(&there)).unwrap(), AppImage::Changed);
    }

    #[test]
    fn an_image_that_somebody_else_built_counts_as_changed() {
        let folder = tempfile::tempdir().unwrap();
        let found = app(folder.path()).compare(Some(&ImageConfig::default()));
        assert_eq!(found.unwrap(), AppImage::Changed);
    }
}
