//! Samples while a migration is open: one a second, ten while writes are held, kept beside the journal, bounded.
//!
//! A file that has grown to its bound loses every second line, and from then on half as many
//! come: a long migration is seen as whole as a short one. The files of the last migrations
//! stay. Next: src/migrate/samples.rs (what a sample is).

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use scalectl_migrate::{Journal, Lag, Sample, samples_file};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::config::Pooler;
use super::console::Row;
use super::database::Known;
use super::hold::{Traffic, live};
use super::sessions::{Witness, table};
use crate::journal::FILE;
use crate::log::{Log, chain};

const LOG: Log = Log::new("samples");
const EVERY: Duration = Duration::from_secs(1);
/// While writes are held, which is over in less than a second.
const EVERY_HELD: Duration = Duration::from_millis(100);
/// Some hours at one a second.
const BOUND_BYTES: u64 = 1 << 20;
/// So many migrations keep their samples.
const KEPT: u64 = 20;

pub struct Sampler {
    pub folder: PathBuf,
    pub pooler: Arc<Pooler>,
    pub known: watch::Receiver<Known>,
    pub traffic: Arc<Traffic>,
    pub witness: Arc<Witness>,
}

/// What poolers have counted since they started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counted {
    transactions: f64,
    took_us: f64,
    waited_us: f64,
}

/// The last look.
struct Before {
    at: Instant,
    counted: BTreeMap<PathBuf, Counted>,
}

