//! Which standbys answer reads: one leaves at once, and comes back when it has
//! been well for a while.
//!
//! Pure: time is handed in. A standby that has just restarted goes and comes in
//! what Patroni tells. And PgBouncer 1.24 answers new clients with an error while
//! a login that a RELOAD broke off was its last: two changes in one moment would
//! make it do so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const JOIN_AFTER: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub struct Readers {
    /// Nothing before the first look: what an agent finds is taken as it is.
    joined: Option<BTreeSet<String>>,
    well_since: BTreeMap<String, Instant>,
}

impl Readers {
    /// Those that answer now, of those that are well now.
    pub fn settle(&mut self, well: BTreeSet<String>, now: Instant) -> BTreeSet<String> {
        self.well_since.retain(|name, _| well.contains(name));
        for name in &well {
            self.well_since.entry(name.clone()).or_insert(now);
        }
        let joined = match &self.joined {
            None => well,
            Some(before) => {
                let is_settled = |name: &&String| {
                    let since = self.well_since.get(*name);
                    since.is_some_and(|since| now.duration_since(*since) >= JOIN_AFTER)
                };
                well.iter()
                    .filter(|name| before.contains(*name) || is_settled(name))
                    .cloned()
                    .collect()
            }
        };
        self.joined = Some(joined.clone());
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_leaves_at_once_and_joins_when_it_has_been_well_for_a_while() {
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let (mut readers, start) = (Readers::default(), Instant::now());
        let mut at = |second: u64, well: &[&str]| {
            readers.settle(set(well), start + Duration::from_secs(second))
        };
        assert_eq!(
            at(0, &["a", "b"]),
            set(&["a", "b"]),
            "what the first look finds"
        );
        assert_eq!(at(1, &["a"]), set(&["a"]));
        assert_eq!(at(2, &["a", "b"]), set(&["a"]), "just back");
        assert_eq!(at(4, &["a"]), set(&["a"]));
        assert_eq!(at(5, &["a", "b"]), set(&["a"]), "back, and away in between");
        assert_eq!(
            at(8, &["a", "b"]),
            set(&["a", "b"]),
            "well for three seconds"
        );
    }
}
