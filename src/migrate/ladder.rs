//! The ladder: the documents between a small phase and a large one.
//!
//! First the database gets its members, then comes what is new, then changes what was
//! there: so nothing is told of a part before that part is well. Down is the same in
//! reverse. Pure: the same documents, the same ladder. Next: `course.rs`.

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::{Compose, Volume};
use scalectl_plan::{Data, LABELS, Migrating};
use sha2::{Digest, Sha256};

/// The key of the volume that is the mark of a migration.
const MARK: &str = "migration";

/// A document that a stack can be left at.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// What it has and the one below has not, in a few words.
    pub name: String,
    pub compose: Compose,
}

/// Documents from the smaller phase's to the larger one's.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    rungs: Vec<Rung>,
    phases: (u8, u8),
    generations: Option<(u32, u32)>,
}

/// Documents between which no ladder stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum LadderError {
    #[error("the document has no service that says which phase the stack has")]
    #[diagnostic(
        code(scalectl::migrate::no_stage),
        help("templates in `--overrides` must keep the label dev.scalectl.stage of `bootstrap`")
    )]
    NoStage,
    #[error("phase {small} has the database member {member}, and phase {large} has not")]
    #[diagnostic(
        code(scalectl::migrate::not_larger),
        help(
            "a migration leads from few members to many or back; look at `scalectl phases {small} {large}`"
        )
    )]
    NotLarger {
        small: u8,
        large: u8,
        member: String,
    },
}

impl Ladder {
    /// From the documents of both phases and of the smaller one with as many members
    /// of the database as the larger one has.
    ///
    /// # Errors
    /// Documents that no ladder connects.
    pub fn of(small: &Compose, grown: &Compose, large: &Compose) -> Result<Self, LadderError> {
        let phase = |compose: &Compose| compose.about.as_ref().map_or(0, |about| about.phase);
        let phases = (phase(small), phase(large));
        for compose in [small, grown, large] {
            stage(compose).ok_or(LadderError::NoStage)?;
        }
        let kept = members(large);
        if let Some(member) = members(small).keys().find(|it| !kept.contains_key(*it)) {
            return Err(LadderError::NotLarger {
                small: phases.0,
                large: phases.1,
                member: member.clone(),
            });
        }
        let mut grown = grown.clone();
        // What is made on the way is the larger phase's.
        grown.about.clone_from(&large.about);
        let names = [
            format!("phase {}", phases.0),
            "the other database members".to_owned(),
            format!("what phase {} adds", phases.1),
            format!("what phase {} changes", phases.1),
        ];
        let composes = [
            small.clone(),
            grown.clone(),
            additions(&grown, large),
            large.clone(),
        ];
        let mut rungs: Vec<Rung> = Vec::new();
        for (name, compose) in names.into_iter().zip(composes) {
            let is_same = |rung: &Rung| rung.compose.services == compose.services;
            match rungs.last_mut() {
                Some(last) if is_same(last) => *last = Rung { name, compose },
                _ => rungs.push(Rung { name, compose }),
            }
        }
        Ok(Self {
            rungs,
            phases,
            generations: None,
        })
    }

    /// From a phase's document with one cluster of the database to the same with
    /// another one, with both between them.
    ///
    /// # Errors
    /// Documents that no ladder connects.
    pub fn of_move(
        generations: (u32, u32),
        [old, both, new]: [&Compose; 3],
    ) -> Result<Self, LadderError> {
        for compose in [old, both, new] {
            stage(compose).ok_or(LadderError::NoStage)?;
        }
        let phase = old.about.as_ref().map_or(0, |about| about.phase);
        let names = [
            "the old cluster",
            "a fresh cluster",
            "the fresh cluster alone",
        ];
        let rungs = names.into_iter().zip([old, both, new]);
        let rungs = rungs.map(|(name, compose)| Rung {
            name: name.to_owned(),
            compose: compose.clone(),
        });
        Ok(Self {
            rungs: rungs.collect(),
            phases: (phase, phase),
            generations: Some(generations),
        })
    }

    /// The clusters between which it stands, where it is the database that moves.
    pub fn generations(&self) -> Option<(u32, u32)> {
        self.generations
    }

