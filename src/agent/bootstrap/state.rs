//! What a stack keeps: its CA, every secret, every certificate made.
//!
//! One file, replaced whole, so that a kill leaves the old or the new and never
//! a mixture. Nothing is ever dropped from it: a secret that the spec no longer
//! names may be needed again by the phase that comes back.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::authority::{Leaf, Pair};
use super::error::BootstrapError;
use super::placeholders::Values;
use super::run::read_spec;
use super::scram;
use super::spec::{GivenSpec, SecretSpec, Spec};
use crate::files::{self, Access, UNFINISHED};

const FORMAT: u32 = 1;
const SECRET_CHARACTERS: usize = 32;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    format: u32,
    pub authority: Option<Pair>,
    /// Made here.
    secrets: BTreeMap<String, String>,
    /// The user's own, in base64: they may be any bytes.
    given: BTreeMap<String, String>,
    /// In base64; one a secret, so that its verifier stays the same.
    salts: BTreeMap<String, String>,
    /// By component.
    pub leaves: BTreeMap<String, Leaf>,
}

/// The state's folder, held so that two bootstraps wait for each other.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    _lock: File,
}

impl StateFolder {
    pub fn open(path: &Path) -> Result<Self, BootstrapError> {
        files::put_folder(
            path,
            Access {
                mode: 0o700,
                ..Access::private()
            },
        )
        .map_err(BootstrapError::write(path))?;
        let lock = File::open(path).map_err(BootstrapError::read(path))?;
        lock.lock().map_err(BootstrapError::write(path))?;
        for entry in path
            .read_dir()
            .map_err(BootstrapError::read(path))?
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                files::remove(&entry.path()).map_err(BootstrapError::write(&entry.path()))?;
            }
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub fn load(&self) -> Result<State, BootstrapError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = self.file();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(State::empty()),
            Err(error) => return Err(BootstrapError::read(&path)(error)),
        };
        let broken = |source| BootstrapError::State {
            path: path.clone(),
            source,
        };
        let Format { format } = serde_json::from_slice(&text).map_err(broken)?;
        if format > FORMAT {
            return Err(BootstrapError::LaterState {
                path: path.clone(),
                version: format,
            });
        }
        serde_json::from_slice(&text).map_err(broken)
    }

    /// Keeps it; does nothing where it is kept already.
    pub fn save(&self, state: &State) -> Result<(), BootstrapError> {
        let path = self.file();
        let text = serde_json::to_vec_pretty(state).map_err(|source| BootstrapError::State {
            path: path.clone(),
            source,
        })?;
        files::put(&path, &text, Access::private()).map_err(BootstrapError::write(&path))?;
        Ok(())
    }

    /// Keeps what the stack was asked to be, for renewals. It holds no secret.
    pub fn keep_spec(&self, spec: &Path) -> Result<(), BootstrapError> {
        let text = std::fs::read(spec).map_err(BootstrapError::read(spec))?;
        let path = self.spec_file();
        files::put(&path, &text, Access::private()).map_err(BootstrapError::write(&path))?;
        Ok(())
    }

    /// The spec of the last whole run.
    pub fn spec(&self) -> Result<Spec, BootstrapError> {
        read_spec(&self.spec_file())
    }

    fn spec_file(&self) -> PathBuf {
        self.path.join("spec.json")
    }

    fn file(&self) -> PathBuf {
        self.path.join("state.json")
    }
}

impl State {
    fn empty() -> Self {
        Self {
            format: FORMAT,
            authority: None,
            secrets: BTreeMap::new(),
            given: BTreeMap::new(),
            salts: BTreeMap::new(),
            leaves: BTreeMap::new(),
        }
    }

    /// Makes the secrets that are not there; tells how many it made.
    pub fn make_secrets(&mut self, wanted: &[SecretSpec]) -> Result<usize, BootstrapError> {
        let mut made = 0;
        for SecretSpec { name } in wanted {
            if !self.secrets.contains_key(name) {
                self.secrets.insert(name.clone(), random_text()?);
                made += 1;
            }
        }
        self.make_salts(wanted.iter().map(|secret| &secret.name))?;
        Ok(made)
    }

