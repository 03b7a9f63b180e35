//! The run of a bootstrap: read and check everything, keep the state, write.
//!
//! Nothing is written before the whole spec is known to be good, and no volume
//! before the state that it follows from is safe on disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;

use super::authority::Authority;
use super::check::mistakes;
use super::contents::volumes;
use super::error::BootstrapError;
use super::spec::Spec;
use super::state::{State, StateFolder};
use super::volume::{Counts, Volume};

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
    #[arg(id = "bootstrap-out", long = "out", default_value = "/out")]
    pub output: PathBuf,
    /// Where the CA and all secrets are kept
    #[arg(long, default_value = "/state")]
    pub state: PathBuf,
    /// Only renew certificates, those that the last whole run was asked for
    #[arg(long)]
    pub renew: bool,
    /// Stay, and do it again every so many seconds
    #[arg(long, value_parser = crate::probe::seconds)]
    pub every: Option<Duration>,
    /// How long a new certificate lives, in seconds
    #[arg(long, default_value = "31536000", value_parser = crate::probe::seconds)]
    pub certificate_life: Duration,
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
    let certificates_made = make_certificates(&mut state, &spec, now, args.life())?;
    let (last, first): (Vec<_>, Vec<_>) = volumes(&spec, &state, args)?
        .into_iter()
        .partition(|volume| volume.last);
    folder.save(&state)?;
    folder.keep_spec(&args.spec)?;
    let mut files = write_all(&first)?;
    files.add(write_all(&last)?);
    Ok(Report {
        secrets_made,
        certificates_made,
        files,
    })
}

impl BootstrapArgs {
    pub fn life(&self) -> time::Duration {
        // What is too long for a date is as good as the default.
        self.certificate_life
            .try_into()
            .unwrap_or(Authority::LEAF_LIFE)
    }
}

pub fn read_spec(path: &Path) -> Result<Spec, BootstrapError> {
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

/// Makes the CA and each certificate that is missing or no longer does. Those who
/// come last (the agent) get another one with any other's: by its own changed
/// certificate the agent knows that somebody must be told.
pub fn make_certificates(
    state: &mut State,
    spec: &Spec,
    now: OffsetDateTime,
    life: time::Duration,
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
    let made_before = made;
    let (last, first): (Vec<_>, Vec<_>) = spec.components.iter().partition(|it| it.last);
    for component in first.into_iter().chain(last) {
        let Some(request) = component.certificate_request() else {
            continue;
        };
        let leaf = state.leaves.get(&component.name);
        if leaf.is_none_or(|leaf| !authority.is_good(leaf, &request, now))
            || (component.last && made > made_before)
        {
            let leaf = authority
                .sign(&request, now, life)
                .map_err(fault(&component.name))?;
            state.leaves.insert(component.name.clone(), leaf);
            made += 1;
        }
    }
    Ok(made)
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
        sum.add(result.map_err(died)??);
    }
    Ok(sum)
}
