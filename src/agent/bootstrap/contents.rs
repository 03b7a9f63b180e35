//! What each volume is to hold, all in memory before the first write.
//!
//! Every file that cannot be filled is told at once, with its line.

use std::collections::BTreeMap;
use std::path::Path;

use super::authority::{Pair, sds_files};
use super::error::BootstrapError;
use super::given::given_pair;
use super::placeholders::{Values, fill};
use super::run::BootstrapArgs;
use super::spec::{CertificateSpec, ComponentSpec, DirectorySpec, FileSpec, Spec, parse_mode};
use super::state::{KnownSecrets, State};
use super::volume::{OutFile, Volume};
use crate::files::Access;

/// All that will be written, in memory; every unfillable file is told at once.
pub fn volumes(
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
            add_certificate(&mut volume, &pair, self.authority, certificate.sds, secret);
        }
        volume.last = component.last;
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
            files: BTreeMap::new(),
            keeps_others: false,
            last: false,
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
}

/// The certificate files that a renewal replaces, by component: those that the
/// stack's own CA signed.
pub fn renewals(spec: &Spec, state: &State, output: &Path) -> Vec<Volume> {
    let authority = state.authority.as_ref();
    let authority = authority.map_or("", |pair| pair.certificate.as_str());
    let of = |component: &ComponentSpec| {
        let asked = component.certificate.as_ref();
        let asked = asked.filter(|asked| asked.given.is_none())?;
        let leaf = state.leaves.get(&component.name)?;
        let access = |mode| Access {
            uid: component.uid,
            gid: component.gid,
            mode,
        };
        let mut volume = Volume {
            path: output.join(&component.name),
            access: access(component.folder_mode()),
            files: BTreeMap::new(),
            keeps_others: true,
            last: component.last,
        };
        let secret = access(component.secret_mode());
        add_certificate(&mut volume, &leaf.pair, authority, asked.sds, secret);
        Some(volume)
    };
    let mut volumes: Vec<_> = spec.components.iter().filter_map(of).collect();
    volumes.sort_by_key(|volume| volume.last);
    volumes
}

fn add_certificate(volume: &mut Volume, pair: &Pair, authority: &str, sds: bool, access: Access) {
    let mut add = |name: &str, content: Vec<u8>| {
        volume
            .files
            .insert(name.to_owned(), OutFile { content, access });
    };
    add("tls/tls.crt", pair.certificate.as_bytes().to_vec());
    add("tls/tls.key", pair.key.as_bytes().to_vec());
    if sds {
        for (name, content) in sds_files(pair, authority) {
            add(name, content);
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
        last: false,
    })
}
