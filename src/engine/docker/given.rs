//! Values of the caller's: secrets and certificates that go into containers.
//!
//! They come from its environment, or from where it says. Whether a container
//! still has the value of now is told by reading its file back and comparing:
//! no fingerprint of a secret is kept anywhere. Must never tell a value.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use scalectl_engine::{EngineError, GivenFile};
use scalectl_plan::{ObservedContainer, Ownership};

use crate::DockerEngine;
use crate::errors::Fault;

const LIMIT: u64 = 60;

/// The value of a variable of the caller's, if it gives one.
pub type Values = Box<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// The environment of this process.
pub(crate) fn from_env() -> Values {
    Box::new(|name| std::env::var_os(name).map(OsStringExt::into_vec))
}

impl DockerEngine {
    /// Takes values of variables from `values` in place of the environment.
    #[must_use]
    pub fn with_values(mut self, values: Values) -> Self {
        self.values = values;
        self
    }

    /// A file in a container, whether it runs or not; none where there is no such file.
    ///
    /// # Errors
    /// The container is gone, or the engine does not answer.
    pub async fn file_of(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let found = self.folder_of(container, path).await;
        let found = found.map_err(|fault| self.reading("read a file", fault))?;
        Ok(found.into_iter().next().map(|(_, content)| content))
    }

    /// Which given files are not what the caller gives now.
    pub(crate) async fn add_outdated(
        &self,
        given: &[GivenFile],
        containers: &mut BTreeMap<String, ObservedContainer>,
    ) -> Result<(), Fault> {
        let looks = containers
            .values_mut()
            .filter(|it| it.ownership == Ownership::Ours)
            .filter(|it| given.iter().any(|file| file.service == it.service))
            .map(|container| async move {
                let files = given.iter().filter(|it| it.service == container.service);
                let files: Vec<_> = files.collect();
                container.outdated = self.outdated(&container.id, &files).await?;
                Ok(())
            });
        try_join_all(looks).await.map(drop)
    }

    async fn outdated(&self, id: &str, files: &[&GivenFile]) -> Result<BTreeSet<String>, Fault> {
        let folders: BTreeSet<_> = files.iter().map(|file| split(&file.path).0).collect();
        let mut there = BTreeMap::new();
        for folder in folders {
            for (name, content) in self.folder_of(id, folder).await? {
                there.insert(format!("{folder}/{name}"), content);
            }
        }
        let is_other =
            |file: &&&GivenFile| there.get(&file.path) != (self.values)(&file.variable).as_ref();
        let outdated = files.iter().filter(is_other);
        Ok(outdated.map(|file| file.config.clone()).collect())
    }

    /// The files of one folder in a container; none where there is no such folder.
    async fn folder_of(&self, id: &str, path: &str) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(path)
            .build();
        let parts = self.docker.download_from_container(id, Some(options));
        let read = parts.try_fold(Vec::new(), |mut all, part| async move {
            all.extend_from_slice(&part);
            Ok(all)
        });
        match self.within(LIMIT, read).await {
            Ok(archive) => unpack(&archive).map_err(|error| Fault::Lost(Box::new(error))),
            Err(fault) if fault.status() == Some(404) => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }
}

/// The folder of an absolute path, and the rest.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Files by their name in the archive's one folder.
fn unpack(archive: &[u8]) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let path = entry.path()?.to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            files.push((split(&path).1.to_owned(), content));
        }
    }
    Ok(files)
}
