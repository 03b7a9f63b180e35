//! Placeholders in settings files, replaced in memory just before a write.
//!
//! `${secret:N}` the value as it is, `${secret-url:N}` percent-encoded,
//! `${scram:N}` a PostgreSQL SCRAM verifier, `${sha256:N}` hex, `${dollar}` a
//! `$` (to put one right before a placeholder), and `$${` a literal `${`.
//! A `${` that is none of these is an error with its file and line: guessing
//! would write a broken password. A value is never looked at again, so one that
//! looks like a placeholder stays what it is.

use std::fmt::Write as _;

/// Where values come from.
pub trait Values {
    /// The secret of that name, if there is one.
    fn secret(&self, name: &str) -> Option<&[u8]>;
    /// Its SCRAM verifier, the same at every call.
    fn scram(&self, name: &str) -> Result<String, String>;
}

/// A file with its placeholders replaced.
#[derive(Debug, PartialEq, Eq)]
pub struct Filled {
    pub content: Vec<u8>,
    /// Whether something of a secret is now in it.
    pub is_secret: bool,
}

/// A placeholder that cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    pub problem: String,
}

/// Replaces all placeholders, or tells all that cannot be.
pub fn fill(template: &[u8], values: &dyn Values) -> Result<Filled, Vec<Mistake>> {
    let mut filled = Filled {
        content: Vec::with_capacity(template.len()),
        is_secret: false,
    };
    let mut mistakes = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(rest) = template.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(b"$${") {
            filled.content.extend_from_slice(b"${");
            at += 3;
        } else if let Some(after) = rest.strip_prefix(b"${") {
            let length = after
                .iter()
                .position(|byte| *byte == b'}' || *byte == b'\n')
                .unwrap_or(after.len());
            let closed = after.get(length) == Some(&b'}');
            match replace(&after[..length], closed, values) {
                Ok(Replaced::Dollar) => filled.content.push(b'$'),
                Ok(Replaced::Secret(value)) => {
                    filled.content.extend_from_slice(&value);
                    filled.is_secret = true;
                }
                Err(problem) => mistakes.push(Mistake { line, problem }),
            }
            at += 2 + length + usize::from(closed);
        } else {
            let run = rest[1..]
                .iter()
                .position(|byte| *byte == b'$')
                .map_or(rest.len(), |next| next + 1);
            line += rest[..run].iter().filter(|byte| **byte == b'\n').count();
            filled.content.extend_from_slice(&rest[..run]);
            at += run;
        }
    }
    if mistakes.is_empty() {
        Ok(filled)
    } else {
        Err(mistakes)
    }
}

enum Replaced {
    Dollar,
    Secret(Vec<u8>),
}

fn replace(inner: &[u8], closed: bool, values: &dyn Values) -> Result<Replaced, String> {
    let shown: String = String::from_utf8_lossy(inner)
        .chars()
        .take(40)
        .flat_map(char::escape_debug)
        .collect();
    if !closed {
        return Err(format!(
            "`${{{shown}` has no `}}` (write `$${{` for a literal `${{`)"
        ));
    }
    if inner == b"dollar" {
        return Ok(Replaced::Dollar);
    }
    let unknown = || format!("`${{{shown}}}` is no placeholder (write `$${{` for a literal `${{`)");
    let (kind, name) = std::str::from_utf8(inner)
        .ok()
        .and_then(|text| text.split_once(':'))
        .ok_or_else(unknown)?;
    let encode: fn(&[u8]) -> Vec<u8> = match kind {
        "secret" => <[u8]>::to_vec,
        "secret-url" => percent_encode,
        "sha256" => sha256_hex,
        "scram" => {
            let verifier = values
                .scram(name)
                .map_err(|problem| format!("`${{{shown}}}`: {problem}"))?;
            return Ok(Replaced::Secret(verifier.into_bytes()));
        }
        _ => return Err(unknown()),
    };
    let value = values
        .secret(name)
        .ok_or_else(|| format!("`${{{shown}}}` names no secret of the spec"))?;
    Ok(Replaced::Secret(encode(value)))
}

/// All but the unreserved characters of RFC 3986.
fn percent_encode(value: &[u8]) -> Vec<u8> {
    let mut encoded = String::with_capacity(value.len());
    for byte in value {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(*byte))
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded.into_bytes()
}

