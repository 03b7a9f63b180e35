//! Sessions with the pooler: a pool as an app has one, and what may go wrong.
//!
//! Statements are prepared once a session and named, as most drivers do.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::super::history::{Id, Outcome};
use super::Target;

const APPEND: &str = "INSERT INTO checker.appends (id) VALUES ($1)";
const LOCK: &str =
    "SELECT value FROM checker.counters WHERE key IN ($1, $2) ORDER BY key FOR UPDATE";
const RAISE: &str = "UPDATE checker.counters SET value = CASE key WHEN $1 THEN $3::bigint ELSE $4::bigint END \
                     WHERE key IN ($1, $2)";
const PARTS: &str = "INSERT INTO checker.parts (id, key, value) VALUES ($1, $2, $4), ($1, $3, $5)";
const BEAT: &str = "UPDATE checker.beat SET number = $1";
const ROWS: &str = "SELECT count(*) FROM checker.appends WHERE id = $1";
const LATEST: &str = "SELECT number FROM checker.beat";

/// What the population needs in the database; made by the same role that uses it.
pub const SCHEMA: &str = "
    DROP SCHEMA IF EXISTS checker CASCADE;
    CREATE SCHEMA checker;
    CREATE TABLE checker.appends (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id bigint NOT NULL);
    CREATE INDEX ON checker.appends (id);
    CREATE TABLE checker.counters (key int PRIMARY KEY, value bigint NOT NULL);
    INSERT INTO checker.counters SELECT key, 0 FROM generate_series(0, 63) key;
    CREATE TABLE checker.parts (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                                id bigint NOT NULL, key int NOT NULL, value bigint NOT NULL);
    CREATE TABLE checker.beat (one int PRIMARY KEY, number bigint NOT NULL);
    INSERT INTO checker.beat VALUES (1, 0);";

pub struct Pool {
    config: Config,
    is_for_reads: bool,
    size: usize,
    permits: Semaphore,
    idle: RefCell<Vec<Session>>,
}

pub struct Session {
    client: Client,
    prepared: Prepared,
}

/// A statement that only the other kind of session needs is not there.
enum Prepared {
    Writer(Rc<Writer>),
    Reader(Statement),
}

struct Writer {
    append: Statement,
    lock: Statement,
    raise: Statement,
    parts: Statement,
    beat: Statement,
    rows: Statement,
}

/// A session in use; it goes back by `give_back` alone, so a lost one is gone.
pub struct Taken<'a> {
    pub session: Session,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub fn new(target: &Target, login: &Config, size: usize) -> Self {
        Self {
            config: at(login, target),
            is_for_reads: login.get_dbname() == target.reads.get_dbname()
                && login.get_dbname() != target.writes.get_dbname(),
            size,
            permits: Semaphore::new(size),
            idle: RefCell::default(),
        }
    }

    /// Connects all of them, before anything is measured.
    pub async fn warm(&self) {
        for _ in 0..self.size {
            let session = self.connect().await;
            let session = session.unwrap_or_else(|why| panic!("a client connects: {why:?}"));
            self.idle.borrow_mut().push(session);
        }
    }

    /// Waits for a session, as an app's pool does.
    pub async fn take(&self) -> Result<Taken<'_>, Outcome> {
        let permit = self.permits.acquire().await.expect("never closed");
        let session = loop {
            let idle = self.idle.borrow_mut().pop();
            match idle {
                Some(session) if session.client.is_closed() => {}
                Some(session) => break session,
                None => break self.connect().await?,
            }
        };
        Ok(Taken {
            session,
            _permit: permit,
        })
    }

    pub fn give_back(&self, taken: Taken<'_>) {
        if !taken.session.client.is_closed() {
            self.idle.borrow_mut().push(taken.session);
        }
    }

    async fn connect(&self) -> Result<Session, Outcome> {
        let client = connect(&self.config).await?;
        let prepare = async |sql| client.prepare(sql).await.map_err(|it| surely_not(&it));
        let prepared = if self.is_for_reads {
            Prepared::Reader(prepare(LATEST).await?)
        } else {
            Prepared::Writer(Rc::new(Writer {
                append: prepare(APPEND).await?,
                lock: prepare(LOCK).await?,
                raise: prepare(RAISE).await?,
                parts: prepare(PARTS).await?,
                beat: prepare(BEAT).await?,
                rows: prepare(ROWS).await?,
            }))
        };
        Ok(Session { client, prepared })
    }

    /// One append on a connection of its own.
    pub async fn append_anew(&self, id: Id) -> Result<(), Outcome> {
        let client = connect(&self.config).await?;
        let done = client.execute(APPEND, &[&number(id)]).await;
        done.map(drop).map_err(|error| sent(&error))
    }
}