impl Sampler {
    /// Runs for ever.
    pub async fn run(self) {
        let mut ticks = interval(EVERY_HELD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked: Option<Instant> = None;
        let mut opened = Opened::default();
        let (mut before, mut book) = (None, None);
        loop {
            ticks.tick().await;
            let is_due = looked.is_none_or(|it| it.elapsed() >= EVERY - EVERY_HELD / 2);
            let is_held = self.traffic.is_holding();
            let is_of_hold = is_held && book.is_some();
            if !(is_due || is_of_hold) {
                continue;
            }
            looked = Some(Instant::now());
            let Some(id) = opened.migration(&self.folder) else {
                (before, book) = (None, None);
                continue;
            };
            let sample = match is_held {
                true => self.glance().await,
                false => self.look(&mut before).await,
            };
            let kept = match &mut book {
                Some(book) => Ok(book),
                None => Book::open(&self.folder, id).map(|new| book.insert(new)),
            };
            if let Err(error) = kept.and_then(|book| book.add(&sample)) {
                LOG.warn(format_args!("keep a sample: {}", chain(&error)));
                book = None;
            }
        }
    }

    /// Who waits, and nothing that would make them wait longer.
    async fn glance(&self) -> Sample {
        let (waiting, longest_wait_ms) = self.waiting().await;
        Sample {
            at_ms: now_ms(),
            waiting,
            longest_wait_ms,
            is_held: true,
            ..Sample::default()
        }
    }

    async fn waiting(&self) -> (u64, u64) {
        let (mut waiting, mut longest_ms) = (0, 0);
        for socket in live(&self.pooler).await {
            for pool in &table(&self.pooler, &socket, "SHOW POOLS").await {
                waiting += number(pool, "cl_waiting") as u64;
                let wait = number(pool, "maxwait") * 1e3 + number(pool, "maxwait_us") / 1e3;
                longest_ms = longest_ms.max(wait as u64);
            }
        }
        (waiting, longest_ms)
    }

    async fn look(&self, before: &mut Option<Before>) -> Sample {
        let known = self.known.borrow().clone();
        let mut counted = BTreeMap::new();
        let (waiting, longest_wait_ms) = self.waiting().await;
        for socket in live(&self.pooler).await {
            let stats = table(&self.pooler, &socket, "SHOW STATS").await;
            counted.insert(socket, count(&stats));
        }
        let at = Instant::now();
        let since = before.as_ref().map(|it| difference(it, &counted));
        let passed = before
            .as_ref()
            .map(|it| at.duration_since(it.at).as_secs_f64());
        *before = Some(Before { at, counted });
        let per = |sum: fn(&Counted) -> f64| {
            let since = since.filter(|it| it.transactions > 0.0)?;
            Some(rounded(sum(&since) / since.transactions / 1e3))
        };
        Sample {
            at_ms: now_ms(),
            per_second: since
                .zip(passed)
                .map(|(it, passed)| rounded(it.transactions / passed)),
            took_ms: per(|it| it.took_us),
            waited_ms: per(|it| it.waited_us),
            waiting,
            longest_wait_ms,
            is_held: self.traffic.is_holding(),
            lag: self.lag(&known).await,
        }
    }

    /// As the primary says; where it cannot be asked, as the store does.
    async fn lag(&self, known: &Known) -> BTreeMap<String, Lag> {
        if let Some(primary) = &known.primary
            && !self.traffic.is_holding()
            && let Ok(standbys) = self.witness.standbys(primary).await
        {
            let told = standbys.into_iter().filter_map(|it| {
                let (bytes, ms) = (it.lag_bytes?, it.lag_ms);
                Some((it.name, Lag { bytes, ms }))
            });
            return told.collect();
        }
        let members = known.view.members.iter();
        let told = members.filter_map(|it| {
            let (bytes, ms) = (it.lag_bytes?, None);
            Some((it.name.clone(), Lag { bytes, ms }))
        });
        told.collect()
    }
}

fn number(row: &Row, column: &str) -> f64 {
    row.get(column)
        .and_then(|it| it.parse().ok())
        .unwrap_or(0.0)
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn count(stats: &[Row]) -> Counted {
    // The console counts what is asked of itself, too.
    let clients = stats
        .iter()
        .filter(|it| it.get("database").is_none_or(|it| it != "pgbouncer"));
    clients.fold(Counted::default(), |sum, row| Counted {
        transactions: sum.transactions + number(row, "total_xact_count"),
        took_us: sum.took_us + number(row, "total_xact_time"),
        waited_us: sum.waited_us + number(row, "total_wait_time"),
    })
}

/// A pooler that is new, or counts from the beginning again, counts from nothing.
fn difference(before: &Before, now: &BTreeMap<PathBuf, Counted>) -> Counted {
    now.iter().fold(Counted::default(), |sum, (socket, now)| {
        let was = before.counted.get(socket).copied().unwrap_or_default();
        let was = match was.transactions <= now.transactions {
            true => was,
            false => Counted::default(),
        };
        Counted {
            transactions: sum.transactions + now.transactions - was.transactions,
            took_us: sum.took_us + (now.took_us - was.took_us).max(0.0),
            waited_us: sum.waited_us + (now.waited_us - was.waited_us).max(0.0),
        }
    })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// The migration that is open, read again when its journal has changed.
#[derive(Default)]
struct Opened {
    read: Option<(SystemTime, u64)>,
    id: Option<u64>,
}

impl Opened {
    fn migration(&mut self, folder: &Path) -> Option<u64> {
        let path = folder.join(FILE);
        let metadata = path.metadata().ok()?;
        let written = (metadata.modified().ok()?, metadata.len());
        if self.read != Some(written) {
            let text = std::fs::read_to_string(&path).ok()?;
            self.id = Journal::read(&text).open().map(|it| it.id);
            self.read = Some(written);
        }
        self.id
    }
}

/// Prints new samples of the migration that is open, for a while. Blocking; for a command
/// beside the agent.
pub fn print(folder: &Path, at_most: Duration) -> io::Result<()> {
    let (deadline, mut opened) = (Instant::now() + at_most, Opened::default());
    let mut after_ms = now_ms();
    while Instant::now() < deadline {
        if let Some(id) = opened.migration(folder) {
            let text = std::fs::read_to_string(folder.join(samples_file(id)));
            let mut out = io::stdout().lock();
            for line in text.unwrap_or_default().lines() {
                if let Ok(sample) = serde_json::from_str::<Sample>(line)
                    && sample.at_ms > after_ms
                {
                    after_ms = sample.at_ms;
                    writeln!(out, "{line}")?;
                }
            }
            out.flush()?;
        }
        std::thread::sleep(EVERY / 2);
    }
    Ok(())
}

/// The file of one migration.
struct Book {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Of so many samples one is kept.
    each: u64,
    seen: u64,
}

impl Book {
    fn open(folder: &Path, id: u64) -> io::Result<Self> {
        if let Some(old) = id.checked_sub(KEPT) {
            // Most often it is not there.
            let _gone = std::fs::remove_file(folder.join(samples_file(old)));
        }
        let path = folder.join(samples_file(id));
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            bytes,
            each: 1,
            seen: 0,
        })
    }

    fn add(&mut self, sample: &Sample) -> io::Result<()> {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.each) {
            return Ok(());
        }
        let line = serde_json::to_string(sample)? + "\n";
        self.file.write_all(line.as_bytes())?;
        self.bytes += line.len() as u64;
        if self.bytes > BOUND_BYTES {
            self.thin()?;
        }
        Ok(())
    }

