//! Who holds a lock, and whether it still lives.
//!
//! A process is known by its id and start time within one boot of one machine
//! and one view of its processes; what is outside of that view cannot be told
//! from here. Reads /proc, knows no engine. Next: `lock.rs`.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::context::hex;

/// Who holds a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LockOwner {
    pub user: String,
    /// The machine's name, to be shown.
    pub host: String,
    pub pid: u32,
    /// The start of the process in the kernel's ticks since boot.
    pub started: u64,
    /// One boot of one machine and one view of its processes; empty if unknown.
    pub place: String,
    /// What it does: `up`, `down`, ...
    pub command: String,
    /// When it began, in seconds since 1970 by its clock.
    pub since: u64,
    /// Tells two locks of one process apart.
    pub token: String,
}

impl LockOwner {
    /// This process, on the way to do `command`.
    pub fn this(command: &str) -> Self {
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let pid = std::process::id();
        let started = started(Path::new("/proc"), pid).unwrap_or_default();
        let place = this_place();
        static LOCKS: AtomicU64 = AtomicU64::new(0);
        let count = LOCKS.fetch_add(1, Ordering::Relaxed);
        let token = format!("{place}/{pid}/{started}/{}/{count}", since.as_nanos());
        Self {
            user: std::env::var("USER")
                .or_else(|_| std::env::var("LOGNAME"))
                .unwrap_or_else(|_| "unknown".to_owned()),
            host: read("/proc/sys/kernel/hostname"),
            pid,
            started,
            place,
            command: command.to_owned(),
            since: since.as_secs(),
            token: digest(&token),
        }
    }

    /// Whether it lives; none if that cannot be told from here.
    pub(crate) fn is_alive(&self) -> Option<bool> {
        if self.place.is_empty() || self.place != this_place() {
            return None;
        }
        lives(Path::new("/proc"), self.pid, self.started)
    }

    pub(crate) fn to_label(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A text of another version leaves an owner of unknown place.
    pub(crate) fn from_label(label: &str) -> Self {
        serde_json::from_str(label).unwrap_or_default()
    }
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("an owner that is not known");
        }
        write!(
            f,
            "`scalectl {}` of {} on {}, process {}",
            self.command, self.user, self.host, self.pid
        )
    }
}

/// Hashed: neither machine nor kernel tells more than whether it is the same.
fn this_place() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let view = std::fs::read_link("/proc/self/ns/pid");
    match (boot, view) {
        (Ok(boot), Ok(view)) => digest(&format!("{}/{}", boot.trim(), view.display())),
        _ => String::new(),
    }
}

/// Whether the process that began then lives; none where that is not shown. With
/// `hidepid`, /proc shows nobody but root the processes of others: neither this
/// one, if it lives, nor the first one, which always does.
fn lives(proc: &Path, pid: u32, since: u64) -> Option<bool> {
    let is_shown = |pid: u32| std::fs::read(proc.join(format!("{pid}/stat"))).is_ok();
    match is_shown(pid) || is_shown(1) {
        true => Some(started(proc, pid) == Some(since)),
        false => None,
    }
}

/// When a process began; none if it is not there, or only its remains are.
fn started(proc: &Path, pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(proc.join(format!("{pid}/stat"))).ok()?;
    // The program's name stands in parentheses and can hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18)?.parse().ok())?
}

fn digest(text: &str) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(text.as_bytes()))[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_survives_its_label() {
        let owner = LockOwner::from_label(&LockOwner::this("up").to_label());
        assert_eq!(owner.is_alive(), Some(true));
        assert!(
            owner.to_string().starts_with("`scalectl up` of "),
            "{owner}"
        );
    }

    #[test]
    fn a_process_that_ended_or_whose_id_is_used_again_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut owner = LockOwner {
            pid: child.id(),
            ..LockOwner::this("up")
        };
        child.wait().unwrap();
        assert_eq!(owner.is_alive(), Some(false), "it ended");
        owner = LockOwner {
            started: 1,
            ..LockOwner::this("up")
        };
        assert_eq!(owner.is_alive(), Some(false), "another process has its id");
    }

    #[test]
    fn nothing_is_said_about_a_process_of_another_place() {
        let owner = LockOwner {
            place: "elsewhere".to_owned(),
            ..LockOwner::this("up")
        };
        assert_eq!(owner.is_alive(), None);
        assert_eq!(
            LockOwner::from_label("a form of the future").is_alive(),
            None
        );
    }

    #[test]
    fn a_process_that_is_hidden_is_not_taken_for_dead() {
        let proc = std::env::temp_dir().join(format!("fixes-proc-{}", std::process::id()));
        let show = |pid: u32| {
            let folder = proc.join(pid.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::copy("/proc/self/stat", folder.join("stat")).unwrap();
        };
        std::fs::create_dir_all(&proc).unwrap();
        let since = LockOwner::this("up").started;
        assert_eq!(lives(&proc, 70, since), None, "not even the first is shown");
        show(71);
        assert_eq!(lives(&proc, 71, since), Some(true), "its own are shown");
        show(1);
        assert_eq!(lives(&proc, 70, since), Some(false), "all are shown");
        std::fs::remove_dir_all(&proc).unwrap();
    }

    #[test]
    fn two_locks_of_one_process_are_told_apart() {
        assert_ne!(LockOwner::this("up").token, LockOwner::this("up").token);
    }
}
