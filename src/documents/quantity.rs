//! Sizes and lengths of time as Compose writes them: `256m`, `1m30s`, `100ms`.
//!
//! Kept as exact integers (bytes, nanoseconds) because that is what an engine
//! takes. Next: `service.rs` (where they stand).

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes; written with Compose's binary suffixes `b`, `k`, `m`, `g`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A length of time with a resolution of one nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

const BYTE_UNITS: [(&str, u64); 4] = [("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10), ("b", 1)];
const TIME_UNITS: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
];

impl ByteSize {
    fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (unit, factor) = BYTE_UNITS
            .iter()
            .find(|(unit, _)| lower.ends_with(unit))
            .unwrap_or(&("", 1));
        let number: u64 = lower.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*factor).map(Self)
    }
}

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut nanos: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let (unit, factor) = TIME_UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
            rest = &rest[unit.len()..];
            nanos = nanos.checked_add(number.checked_mul(*factor)?)?;
        }
        (!text.is_empty()).then_some(Self(Duration::from_nanos(nanos)))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |factor: &u64| self.0 > 0 && self.0.is_multiple_of(*factor);
        match BYTE_UNITS.iter().find(|(_, factor)| fits(factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}b", self.0),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let whole = |unit: u128| nanos.is_multiple_of(unit);
        match nanos {
            _ if whole(1_000_000_000) => write!(f, "{}s", nanos / 1_000_000_000),
            _ if whole(1_000_000) => write!(f, "{}ms", nanos / 1_000_000),
            _ => write!(f, "{nanos}ns"),
        }
    }
}

macro_rules! as_text {
    ($kind:ty, $what:literal) => {
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text)
                    .ok_or_else(|| D::Error::custom(format!("`{text}` is not {}", $what)))
            }
        }
    };
}
as_text!(ByteSize, "a size such as 256m");
as_text!(Span, "a length of time such as 1m30s");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_go_writes_them_and_print_back() {
        for (text, nanos) in [
            ("1m30s", 90_000_000_000_u64),
            ("100ms", 100_000_000),
            ("2h", 7_200_000_000_000),
        ] {
            assert_eq!(
                Span::parse(text).map(|span| span.0.as_nanos()),
                Some(u128::from(nanos)),
                "{text}"
            );
        }
        assert_eq!(
            Span::parse("100ms").map(|span| span.to_string()).as_deref(),
            Some("100ms")
        );
        for wrong in ["", "5", "s", "1x", "-1s", "1s5"] {
            assert_eq!(Span::parse(wrong), None, "`{wrong}` is no length of time");
        }
    }

    #[test]
    fn sizes_are_binary_as_compose_reads_them() {
        assert_eq!(ByteSize::parse("256m"), Some(ByteSize(256 << 20)));
        assert_eq!(ByteSize::parse("12"), Some(ByteSize(12)));
        assert_eq!(ByteSize(256 << 20).to_string(), "256m");
        assert_eq!(
            ByteSize::parse("99999999999999999999g"),
            None,
            "an overflow is refused"
        );
    }
}