fn sha256_hex(value: &[u8]) -> Vec<u8> {
    super::hex(ring::digest::digest(&ring::digest::SHA256, value).as_ref()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    struct Fixed(BTreeMap<String, Vec<u8>>);

    impl Fixed {
        fn of(name: &str, value: &[u8]) -> Self {
            Self(BTreeMap::from([(name.to_owned(), value.to_vec())]))
        }
    }

    impl Values for Fixed {
        fn secret(&self, name: &str) -> Option<&[u8]> {
            self.0.get(name).map(Vec::as_slice)
        }
        fn scram(&self, name: &str) -> Result<String, String> {
            self.0
                .get(name)
                .map(|_| format!("SCRAM({name})"))
                .ok_or_else(|| "names no secret of the spec".to_owned())
        }
    }

    fn text(template: &str, values: &Fixed) -> String {
        String::from_utf8(fill(template.as_bytes(), values).unwrap().content).unwrap()
    }

    /// What a renderer does to text that must come out as it is.
    fn escape(text: &str) -> String {
        text.replace("${", "$${")
    }

    #[test]
    fn each_kind_of_placeholder_is_replaced() {
        let values = Fixed::of("pw", b"a b/$");
        assert_eq!(
            text(
                "x=${secret:pw}\nu=${secret-url:pw} s=${scram:pw} h=${sha256:pw} d=${dollar}${secret:pw}",
                &values
            ),
            "x=a b/$\nu=a%20b%2F%24 s=SCRAM(pw) h=e06a9fd0a6b6b8f9d7b0c2f2bc8cb6d0 d=$a b/$"
                .replace(
                    "e06a9fd0a6b6b8f9d7b0c2f2bc8cb6d0",
                    &String::from_utf8(sha256_hex(b"a b/$")).unwrap()
                )
        );
    }

    #[test]
    fn sha256_is_the_well_known_one() {
        assert_eq!(
            sha256_hex(b"abc"),
            b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_vec()
        );
    }

    #[test]
    fn dollars_that_are_no_placeholder_stay() {
        let values = Fixed::of("pw", b"v");
        for plain in ["$", "$$", "$1", "$HOME", "a$", "$$$", "$}{", "cost: 5$\n"] {
            assert_eq!(text(plain, &values), plain);
            assert!(
                !fill(plain.as_bytes(), &values).unwrap().is_secret,
                "{plain:?} holds no secret"
            );
        }
        assert_eq!(text("$${secret:pw} $$${x}", &values), "${secret:pw} $${x}");
    }

    #[test]
    fn all_mistakes_are_told_with_their_lines() {
        let told = fill(
            b"ok\n${secret:lost}\n$${fine}\n${HOME} ${scram:lost}\n${open\n${",
            &Fixed::of("pw", b"v"),
        );
        let told: Vec<_> = told
            .unwrap_err()
            .into_iter()
            .map(|one| (one.line, one.problem))
            .collect();
        assert_eq!(
            told,
            [
                (2, "`${secret:lost}` names no secret of the spec".to_owned()),
                (
                    4,
                    "`${HOME}` is no placeholder (write `$${` for a literal `${`)".to_owned()
                ),
                (4, "`${scram:lost}`: names no secret of the spec".to_owned()),
                (
                    5,
                    "`${open` has no `}` (write `$${` for a literal `${`)".to_owned()
                ),
                (
                    6,
                    "`${` has no `}` (write `$${` for a literal `${`)".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_value_that_looks_like_a_placeholder_is_left_alone() {
        let values = Fixed::of("pw", b"${secret:pw}$${");
        assert_eq!(text("[${secret:pw}]", &values), "[${secret:pw}$${]");
    }

    proptest! {
        #[test]
        fn escaped_text_comes_out_as_it_went_in(hostile in "([$]{0,3}[{]?|[}:\n]|secret|dollar|.){0,40}") {
            let filled = fill(escape(&hostile).as_bytes(), &Fixed::of("pw", b"v")).unwrap();
            prop_assert_eq!(String::from_utf8(filled.content).unwrap(), hostile);
            prop_assert!(!filled.is_secret);
        }

        #[test]
        fn a_hostile_value_stands_between_its_neighbours_untouched(
            before in "([$]{0,3}[{]?|.){0,10}[a-z]",
            value in prop::collection::vec(any::<u8>(), 1..60),
            after in "[a-z]([$]{0,3}[{]?|.){0,10}",
        ) {
            let template = format!("{}${{secret:pw}}{}", escape(&before), escape(&after));
            let filled = fill(template.as_bytes(), &Fixed::of("pw", &value)).unwrap();
            prop_assert_eq!(filled.content, [before.as_bytes(), &value, after.as_bytes()].concat());
            prop_assert!(filled.is_secret);
        }

        #[test]
        fn any_bytes_are_filled_or_refused_and_never_panic(template in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = fill(&template, &Fixed::of("pw", b"v"));
        }

        #[test]
        fn percent_encoded_values_decode_to_themselves(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let encoded = percent_encode(&value);
            let mut decoded = Vec::new();
            let mut bytes = encoded.iter();
            while let Some(byte) = bytes.next() {
                if *byte == b'%' {
                    let pair: String = bytes.by_ref().take(2).map(|digit| char::from(*digit)).collect();
                    decoded.push(u8::from_str_radix(&pair, 16).unwrap());
                } else {
                    prop_assert!(byte.is_ascii_alphanumeric() || b"-._~".contains(byte));
                    decoded.push(*byte);
                }
            }
            prop_assert_eq!(decoded, value);
        }
    }
}
