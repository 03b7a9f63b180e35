//! The run of a bootstrap: read and check everything, keep the state, write.
//!
//! Nothing is written before the whole spec is known to be good, and no volume
//! before the state that it follows from is safe on disk.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::authority::{Authority, Pair, given_pair, sds_files};
use super::check::mistakes;
use super::error::BootstrapError;
use super::placeholders::{Values, fill};
use super::spec::{CertificateSpec, ComponentSpec, DirectorySpec, FileSpec, Spec, parse_mode};
use super::state::{KnownSecrets, State, StateFolder};
use super::volume::{Counts, OutFile, Volume};
use crate::files::Access;

/// Prepare secrets, certificates and settings, then end
#[derive(clap::Args, Debug)]
pub struct BootstrapArgs {
    /// What to prepare
    #[arg(long, default_value = "/in/bootstrap.json")]
    pub spec: PathBuf,
    /// Where settings files stand, a folder a component
    #[arg(long = "in", default_value = "/in")]
    pub input: PathBuf,
    /// Where volumes are mounted, a folder a component
    #[arg(long = "out", default_value = "/out")]
    pub output: PathBuf,
    /// Where the CA and all secrets are kept
    #[arg(long, default_value = "/state")]
    pub state: PathBuf,
}

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub secrets_made: usize,
    pub certificates_made: usize,
    pub files: Counts,
}

/// Prepares all that the spec asks for.
pub fn run(args: &BootstrapArgs, now: OffsetDateTime) -> Result<Report, BootstrapError> {
    let spec = read_spec(&args.spec)?;
    let folder = StateFolder::open(&args.state)?;
    let mut state = folder.load()?;
    let secrets_made = state.make_secrets(&spec.secrets)?;
    state.take_given(&spec.given)?;
    let certificates_made = make_certificates(&mut state, &spec, now)?;
    let volumes = volumes(&spec, &state, args)?;
    folder.save(&state)?;
    Ok(Report {
        secrets_made,
        certificates_made,
        files: write_all(&volumes)?,
    })
}

fn read_spec(path: &Path) -> Result<Spec, BootstrapError> {
    let text = std::fs::read(path).map_err(BootstrapError::read(path))?;
    let spec = serde_json::from_slice(&text).map_err(|source| BootstrapError::Syntax {
        path: path.to_owned(),
        source,
    })?;
    let mistakes = mistakes(&spec);
    if mistakes.is_empty() {
        Ok(spec)
    } else {
        Err(BootstrapError::Invalid {
            path: path.to_owned(),
            mistakes,
        })
    }
}

/// Makes the CA and each certificate that is missing or no longer does.
fn make_certificates(
    state: &mut State,
    spec: &Spec,
    now: OffsetDateTime,
) -> Result<usize, BootstrapError> {
    let fault = |owner: &str| {
        let owner = owner.to_owned();
        move |source| BootstrapError::Certificate { owner, source }
    };
    let mut made = 0;
    let pair = match &state.authority {
        Some(pair) => pair.clone(),
        None => {
            made += 1;
            Authority::make(&spec.project, now).map_err(fault("the stack's CA"))?
        }
    };
    let authority = Authority::load(&pair).map_err(fault("the stack's CA"))?;
    state.authority = Some(pair);
    for component in &spec.components {
        let Some(request) = component.certificate_request() else {
            continue;
        };
        if state
            .leaves
            .get(&component.name)
            .is_none_or(|leaf| !authority.is_good(leaf, &request, now))
        {
            let leaf = authority
                .sign(&request, now)
                .map_err(fault(&component.name))?;
            state.leaves.insert(component.name.clone(), leaf);
            made += 1;
        }
    }
    Ok(made)
}

/// All that will be written, in memory; every unfillable file is told at once.
fn volumes(
    spec: &Spec,
    state: &State,
    args: &BootstrapArgs,
) -> Result<Vec<Volume>, BootstrapError> {
    let mut source = Source {
        args,
        authority: state
            .authority
            .as_ref()
            .map(|pair| pair.certificate.as_str())
            .unwrap_or_default(),
        secrets: state.known(&spec.secrets, &spec.given),
        problems: Vec::new(),
    };
    let mut volumes = Vec::new();
    for component in &spec.components {
        volumes.push(source.component(component, state)?);
    }
    for directory in &spec.directories {
        volumes.push(source.directory(directory)?);
    }
    if !source.problems.is_empty() {
        return Err(BootstrapError::Fill {
            problems: source.problems,
        });
    }
    if args.output.join("bin").is_dir() {
        volumes.push(binary_volume(&args.output)?);
    }
    Ok(volumes)
}

struct Source<'a> {
    args: &'a BootstrapArgs,
    authority: &'a str,
    secrets: KnownSecrets,
    problems: Vec<String>,
}

