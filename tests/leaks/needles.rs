//! What is looked for: each secret in every form in which it could slip out.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// A shorter text could be somewhere by chance.
const SHORTEST: usize = 12;
/// What stands before the 32 secret bytes of a P-256 key in its DER form (RFC 5915).
const BEFORE_SCALAR: [u8; 5] = [0x02, 0x01, 0x01, 0x04, 0x20];

/// One value that nobody may show.
#[derive(Clone)]
pub struct Secret {
    pub name: String,
    pub value: Vec<u8>,
    /// Lines of a PEM block that hold secret bytes.
    lines: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    Raw,
    Hex,
    Percent,
    Base64,
    /// As a string of JSON has it.
    Json,
    PemLine,
}

impl Secret {
    pub fn password(name: &str, value: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            lines: Vec::new(),
        }
    }

    /// A P-256 key in PKCS #8: what counts is its scalar, which every way to write
    /// the key down holds.
    pub fn key(name: &str, pem: &str) -> Self {
        let begin = pem.find("-----BEGIN PRIVATE KEY-----").expect("PKCS #8");
        let block = pem[begin..].lines().skip(1);
        let lines: Vec<_> = block
            .take_while(|line| !line.starts_with('-'))
            .map(|line| line.trim().to_owned())
            .collect();
        let der = STANDARD.decode(lines.concat()).expect("PEM holds base64");
        let before = der
            .windows(BEFORE_SCALAR.len())
            .position(|bytes| bytes == BEFORE_SCALAR)
            .expect("a key of the curve P-256");
        let start = before + BEFORE_SCALAR.len();
        // The first line is nearly the same in every key, the last ones are public.
        let line = lines.get(1).expect("three lines").clone();
        Self {
            name: name.to_owned(),
            value: der[start..start + 32].to_owned(),
            lines: vec![line],
        }
    }

    /// Every form with every text that shows the secret in it.
    pub fn forms(&self) -> Vec<(Form, Vec<u8>)> {
        let value = &self.value;
        let each = |write: fn(&mut String, u8)| {
            let mut text = String::new();
            value.iter().for_each(|byte| write(&mut text, *byte));
            text.into_bytes()
        };
        let mut forms = vec![
            (Form::Raw, value.clone()),
            (
                Form::Hex,
                each(|text, byte| put(text, format_args!("{byte:02x}"))),
            ),
            (
                Form::Hex,
                each(|text, byte| put(text, format_args!("{byte:02X}"))),
            ),
            (
                Form::Percent,
                each(|text, byte| put(text, format_args!("%{byte:02x}"))),
            ),
            (
                Form::Percent,
                each(|text, byte| put(text, format_args!("%{byte:02X}"))),
            ),
            (Form::Percent, each(percent_where_needed)),
        ];
        for offset in 0..3 {
            for text in base64_inside(value, offset) {
                forms.push((Form::Base64, text.into_bytes()));
            }
        }
        if let Ok(text) = std::str::from_utf8(value) {
            let json = Value::from(text).to_string();
            let json = json[1..json.len() - 1].to_owned();
            // Go's encoder escapes what HTML would read, too.
            let go = json
                .replace('&', "\\u0026")
                .replace('<', "\\u003c")
                .replace('>', "\\u003e");
            forms.extend([
                (Form::Json, json.into_bytes()),
                (Form::Json, go.into_bytes()),
            ]);
        }
        forms.extend(
            self.lines
                .iter()
                .map(|line| (Form::PemLine, line.clone().into_bytes())),
        );
        let mut known = BTreeSet::new();
        forms.retain(|(_, text)| known.insert(text.clone()));
        assert!(
            forms.iter().all(|(_, text)| text.len() >= SHORTEST),
            "{} is too short to be looked for",
            self.name
        );
        forms
    }
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a text takes more");
}

fn percent_where_needed(text: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        text.push(char::from(byte));
    } else {
        put(text, format_args!("%{byte:02X}"));
    }
}

/// What base64 of a longer text holds for certain when `value` begins at an offset
/// of `offset` bytes (modulo 3) in it.
fn base64_inside(value: &[u8], offset: usize) -> [String; 2] {
    let longer = [&vec![0; offset][..], value].concat();
    let (from, to) = ((offset * 8).div_ceil(6), longer.len() * 8 / 6);
    [
        STANDARD_NO_PAD.encode(&longer)[from..to].to_owned(),
        URL_SAFE_NO_PAD.encode(&longer)[from..to].to_owned(),
    ]
}

/// All of them as one search.
pub struct Needles {
    search: AhoCorasick,
    names: Vec<(String, Form)>,
}

impl Needles {
    pub fn new(secrets: &[Secret]) -> Self {
        let forms = secrets.iter().flat_map(|secret| {
            let named = move |(form, text)| ((secret.name.clone(), form), text);
            secret.forms().into_iter().map(named)
        });
        let (names, texts): (Vec<_>, Vec<Vec<u8>>) = forms.unzip();
        let search = AhoCorasick::new(texts).expect("the texts can be searched for");
        Self { search, names }
    }

    pub fn found_in(&self, content: &[u8]) -> BTreeSet<(String, Form)> {
        let folded = folded(content);
        let hits = self.search.find_overlapping_iter(content);
        hits.chain(self.search.find_overlapping_iter(&folded))
            .map(|hit| self.names[hit.pattern().as_usize()].clone())
            .collect()
    }
}

/// Without blanks and line ends, written out or escaped: base64 may be broken anywhere.
fn folded(content: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(content.len());
    let mut rest = content;
    while let [byte, after @ ..] = rest {
        rest = after;
        let is_escape = *byte == b'\\' && matches!(after.first(), Some(b'n' | b'r' | b't' | b'\\'));
        match (is_escape, after) {
            // Of `\\n` the second backslash is the next one to look at.
            (true, [b'\\', ..]) => {}
            (true, [_, beyond @ ..]) => rest = beyond,
            _ if byte.is_ascii_whitespace() => {}
            _ => folded.push(*byte),
        }
    }
    folded
}
