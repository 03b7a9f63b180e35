//! What a handover has done: one line of JSON an entry, on disk before the act.
//!
//! An agent that died in the middle reads the last entry and knows which side is
//! safe. Never holds a secret. Next: `mod.rs` (who writes), `recovery.rs` (who
//! reads).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const FILE: &str = "handovers.jsonl";

/// How far a handover is. What an entry says is about to be done.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Automatic failover goes off; everybody serves.
    Preparing,
    /// Writes are held and the old primary is fenced. The old side is safe.
    Holding,
    /// The old primary is down, and its log ends there. Only forward from here.
    Promoting { lsn: String },
    /// The new primary takes writes; automatic failover goes on again.
    Promoted,
    /// The old primary takes writes again; automatic failover goes on again.
    RolledBack { why: String },
    /// It is over.
    Done { moved: bool },
}

/// One entry.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Another one for each handover of this stack, and greater than those before.
    pub epoch: u64,
    pub from: String,
    pub to: String,
    pub stage: Stage,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Entry {
    /// Who has all that was acknowledged, and may take writes.
    pub fn safe_side(&self) -> &str {
        match self.stage {
            Stage::Preparing | Stage::Holding | Stage::RolledBack { .. } => &self.from,
            Stage::Promoting { .. } | Stage::Promoted => &self.to,
            Stage::Done { moved } if moved => &self.to,
            Stage::Done { .. } => &self.from,
        }
    }
}

/// The entries of all handovers, the last of them in memory.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    last: Option<Entry>,
}

impl Journal {
    /// Opens the journal in a folder that outlives the agent's container.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let mut text = String::new();
        match File::open(&path) {
            Ok(mut file) => file.read_to_string(&mut text).map(|_| ())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // A last line that was cut was never acted on.
        let entries = text.lines().map(serde_json::from_str::<Entry>);
        let last = entries.filter_map(Result::ok).next_back();
        if !text.is_empty() && !text.ends_with('\n') {
            Self::append(&path, "\n")?;
        }
        Ok(Self { path, last })
    }

    /// The number of the handover of the last entry.
    pub fn epoch(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.epoch)
    }

    pub fn last(&self) -> Option<&Entry> {
        self.last.as_ref()
    }

    /// The entry of a handover that is not over.
    pub fn unfinished(&self) -> Option<&Entry> {
        let is_over = |entry: &&Entry| matches!(entry.stage, Stage::Done { .. });
        self.last.as_ref().filter(|entry| !is_over(entry))
    }

    /// Begins another handover.
    pub fn begin(&mut self, from: &str, to: &str) -> io::Result<()> {
        // A journal that was lost must not number a handover as an earlier one.
        let epoch = self
            .last
            .as_ref()
            .map_or(now_ms() / 1000, |last| last.epoch)
            + 1;
        self.write(Entry {
            epoch,
            from: from.to_owned(),
            to: to.to_owned(),
            stage: Stage::Preparing,
            at_ms: now_ms(),
        })
    }

    /// The handover of the last entry goes on to that stage; on disk when this returns.
    pub fn enter(&mut self, stage: Stage) -> io::Result<()> {
        let Some(last) = self.last.clone() else {
            return Err(io::Error::other("no handover has begun"));
        };
        self.write(Entry {
            stage,
            at_ms: now_ms(),
            ..last
        })
    }

    fn write(&mut self, entry: Entry) -> io::Result<()> {
        let line = serde_json::to_string(&entry)? + "\n";
        Self::append(&self.path, &line)?;
        self.last = Some(entry);
        Ok(())
    }

    fn append(path: &Path, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).mode(0o600).open(path)?;
        let whole = file.metadata()?.len();
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_data());
        if written.is_err() {
            // What is not known to be on disk must not be read as if it were.
            let _cut = file.set_len(whole).and_then(|()| file.sync_data());
        }
        written
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_comes_back_finds_the_last_whole_entry_and_counts_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.unfinished(), None);
        journal.begin("db-1", "db-2").unwrap();
        let lsn = "0/5000028".to_owned();
        journal.enter(Stage::Promoting { lsn }).unwrap();
        let written = journal.last().cloned();

        let path = folder.path().join(FILE);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"epoch\":1,\"fr").unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.unfinished().cloned(), written);
        journal.enter(Stage::Done { moved: true }).unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap().unfinished(), None);
        journal.begin("db-2", "db-1").unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let last = journal.last().unwrap();
        let first = written.map(|entry| entry.epoch);
        assert_eq!(Some(last.epoch - 1), first, "it counts on");
        assert_eq!(last.from, "db-2");
    }
}