impl Source<'_> {
    fn component(
        &mut self,
        component: &ComponentSpec,
        state: &State,
    ) -> Result<Volume, BootstrapError> {
        let access = |mode| Access {
            uid: component.uid,
            gid: component.gid,
            mode,
        };
        let mut volume = self.volume(&component.name, access(component.folder_mode()));
        for file in &component.files {
            let out = access(component.file_mode(file));
            let content = self.filled(&component.name, file, out.mode, component.any_user)?;
            volume.files.insert(
                file.name.clone(),
                OutFile {
                    content,
                    access: out,
                },
            );
        }
        let secret = access(component.secret_mode());
        for name in &component.secrets {
            let content = self.secrets.secret(name).unwrap_or_default().to_vec();
            volume.files.insert(
                format!("secrets/{name}"),
                OutFile {
                    content,
                    access: secret,
                },
            );
        }
        if component.ca || component.certificate.is_some() {
            let content = self.authority.as_bytes().to_vec();
            volume.files.insert(
                "tls/ca.crt".to_owned(),
                OutFile {
                    content,
                    access: secret,
                },
            );
        }
        if let Some(certificate) = &component.certificate {
            let pair = self.pair_of(component, certificate, state)?;
            self.add_certificate(&mut volume, &pair, certificate.sds, secret);
        }
        Ok(volume)
    }

    fn directory(&mut self, directory: &DirectorySpec) -> Result<Volume, BootstrapError> {
        let access = |mode| Access {
            uid: directory.uid,
            gid: directory.gid,
            mode,
        };
        let mode = |text: &Option<String>, default| {
            text.as_deref().and_then(parse_mode).unwrap_or(default)
        };
        let mut volume = self.volume(&directory.name, access(mode(&directory.mode, 0o700)));
        volume.keeps_others = true;
        for file in &directory.seed {
            let out = access(mode(&file.mode, 0o600));
            let content = self.filled(&directory.name, file, out.mode, false)?;
            volume.files.insert(
                file.name.clone(),
                OutFile {
                    content,
                    access: out,
                },
            );
        }
        Ok(volume)
    }

    fn volume(&self, name: &str, access: Access) -> Volume {
        Volume {
            path: self.args.output.join(name),
            access,
            files: Default::default(),
            keeps_others: false,
        }
    }

    fn filled(
        &mut self,
        owner: &str,
        file: &FileSpec,
        mode: u32,
        any_user: bool,
    ) -> Result<Vec<u8>, BootstrapError> {
        let path = self.args.input.join(owner).join(&file.name);
        let template = std::fs::read(&path).map_err(BootstrapError::read(&path))?;
        match fill(&template, &self.secrets) {
            Ok(filled) => {
                if filled.is_secret && mode & 0o007 != 0 && !any_user {
                    self.problems.push(format!(
                        "{}: holds a secret, so mode {mode:04o} is too open",
                        path.display()
                    ));
                }
                Ok(filled.content)
            }
            Err(mistakes) => {
                let told = mistakes
                    .iter()
                    .map(|one| format!("{}:{}: {}", path.display(), one.line, one.problem));
                self.problems.extend(told);
                Ok(Vec::new())
            }
        }
    }

    fn pair_of(
        &self,
        component: &ComponentSpec,
        certificate: &CertificateSpec,
        state: &State,
    ) -> Result<Pair, BootstrapError> {
        let value = |name: &str| self.secrets.secret(name).unwrap_or_default();
        if let Some(given) = &certificate.given {
            return given_pair(
                &component.name,
                value(&given.certificate),
                value(&given.key),
            );
        }
        let missing = || BootstrapError::Certificate {
            owner: component.name.clone(),
            source: rcgen::Error::CouldNotParseCertificate,
        };
        state
            .leaves
            .get(&component.name)
            .map(|leaf| leaf.pair.clone())
            .ok_or_else(missing)
    }

    fn add_certificate(&self, volume: &mut Volume, pair: &Pair, sds: bool, access: Access) {
        let mut add = |name: &str, content: Vec<u8>| {
            volume
                .files
                .insert(name.to_owned(), OutFile { content, access });
        };
        add("tls/tls.crt", pair.certificate.as_bytes().to_vec());
        add("tls/tls.key", pair.key.as_bytes().to_vec());
        if sds {
            for (name, content) in sds_files(pair, self.authority) {
                add(name, content);
            }
        }
    }
}

/// This very program, for containers of images that do not have it.
fn binary_volume(output: &Path) -> Result<Volume, BootstrapError> {
    let own = Path::new("/proc/self/exe");
    let content = std::fs::read(own).map_err(BootstrapError::read(own))?;
    let access = Access {
        mode: 0o755,
        ..Access::private()
    };
    let files = [("scalectl".to_owned(), OutFile { content, access })].into();
    Ok(Volume {
        path: output.join("bin"),
        access,
        files,
        keeps_others: false,
    })
}

/// Volumes side by side: their syncs share the disk's journal, and a first
/// start waits for one flush instead of for fifty.
fn write_all(volumes: &[Volume]) -> Result<Counts, BootstrapError> {
    let results: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = volumes
            .iter()
            .map(|volume| scope.spawn(|| volume.write()))
            .collect();
        writers
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    let mut sum = Counts::default();
    for (result, volume) in results.into_iter().zip(volumes) {
        let died = |_| {
            BootstrapError::write(&volume.path)(std::io::Error::other("its writer ended early"))
        };
        let counts = result.map_err(died)??;
        sum.written += counts.written;
        sum.unchanged += counts.unchanged;
        sum.removed += counts.removed;
    }
    Ok(sum)
}
