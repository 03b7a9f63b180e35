//! Renewal: certificates of a stack that nobody touches for a year.
//!
//! Runs as a container of its own (`renewal`) with the one-shot's rights and no
//! network, so that the CA key is in no process that anybody can reach. What it
//! knows of components is the spec that the last whole run kept; it writes
//! certificate files and nothing else. The agent's comes last: the agent then
//! tells those that do not look at their files themselves.

use time::OffsetDateTime;

use super::contents::renewals;
use super::error::BootstrapError;
use super::run::{BootstrapArgs, Report, make_certificates};
use super::state::StateFolder;
use super::volume::Counts;

/// Makes anew what has less than a third of its life left, and writes what a
/// renewal that was killed has not.
pub fn renew(args: &BootstrapArgs, now: OffsetDateTime) -> Result<Report, BootstrapError> {
    let folder = StateFolder::open(&args.state)?;
    let spec = folder.spec()?;
    let mut state = folder.load()?;
    let certificates_made = make_certificates(&mut state, &spec, now, args.life())?;
    folder.save(&state)?;
    let mut files = Counts::default();
    for volume in renewals(&spec, &state, &args.output) {
        // A component that came later: this container is replaced, too.
        if volume.path.is_dir() {
            files.add(volume.refresh()?);
        }
    }
    Ok(Report {
        secrets_made: 0,
        certificates_made,
        files,
    })
}
