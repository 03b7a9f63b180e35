//! Phase: an app model and a phase's data become a stack.
//!
//! What a stage of growth means, as data in `phases/N.yaml`: which components
//! there are and how many members each has. Pure: the files are part of the
//! program, or handed in. Must never know a target, an image or a port of a
//! component of ours. Next: `stack.rs`, `lineage.rs`, `difference.rs`.

mod difference;
mod lineage;
mod stack;

use std::collections::BTreeMap;

use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};

pub use difference::{Change, difference};
pub use lineage::{FIRST, Lineage};
pub use stack::Stack;

/// A stage of growth, as `phases/N.yaml` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// 1 to 4.
    pub phase: u8,
    pub name: String,
    /// One sentence for `scalectl phases`.
    pub summary: String,
    /// Whom it is for.
    #[serde(rename = "for")]
    pub audience: String,
    pub components: BTreeMap<String, Members>,
}

/// How many members of a component a phase has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    pub members: u32,
    /// The number with `size: small`; `members` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<u32>,
    /// What it is there for, in a few words.
    pub what: String,
}

impl Phase {
    /// This phase with as many members of one component as another phase has.
    #[must_use]
    pub fn with_members_of(&self, other: &Self, component: &str) -> Self {
        let mut grown = self.clone();
        if let (Some(mine), Some(members)) = (
            grown.components.get_mut(component),
            other.components.get(component),
        ) {
            mine.members = members.members;
            mine.small = members.small;
        }
        grown
    }
}

#[derive(RustEmbed)]
#[folder = "../../phases"]
struct Embedded;

/// A phase file that cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PhaseError {
    #[error("read {file}")]
    #[diagnostic(
        code(scalectl::phase::file),
        help("correct the file, or leave it out to use scalectl's own")
    )]
    File {
        file: String,
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    #[error("there is no phase {wanted}")]
    #[diagnostic(
        code(scalectl::phase::unknown),
        help(
            "scalectl has the phases {}; `scalectl phases` explains them",
            list(known)
        )
    )]
    Unknown { wanted: u8, known: Vec<u8> },
}

fn list(phases: &[u8]) -> String {
    phases
        .iter()
        .map(u8::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Every phase by number: scalectl's own, replaced by those in `overrides`
/// (file name to text).
///
/// # Errors
/// A file that is not what a phase looks like.
pub fn phases(overrides: &BTreeMap<String, String>) -> Result<BTreeMap<u8, Phase>, PhaseError> {
    let mut files: BTreeMap<String, String> = Embedded::iter()
        .filter_map(|name| Some((name.to_string(), Embedded::get(&name)?)))
        .map(|(name, file)| (name, String::from_utf8_lossy(&file.data).into_owned()))
        .collect();
    files.extend(overrides.clone());
    let mut phases = BTreeMap::new();
    for (file, text) in files {
        let phase: Phase = serde_saphyr::from_str(&text).map_err(|source| PhaseError::File {
            file: format!("phases/{file}"),
            source: Box::new(source),
        })?;
        phases.insert(phase.phase, phase);
    }
    Ok(phases)
}

/// The phase with this number.
///
/// # Errors
/// There is none.
pub fn get(phases: &BTreeMap<u8, Phase>, wanted: u8) -> Result<&Phase, PhaseError> {
    phases.get(&wanted).ok_or_else(|| PhaseError::Unknown {
        wanted,
        known: phases.keys().copied().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_of_ours_reads_and_each_keeps_what_the_one_before_has() {
        let phases = phases(&BTreeMap::new()).unwrap();
        assert_eq!(
            phases.keys().copied().collect::<Vec<_>>(),
            [1, 2],
            "phases 1 and 2 are there"
        );
        for component in phases[&1].components.keys() {
            assert!(
                phases[&2].components.contains_key(component),
                "phase 2 must keep {component}"
            );
        }
    }

    #[test]
    fn an_unknown_phase_names_those_that_exist() {
        let phases = phases(&BTreeMap::new()).unwrap();
        assert_eq!(
            get(&phases, 7).unwrap_err().to_string(),
            "there is no phase 7"
        );
    }
}