impl Session {
    pub async fn append(&self, id: Id) -> Result<(), Outcome> {
        let done = self
            .client
            .execute(&self.writer().append, &[&number(id)])
            .await;
        done.map(drop).map_err(|error| sent(&error))
    }

    /// What it wrote to the two counters. Before COMMIT is sent nothing can have happened.
    pub async fn transaction(&mut self, id: Id, keys: [u32; 2]) -> Result<[i64; 2], Outcome> {
        let writer = self.writer();
        let [first, second] = keys.map(|key| i32::try_from(key).expect("a small key"));
        let open = self.client.transaction().await;
        let open = open.map_err(|it| surely_not(&it))?;
        let held = open.query(&writer.lock, &[&first, &second]).await;
        let held = held.map_err(|it| surely_not(&it))?;
        let [a, b] = [0, 1].map(|at: usize| held[at].get::<_, i64>(0) + 1);
        let raised = open
            .execute(&writer.raise, &[&first, &second, &a, &b])
            .await;
        raised.map_err(|it| surely_not(&it))?;
        let id = number(id);
        let written = open
            .execute(&writer.parts, &[&id, &first, &second, &a, &b])
            .await;
        written.map_err(|it| surely_not(&it))?;
        open.commit().await.map_err(|error| sent(&error))?;
        Ok([a, b])
    }

    pub async fn beat(&self, beat: u64) -> Result<(), Outcome> {
        let done = self
            .client
            .execute(&self.writer().beat, &[&number(beat)])
            .await;
        done.map(drop).map_err(|error| sent(&error))
    }

    pub async fn rows(&self, id: Id) -> Result<u64, Outcome> {
        let row = self
            .client
            .query_one(&self.writer().rows, &[&number(id)])
            .await;
        row.map(|row| positive(row.get(0))).map_err(|it| sent(&it))
    }

    pub async fn latest_beat(&self) -> Result<u64, Outcome> {
        let row = match &self.prepared {
            Prepared::Reader(latest) => self.client.query_one(latest, &[]).await,
            Prepared::Writer(_) => self.client.query_one(LATEST, &[]).await,
        };
        row.map(|row| positive(row.get(0))).map_err(|it| sent(&it))
    }

    fn writer(&self) -> Rc<Writer> {
        match &self.prepared {
            Prepared::Writer(writer) => Rc::clone(writer),
            Prepared::Reader(_) => panic!("a session of readers writes nothing"),
        }
    }
}

/// The app's own login, at the port that the test has published.
pub fn at(login: &Config, target: &Target) -> Config {
    let mut config = Config::new();
    config.host(target.pooler.ip().to_string());
    config.port(target.pooler.port());
    config.user(login.get_user().expect("the app's address names a user"));
    config.password(login.get_password().expect("and has a password"));
    config.dbname(login.get_dbname().expect("and names a database"));
    config.application_name("checker");
    config
}

pub async fn connect(config: &Config) -> Result<Client, Outcome> {
    let connected = config.connect(NoTls).await;
    let (client, connection) = connected.map_err(|it| surely_not(&it))?;
    // It ends with its client; what it has to say, the client is told.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(client)
}

pub async fn shows_the_tables(readers: &Config) -> Result<(), Outcome> {
    let client = connect(readers).await?;
    let shown = client.query_one(LATEST, &[]).await;
    shown.map(drop).map_err(|error| surely_not(&error))
}

pub fn surely_not(error: &tokio_postgres::Error) -> Outcome {
    Outcome::Failed(words(error))
}

/// The server's word that it was refused, or nothing that is sure.
fn sent(error: &tokio_postgres::Error) -> Outcome {
    let is_sure = error.code().is_some_and(|state| {
        // Of a connection that ends, the pooler's own errors among them.
        !["08", "57P", "58"]
            .iter()
            .any(|of| state.code().starts_with(of))
    });
    match is_sure {
        true => Outcome::Failed(words(error)),
        false => Outcome::Unknown(words(error)),
    }
}

fn words(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn number(id: u64) -> i64 {
    i64::try_from(id).expect("a number of this run")
}

fn positive(value: i64) -> u64 {
    u64::try_from(value).expect("no number of ours is below 0")
}
