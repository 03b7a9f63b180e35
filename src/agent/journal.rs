//! `agent journal`: adds entries to the journal of migrations, beside the agent.
//!
//! Needs no running agent, only its container: what stands here is read and written by
//! whoever moves the stack. An entry is on disk before the answer. Next:
//! src/migrate/journal.rs (what the entries mean).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use scalectl_migrate::{Entry, Journal};

/// The file in the journal's folder.
pub const FILE: &str = "migrations.jsonl";

/// Adds one line; on disk when this returns.
///
/// # Errors
/// The folder is not there or cannot be written; text that is not one entry; an entry
/// of somebody from whom another has taken the migration over.
pub fn append(folder: &Path, line: &str) -> io::Result<()> {
    if line.is_empty() || line.contains('\n') {
        return Err(io::Error::other("an entry is one line"));
    }
    let entry: Entry = serde_json::from_str(line).map_err(io::Error::other)?;
    let path = folder.join(FILE);
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)?;
    // After a line that was cut the next one must not continue it.
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if Journal::read(&text).is_overtaken(&entry) {
        return Err(io::Error::other(
            "another scalectl has taken this migration over",
        ));
    }
    let is_cut = !text.is_empty() && !text.ends_with('\n');
    let start = if is_cut { "\n" } else { "" };
    file.write_all(format!("{start}{line}\n").as_bytes())?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_lines_and_one_that_was_cut_stays_alone() {
        let folder = tempfile::tempdir().unwrap();
        let read = || std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        let entry = |id, epoch| {
            format!(
                r#"{{"id":{id},"epoch":{epoch},"at_ms":1,"owner":"o","event":"begun","from":1,"to":2,"fingerprint":"f","start":0,"goal":3}}"#
            )
        };
        append(folder.path(), &entry(1, 2)).unwrap();
        let first = entry(1, 2) + "\n";
        assert_eq!(read(), first);
        std::fs::write(folder.path().join(FILE), format!("{first}{{\"i")).unwrap();
        append(folder.path(), &entry(2, 1)).unwrap();
        let whole = format!("{first}{{\"i\n{}\n", entry(2, 1));
        assert_eq!(read(), whole);
        let late = append(folder.path(), &entry(1, 1));
        assert!(late.is_err_and(|error| error.to_string().contains("taken this migration over")));
        assert_eq!(read(), whole);
        assert!(append(folder.path(), "no entry").is_err());
        assert!(append(folder.path(), "a\nb").is_err());
        assert!(append(&folder.path().join("none"), "{}").is_err());
    }
}
