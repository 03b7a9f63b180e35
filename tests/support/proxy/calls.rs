//! What a request to the engine is called in a count of changes.
//!
//! By verb, kind and the name that a person knows: a name means the same call in
//! every run, whatever ids the engine gives. Requests that change nothing have none.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

/// The name of a call that changes something.
pub fn name(line: &str, body: Option<&[u8]>, engine: &Path) -> Option<String> {
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    if matches!(method, "GET" | "HEAD") {
        return None;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path: Vec<_> = path.split('/').filter(|it| !it.is_empty()).collect();
    let path = match path.first() {
        Some(first) if first.starts_with("v1.") => &path[1..],
        _ => &path[..],
    };
    match path {
        // They look or wait, or speak of a terminal's size.
        [.., "wait" | "resize"] | ["auth"] => None,
        [.., "create"] => {
            let named = in_query(query).or_else(|| in_body(body));
            Some(format!(
                "{method} {} {}",
                path.join("/"),
                named.unwrap_or_default()
            ))
        }
        ["exec", id, verb] => {
            let about = look(engine, &format!("/exec/{id}/json"));
            let container = about.and_then(|it| Some(it.get("ContainerID")?.as_str()?.to_owned()));
            let container = container.unwrap_or_default();
            let shown = of_id(engine, "containers", &container);
            Some(format!("{method} exec/{verb} {shown}"))
        }
        [kind, id, verb @ ..] => {
            let shown = of_id(engine, kind, id);
            let verb = verb.join("/");
            Some(format!("{method} {kind}/{verb} {shown}"))
        }
        other => Some(format!("{method} {}", other.join("/"))),
    }
}

fn in_query(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|it| it.split_once('='));
    pairs
        .find(|(key, _)| *key == "name")
        .map(|it| it.1.to_owned())
}

fn in_body(body: Option<&[u8]>) -> Option<String> {
    let body: Value = serde_json::from_slice(body?).ok()?;
    Some(body.get("Name")?.as_str()?.to_owned())
}

/// The name behind an id; what is no id is a name already.
fn of_id(engine: &Path, kind: &str, id: &str) -> String {
    let is_id = id.len() == 64 && id.bytes().all(|it| it.is_ascii_hexdigit());
    if !is_id {
        return id.to_owned();
    }
    let path = match kind {
        "containers" => format!("/containers/{id}/json"),
        _ => format!("/{kind}/{id}"),
    };
    let name = look(engine, &path).and_then(|it| Some(it.get("Name")?.as_str()?.to_owned()));
    name.map_or_else(
        || "gone".to_owned(),
        |it| it.trim_start_matches('/').to_owned(),
    )
}

/// Asks the engine. By HTTP/1.0, whose answers are never chunked.
fn look(engine: &Path, path: &str) -> Option<Value> {
    let mut stream = UnixStream::connect(engine).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer);
    serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
}
