//! A pooler's console on a socket.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A pooler's admin console; remembers what it was told, and what its database
/// file said at each RELOAD.
pub struct Console {
    told: Arc<Mutex<Told>>,
    socket: PathBuf,
}

#[derive(Default)]
struct Told {
    reloads: Vec<(Instant, String)>,
    others: Vec<(Instant, String)>,
    /// A transaction is under way that never ends.
    is_busy: bool,
    /// What it shows: each table with its rows.
    tables: BTreeMap<&'static str, Vec<Row>>,
}

/// Columns and values of one row.
pub type Row = Vec<(&'static str, &'static str)>;

impl Console {
    pub fn start(folder: &Path, databases: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let socket = folder.join(".s.PGSQL.6432");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let console = Self {
            told: Arc::default(),
            socket,
        };
        let (told, databases) = (Arc::clone(&console.told), databases.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (told, databases) = (Arc::clone(&told), databases.clone());
                std::thread::spawn(move || talk(stream, &databases, &told));
            }
        });
        console
    }

    pub fn be_busy(&self, is_busy: bool) {
        self.told.lock().unwrap().is_busy = is_busy;
    }

    pub fn show(&self, table: &'static str, rows: Vec<Row>) {
        self.told.lock().unwrap().tables.insert(table, rows);
    }

    pub fn reloads(&self) -> Vec<String> {
        self.reloads_at()
            .into_iter()
            .map(|(_, file)| file)
            .collect()
    }

    /// The same with the moment of each.
    pub fn reloads_at(&self) -> Vec<(Instant, String)> {
        self.told.lock().unwrap().reloads.clone()
    }

    /// All commands but RELOAD, with the moment of each, since the last call.
    pub fn others(&self) -> Vec<(Instant, String)> {
        std::mem::take(&mut self.told.lock().unwrap().others)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn talk(mut stream: UnixStream, databases: &Path, told: &Mutex<Told>) -> std::io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut start = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut start)?;
    assert_eq!(
        start, b"\0\x03\0\0user\0agent\0database\0pgbouncer\0\0",
        "the start of the conversation"
    );
    // Authenticated, one parameter, ready.
    stream.write_all(b"R\0\0\0\x08\0\0\0\0S\0\0\0\x0aa\0bcd\0Z\0\0\0\x05I")?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    stream.read_exact(&mut length)?;
    let mut query = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut query)?;
    assert_eq!((kind, query.pop()), (*b"Q", Some(0)), "a query and its end");
    let query = String::from_utf8(query).unwrap();
    if let Some(table) = query.strip_prefix("SHOW ") {
        let rows = told.lock().unwrap().tables.get(table).cloned();
        return stream.write_all(&rows_of(&rows.unwrap_or_default()));
    }
    let waits = {
        let mut told = told.lock().unwrap();
        if query == "RELOAD" {
            let file = std::fs::read_to_string(databases).unwrap_or_default();
            told.reloads.push((Instant::now(), file));
        } else {
            told.others.push((Instant::now(), query.clone()));
        }
        told.is_busy && query.starts_with("PAUSE")
    };
    if waits {
        return stream.read_exact(&mut kind);
    }
    let is_held = told
        .lock()
        .unwrap()
        .others
        .iter()
        .any(|(_, one)| one.starts_with("PAUSE"));
    if query.starts_with("RESUME") && !is_held {
        return stream.write_all(b"E\0\0\0\x1bSERROR\0Mis not paused\0\0Z\0\0\0\x05I");
    }
    stream.write_all(b"C\0\0\0\x07OK\0Z\0\0\0\x05I")
}

/// Messages of a simple query's answer: the columns with each row, and the end.
fn rows_of(rows: &[Row]) -> Vec<u8> {
    let number = |count: usize| u16::try_from(count).unwrap().to_be_bytes();
    let mut answer = Vec::new();
    let mut message = |kind: u8, body: &[u8]| {
        answer.push(kind);
        let length = u32::try_from(body.len() + 4).unwrap();
        answer.extend_from_slice(&length.to_be_bytes());
        answer.extend_from_slice(body);
    };
    for row in rows {
        let (mut columns, mut values) = (number(row.len()).to_vec(), number(row.len()).to_vec());
        for (column, value) in row {
            columns.extend_from_slice(column.as_bytes());
            columns.extend_from_slice(&[0; 19]);
            values.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
            values.extend_from_slice(value.as_bytes());
        }
        message(b'T', &columns);
        message(b'D', &values);
    }
    message(b'C', b"SHOW\0");
    message(b'Z', b"I");
    answer
}
