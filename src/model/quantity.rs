//! Quantities: sizes, CPUs and durations, written with their unit.
//!
//! Sizes follow Kubernetes: `Ki Mi Gi Ti` are powers of 1024, `k M G T` powers
//! of 1000, a plain number is bytes. Each value prints back as it would be
//! written, exactly. Must never round: `1.5Gi` is right, `0.3k` bytes is not.
//! Next: `units.rs` (values without arithmetic).

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::cause::Cause;
use crate::units::{Text, json_schema_of};

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);
json_schema_of!(Bytes, { "anyOf": [
    { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$" },
    { "type": "integer", "minimum": 1 }
] });

/// Suffixes and their factors; the binary ones first, for printing.
const SIZES: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

impl Bytes {
    pub(crate) const fn mebi(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZES[..4]
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
        {
            Some((suffix, factor)) => write!(f, "{}{suffix}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Text for Bytes {
    const EXPECTED: &'static str = "a size, such as `256Mi`";
    const NUMBERS: bool = true;

    fn parse(text: &str) -> Result<Self, Cause> {
        let bad = |hint: String| Cause::BadSize {
            size: text.to_owned(),
            hint,
        };
        let rule = "write a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of \
                    1000), such as `256Mi`";
        let (number, suffix) = split_unit(text);
        let factor = match SIZES.iter().find(|(known, _)| *known == suffix) {
            Some((_, factor)) => *factor,
            None if suffix.is_empty() => 1,
            None => {
                let near = near_size(suffix).filter(|_| decimal(number, 1 << 40).is_some());
                return Err(bad(match near {
                    Some(near) => format!("did you mean `{number}{near}`? {rule}"),
                    None => rule.to_owned(),
                }));
            }
        };
        decimal(number, factor)
            .map(Self)
            .ok_or_else(|| bad(rule.to_owned()))
    }
}

/// What a person meant by a suffix that is none of ours.
fn near_size(suffix: &str) -> Option<&'static str> {
    let letter = suffix.chars().next()?.to_ascii_lowercase();
    let rest = suffix[1..].trim_end_matches(['b', 'B']);
    let binary = rest.eq_ignore_ascii_case("i");
    if !rest.is_empty() && !binary {
        return None;
    }
    Some(match (letter, binary) {
        ('k', true) => "Ki",
        ('m', true) => "Mi",
        ('g', true) => "Gi",
        ('t', true) => "Ti",
        ('k', false) => "k",
        ('m', false) => "M",
        ('g', false) => "G",
        ('t', false) => "T",
        _ => return None,
    })
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// CPU time, in thousandths of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(u32);
json_schema_of!(Cpus, { "type": "number", "minimum": 0.01, "maximum": 1024 });

impl Cpus {
    /// Thousandths of a core.
    pub const fn millis(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / 1000.0)
    }
}

impl Text for Cpus {
    const EXPECTED: &'static str = "a number of cores, such as `0.5`";
    const NUMBERS: bool = true;

    fn parse(text: &str) -> Result<Self, Cause> {
        let millis = decimal(text, 1000).and_then(|millis| u32::try_from(millis).ok());
        match millis {
            Some(millis @ 10..=1_024_000) => Ok(Self(millis)),
            _ => Err(Cause::BadCpus {
                cpus: text.to_owned(),
                hint: match text
                    .strip_suffix('m')
                    .and_then(|millis| millis.parse::<u32>().ok())
                {
                    Some(millis @ 10..) => format!("did you mean `{}`?", Self(millis)),
                    _ => "write cores from 0.01 to 1024 with up to three digits behind the \
                          point, such as `0.5`"
                        .to_owned(),
                },
            }),
        }
    }
}

impl Serialize for Cpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            serializer.serialize_u32(self.0 / 1000)
        } else {
            serializer.serialize_f64(f64::from(self.0) / 1000.0)
        }
    }
}

/// How long measurements are kept, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Retention(u64);
json_schema_of!(Retention, { "type": "string", "pattern": "^[0-9]+[hdwy]$" });

const DURATIONS: [(&str, u64); 4] = [
    ("y", 365 * 86_400),
    ("w", 7 * 86_400),
    ("d", 86_400),
    ("h", 3_600),
];

impl Retention {
    pub(crate) const fn days(count: u64) -> Self {
        Self(count * 86_400)
    }

    /// The duration in seconds.
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Retention {
    /// Days or hours, which Prometheus reads as well.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, factor) = if self.0.is_multiple_of(86_400) {
            ("d", 86_400)
        } else {
            ("h", 3_600)
        };
        write!(f, "{}{suffix}", self.0 / factor)
    }
}

impl Text for Retention {
    const EXPECTED: &'static str = "a duration, such as `7d`";
    const NUMBERS: bool = true;

    fn parse(text: &str) -> Result<Self, Cause> {
        let (number, suffix) = split_unit(text);
        DURATIONS
            .iter()
            .find(|(known, _)| *known == suffix)
            .zip(
                number
                    .parse::<u64>()
                    .ok()
                    .filter(|count| (1..=100_000).contains(count)),
            )
            .map(|((_, factor), count)| Self(count * factor))
            .ok_or_else(|| Cause::BadRetention {
                retention: text.to_owned(),
                hint: match number.parse::<u64>() {
                    Ok(1..=100_000) if suffix.is_empty() => {
                        format!("did you mean `{number}d`? write h, d, w or y behind the number")
                    }
                    _ => "write a whole number with h, d, w or y, such as `7d`".to_owned(),
                },
            })
    }
}

impl Serialize for Retention {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Splits `256Mi` into `256` and `Mi`.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (
        text[..end].trim_end_matches(' '),
        text[end..].trim_start_matches(' '),
    )
}

/// `number * factor` where `number` is written in decimal; none when it is not
/// a number, has no whole result, or is too large.
fn decimal(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole = whole.parse::<u64>().ok()?;
    let scaled = u128::from(whole) * scale + u128::from(fraction.parse::<u64>().ok()?);
    let product = scaled * u128::from(factor);
    (product % scale == 0).then(|| u64::try_from(product / scale).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Option<u64> {
        Bytes::parse(text).ok().map(Bytes::get)
    }

    #[test]
    fn sizes_are_read_exactly_or_refused() {
        assert_eq!(size("256Mi"), Some(256 << 20));
        assert_eq!(size("1.5Gi"), Some(3 << 29));
        assert_eq!(size("2k"), Some(2_000));
        assert_eq!(size("4096"), Some(4096));
        for wrong in [
            "",
            "Mi",
            "1.Mi",
            ".5Gi",
            "-1",
            "0.0001k",
            "1e3",
            "99999999999Ti",
            "1 2Mi",
        ] {
            assert_eq!(size(wrong), None, "`{wrong}` is no size");
        }
    }

    #[test]
    fn a_quantity_prints_as_it_would_be_written() {
        for text in ["256Mi", "10Gi", "1Ti", "1001", "3Ki"] {
            assert_eq!(Bytes::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Cpus::parse("0.25").unwrap().to_string(), "0.25");
        assert_eq!(Retention::parse("2w").unwrap().to_string(), "14d");
        assert_eq!(Retention::parse("36h").unwrap().to_string(), "36h");
    }
}