    /// Every second line goes.
    fn thin(&mut self) -> io::Result<()> {
        let text = std::fs::read_to_string(&self.path)?;
        let half: String = text.split_inclusive('\n').step_by(2).collect();
        let next = self.path.with_extension("part");
        std::fs::write(&next, &half)?;
        std::fs::rename(&next, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.bytes = half.len() as u64;
        self.each *= 2;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use scalectl_migrate::read_samples;

    use super::*;

    fn row(columns: &[(&str, &str)]) -> Row {
        let columns = columns.iter();
        columns
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn figures_are_of_the_time_between_two_looks_and_a_new_pooler_counts_from_nothing() {
        let stats = |database, count, time| {
            row(&[
                ("database", database),
                ("total_xact_count", count),
                ("total_xact_time", time),
                ("total_wait_time", "0"),
            ])
        };
        let first = count(&[stats("app", "100", "5000"), stats("pgbouncer", "9", "9")]);
        let then = count(&[stats("app", "130", "8000")]);
        let before = Before {
            at: Instant::now(),
            counted: BTreeMap::from([("a".into(), first), ("b".into(), first)]),
        };
        let restarted = count(&[stats("app", "7", "70")]);
        let now = BTreeMap::from([("a".into(), then), ("b".into(), restarted)]);
        let since = difference(&before, &now);
        assert_eq!((since.transactions, since.took_us), (37.0, 3070.0));
    }

    #[test]
    fn a_file_is_bounded_and_still_tells_of_the_whole_time() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(samples_file(1)), "old").unwrap();
        let mut book = Book::open(folder.path(), 1 + KEPT).unwrap();
        assert!(
            !folder.path().join(samples_file(1)).exists(),
            "an old one goes"
        );
        let lines = 40_000_u64;
        for at_ms in 1..=lines {
            let sample = Sample {
                at_ms,
                per_second: Some(250.25),
                ..Sample::default()
            };
            book.add(&sample).unwrap();
        }
        let text = std::fs::read_to_string(&book.path).unwrap();
        assert!(text.len() as u64 <= BOUND_BYTES, "{}", text.len());
        let samples = read_samples(&text);
        assert!(samples.is_sorted_by_key(|it| it.at_ms));
        assert_eq!(samples[0].at_ms, 1);
        assert!(samples.last().unwrap().at_ms > lines - 20);
        assert!(samples.len() > 3_000, "{}", samples.len());
    }

    #[test]
    fn only_a_migration_that_is_open_is_sampled() {
        let folder = tempfile::tempdir().unwrap();
        let mut opened = Opened::default();
        assert_eq!(opened.migration(folder.path()), None);
        let line =
            |event: &str| format!(r#"{{"id":4,"epoch":1,"at_ms":1,"owner":"o",{event}}}"#) + "\n";
        let begun = line(r#""event":"begun","from":1,"to":2,"fingerprint":"f","start":0,"goal":3"#);
        std::fs::write(folder.path().join(FILE), &begun).unwrap();
        assert_eq!(opened.migration(folder.path()), Some(4));
        let ended = begun + &line(r#""event":"ended","phase":2"#);
        std::fs::write(folder.path().join(FILE), ended).unwrap();
        assert_eq!(opened.migration(folder.path()), None);
    }
}
