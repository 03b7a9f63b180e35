//! What a migration needs of the machine, and what is there.
//!
//! A new database member is a copy of the database: its size is asked of the primary,
//! and so is the disk, for its volumes and the new ones lie beside each other.

use scalectl_documents::Compose;
use scalectl_engine_docker::DockerEngine;
use scalectl_plan::Observed;
use scalectl_ui::size;
use serde::Serialize;

use super::MigrateError;
use super::begin::Way;
use crate::cli::error::CommandError;
use crate::cli::preflight::Check;

/// What a member needs beside its copy: its log and what it makes while it starts.
const BESIDE_BYTES: u64 = 256 << 20;
const ANSWER_BYTES: usize = 4 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// For all new members of the database together.
    pub disk_bytes: u64,
    pub free_disk_bytes: Option<u64>,
    /// The limits of what comes less those of what goes; negative down the ladder.
    pub memory_bytes: i64,
    pub engine_memory_bytes: u64,
}

impl Needs {
    /// Whether there is as much disk, as far as anybody can tell.
    pub fn disk(&self) -> Check {
        let needed = self.disk_bytes;
        match self.free_disk_bytes {
            Some(free) if free < needed => Check::of_error(
                "disk",
                &MigrateError::Disk {
                    needed: size(needed),
                    free: size(free),
                },
            ),
            Some(free) => Check::ok(
                "disk",
                format!("{} needed for copies, {} free", size(needed), size(free)),
            ),
            None if needed > 0 => Check::note(
                "disk",
                format!(
                    "{} needed for copies; what is free is not known",
                    size(needed)
                ),
                "look at the engine's disk yourself",
            ),
            None => Check::ok("disk", "no copies are made"),
        }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        if self.disk_bytes > 0 {
            let free = self.free_disk_bytes.map(size);
            text += &format!(
                "needs about {} of disk for copies of the database; {} are free\n",
                size(self.disk_bytes),
                free.unwrap_or_else(|| "nobody can tell how many".to_owned())
            );
        }
        if let Ok(more) = u64::try_from(self.memory_bytes)
            && more > 0
        {
            text += &format!(
                "needs up to {} more memory; the engine has {} in all\n",
                size(more),
                size(self.engine_memory_bytes)
            );
        }
        text
    }
}

/// Asks the engine and the database's primary.
pub async fn of(
    way: &Way,
    observed: &Observed,
    primary: Option<&str>,
) -> Result<Needs, CommandError> {
    let (now, then) = way.documents();
    let engine_memory_bytes = way.engine.report().await?.memory_bytes;
    let mut needs = Needs {
        disk_bytes: 0,
        free_disk_bytes: None,
        memory_bytes: limits(then) - limits(now),
        engine_memory_bytes,
    };
    let new = way.new_members();
    let instances = primary.map_or_else(Vec::new, |it| observed.instances(it));
    if let (Some((container, _)), true) = (instances.first(), new > 0) {
        let copy = database_bytes(&way.engine, container).await?;
        needs.disk_bytes = (copy.unwrap_or_default() + BESIDE_BYTES) * new;
        needs.free_disk_bytes = free_bytes(&way.engine, container).await?;
    }
    Ok(needs)
}

/// The memory that all containers of a document may take.
fn limits(compose: &Compose) -> i64 {
    let services = compose.services.values().filter(|it| !it.is_one_shot());
    let limits = services.map(|service| {
        let limit = service.mem_limit.map_or(0, |limit| limit.0);
        limit.saturating_mul(u64::from(service.replicas()))
    });
    i64::try_from(limits.sum::<u64>()).unwrap_or(i64::MAX)
}

async fn database_bytes(
    engine: &DockerEngine,
    container: &str,
) -> Result<Option<u64>, CommandError> {
    let query = "SELECT sum(pg_database_size(oid))::bigint FROM pg_database";
    let words = [
        "psql",
        "-h",
        "/run/postgresql",
        "-U",
        "postgres",
        "-AtXqc",
        query,
    ];
    number(engine, container, &words).await
}

async fn free_bytes(engine: &DockerEngine, container: &str) -> Result<Option<u64>, CommandError> {
    let words = [
        "df",
        "--block-size=1",
        "--output=avail",
        "/var/lib/postgresql",
    ];
    number(engine, container, &words).await
}

/// The last line that a command prints, if that is a number.
async fn number(
    engine: &DockerEngine,
    container: &str,
    words: &[&str],
) -> Result<Option<u64>, CommandError> {
    let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
    let answer = engine.collect(container, &words, ANSWER_BYTES).await?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let last = text.trim().lines().next_back().unwrap_or_default();
    Ok(last.trim().parse().ok().filter(|_| answer.code == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::preflight::State;

    fn needs(disk: u64, free: Option<u64>) -> Needs {
        Needs {
            disk_bytes: disk,
            free_disk_bytes: free,
            memory_bytes: 1500 << 20,
            engine_memory_bytes: 8 << 30,
        }
    }

    #[test]
    fn too_little_disk_is_refused_and_what_nobody_can_tell_is_not() {
        assert_eq!(needs(2 << 30, Some(1 << 30)).disk().state, State::Refused);
        assert_eq!(needs(1 << 30, Some(2 << 30)).disk().state, State::Ok);
        assert_eq!(needs(1 << 30, None).disk().state, State::Note);
    }

    #[test]
    fn what_is_needed_is_told_beside_what_is_there() {
        insta::assert_snapshot!(needs(2 << 30, Some(9 << 30)).text(), @"
        needs about 2.0 GiB of disk for copies of the database; 9.0 GiB are free
        needs up to 1.5 GiB more memory; the engine has 8.0 GiB in all
        ");
    }
}