    /// Takes the user's values; where none is given now, the kept one stays.
    pub fn take_given(&mut self, wanted: &[GivenSpec]) -> Result<(), BootstrapError> {
        let mut missing = Vec::new();
        for GivenSpec { name, file } in wanted {
            match std::fs::read(file) {
                Ok(value) if !value.is_empty() => {
                    self.given.insert(name.clone(), STANDARD.encode(value));
                }
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(BootstrapError::read(Path::new(file))(error));
                }
                Ok(_) | Err(_) if self.given.contains_key(name) => {}
                Ok(_) | Err(_) => missing.push(format!("{name} ({file})")),
            }
        }
        if missing.is_empty() {
            self.make_salts(wanted.iter().map(|given| &given.name))
        } else {
            Err(BootstrapError::NotGiven { names: missing })
        }
    }

    fn make_salts<'a>(
        &mut self,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<(), BootstrapError> {
        for name in names {
            if !self.salts.contains_key(name) {
                let mut salt = [0; scram::SALT_BYTES];
                SystemRandom::new()
                    .fill(&mut salt)
                    .map_err(|_| BootstrapError::Random)?;
                self.salts.insert(name.clone(), STANDARD.encode(salt));
            }
        }
        Ok(())
    }

    /// The secrets that this spec names, and no other.
    pub fn known(&self, made: &[SecretSpec], given: &[GivenSpec]) -> KnownSecrets {
        let made = made.iter().filter_map(|SecretSpec { name }| {
            let value = self.secrets.get(name)?.clone().into_bytes();
            Some((name.clone(), value))
        });
        let given = given.iter().filter_map(|GivenSpec { name, .. }| {
            let value = STANDARD.decode(self.given.get(name)?).ok()?;
            Some((name.clone(), value))
        });
        let salts = self
            .salts
            .iter()
            .filter_map(|(name, salt)| Some((name.clone(), STANDARD.decode(salt).ok()?)));
        KnownSecrets {
            values: made.chain(given).collect(),
            salts: salts.collect(),
        }
    }
}

/// The values behind placeholders.
pub struct KnownSecrets {
    values: BTreeMap<String, Vec<u8>>,
    salts: BTreeMap<String, Vec<u8>>,
}

impl Values for KnownSecrets {
    fn secret(&self, name: &str) -> Option<&[u8]> {
        self.values.get(name).map(Vec::as_slice)
    }

    fn scram(&self, name: &str) -> Result<String, String> {
        let (Some(value), Some(salt)) = (self.values.get(name), self.salts.get(name)) else {
            return Err("names no secret of the spec".to_owned());
        };
        std::str::from_utf8(value)
            .ok()
            .and_then(|password| scram::verifier(password, salt))
            .ok_or_else(|| "a verifier needs a password of printable ASCII".to_owned())
    }
}

/// 32 characters of [A-Za-z0-9]: 190 bits, and safe in every syntax.
fn random_text() -> Result<String, BootstrapError> {
    let random = SystemRandom::new();
    let mut text = String::with_capacity(SECRET_CHARACTERS);
    while text.len() < SECRET_CHARACTERS {
        let mut bytes = [0; 64];
        random
            .fill(&mut bytes)
            .map_err(|_| BootstrapError::Random)?;
        // 248 is the last multiple of 62 in a byte: what lies above would make
        // some characters likelier.
        let fair = bytes
            .iter()
            .filter(|byte| **byte < 248)
            .filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
        text.extend(
            fair.map(|byte| char::from(*byte))
                .take(SECRET_CHARACTERS - text.len()),
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_32_letters_and_digits_and_is_never_the_same() {
        let (first, second) = (random_text().unwrap(), random_text().unwrap());
        assert_eq!(first.len(), 32);
        assert!(
            first.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{first}"
        );
        assert_ne!(first, second);
    }

    #[test]
    fn a_state_of_a_later_version_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        let text = r#"{"format":2,"vault":{}}"#;
        std::fs::write(folder.path().join("state.json"), text).unwrap();
        assert!(matches!(
            state.load(),
            Err(BootstrapError::LaterState { version: 2, .. })
        ));
        assert_eq!(
            std::fs::read_to_string(folder.path().join("state.json")).unwrap(),
            text
        );
    }
}