    /// The rung with all that is there at once.
    pub fn fullest(&self, start: usize, goal: usize) -> usize {
        match self.generations {
            Some(_) => 1,
            None => start.max(goal),
        }
    }

    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// The smaller phase and the larger one.
    pub fn phases(&self) -> (u8, u8) {
        self.phases
    }

    pub fn top(&self) -> usize {
        self.rungs.len().saturating_sub(1)
    }

    /// The rung that is a phase's own document.
    pub fn rung_of(&self, phase: u8) -> usize {
        if phase == self.phases.0 {
            0
        } else {
            self.top()
        }
    }

    /// A rung's document as it is on the way: it bears the mark of the migration.
    pub fn marked(&self, mark: Migrating) -> Compose {
        let mut compose = self.rungs[mark.rung.min(self.top())].compose.clone();
        let bearer = stage(&compose).cloned();
        let bearer = bearer.and_then(|name| compose.services.get_mut(&name));
        if let Some(bearer) = bearer {
            let labels = [
                (LABELS.stage, mark.from.to_string()),
                (LABELS.migration, mark.to_string()),
            ];
            let labels = labels.map(|(name, value)| (name.to_owned(), value));
            bearer.labels.extend(labels);
        }
        self.with_mark(compose, mark)
    }

    /// A rung's own document beside the mark: what a migration begins and ends with.
    pub fn beside_mark(&self, mark: Migrating) -> Compose {
        let compose = self.rungs[mark.rung.min(self.top())].compose.clone();
        self.with_mark(compose, mark)
    }

    /// The engine's name of the volume that is the mark.
    pub fn mark_volume(&self) -> String {
        self.rungs[0].compose.volume_name(MARK)
    }

    /// An empty volume that nothing mounts: the engine makes and removes it at once, while
    /// a container that says the same is away for a moment when it is made anew.
    fn with_mark(&self, mut compose: Compose, mark: Migrating) -> Compose {
        let labels = BTreeMap::from([(LABELS.migration.to_owned(), mark.to_string())]);
        let volume = Volume { name: None, labels };
        compose.volumes.insert(MARK.to_owned(), volume);
        compose
    }

    /// Database members of a rung: service and the engine's name of its volume.
    pub fn members(&self, rung: usize) -> BTreeMap<String, String> {
        members(&self.rungs[rung].compose)
    }

    /// The engine's names of volumes that one rung has and another has not.
    pub fn volumes_only_in(&self, rung: usize, other: usize) -> BTreeSet<String> {
        let names = |rung: usize| -> BTreeSet<String> {
            let compose = &self.rungs[rung].compose;
            let keys = compose.volumes.keys();
            keys.map(|key| compose.volume_name(key)).collect()
        };
        names(rung).difference(&names(other)).cloned().collect()
    }

    /// A hash of every document: a migration goes on only between those it began with.
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for rung in &self.rungs {
            // Types made of maps with text keys and plain values always serialise.
            digest.update(serde_json::to_vec(&rung.compose).unwrap_or_default());
        }
        let bytes = digest.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The larger document with what both have as it was: only what is new is added, and
/// the one-shot that prepares it.
fn additions(grown: &Compose, large: &Compose) -> Compose {
    let mut compose = large.clone();
    let bearer = stage(large).cloned();
    for (name, service) in &mut compose.services {
        if let Some(before) = grown.services.get(name)
            && bearer.as_ref() != Some(name)
        {
            service.clone_from(before);
        }
    }
    compose
}

/// The service that says which phase the whole stack has.
fn stage(compose: &Compose) -> Option<&String> {
    let mut all = compose.services.iter();
    let bearer = all.find(|(_, service)| service.labels.contains_key(LABELS.stage));
    bearer.map(|(name, _)| name)
}

fn members(compose: &Compose) -> BTreeMap<String, String> {
    let is_member = |volume: &Volume| {
        Data::of(volume.labels.get(LABELS.data).map(String::as_str)) == Data::Member
    };
    let volumes = compose.volumes.iter().filter(|(_, it)| is_member(it));
    let volumes: BTreeSet<_> = volumes.map(|(key, _)| key).collect();
    let owner = |(name, service): (&String, &scalectl_documents::Service)| {
        let mut mounts = service.volumes.iter();
        let mount = mounts.find(|mount| volumes.contains(&mount.source) && !mount.read_only)?;
        Some((name.clone(), compose.volume_name(&mount.source)))
    };
    compose.services.iter().filter_map(owner).collect()
}
