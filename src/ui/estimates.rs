//! What a migration is expected to take, in words.

use std::time::Duration;

use scalectl_migrate::{Basis, Expected};

use crate::progress::seconds;
use crate::table::table;

/// An estimate for each step, and what they come to.
pub fn expected_text(expected: &Expected) -> String {
    let rows = expected.steps.iter().map(|one| {
        let held = match one.held_ms {
            0 => "no".to_owned(),
            ms => format!("about {ms} ms"),
        };
        let basis = match one.basis {
            Basis::History(1) => "taken once before".to_owned(),
            Basis::History(times) => format!("taken {times} times before"),
            Basis::Default => "a guess".to_owned(),
        };
        vec![one.number.to_string(), about(one.takes_ms), held, basis]
    });
    let rows: Vec<_> = rows.collect();
    let mut text = table(&["STEP", "TAKES", "WRITES WAIT", "ESTIMATED FROM"], &rows);
    text += &format!("in all {}", about(expected.takes_ms));
    text += &match expected.held_ms {
        0 => "; writes do not wait for the primary to move\n".to_owned(),
        ms => format!("; writes wait about {ms} ms, 2 s at most\n"),
    };
    text += "going back takes about as long; copies of the database that were destroyed are made anew\n";
    text
}

fn about(ms: u64) -> String {
    format!("about {}", seconds(Duration::from_millis(ms)))
}

#[cfg(test)]
mod tests {
    use scalectl_migrate::Estimate;

    use super::*;

    #[test]
    fn each_figure_says_where_it_is_from() {
        let step = |number, takes_ms, held_ms, basis| Estimate {
            number,
            takes_ms,
            held_ms,
            basis,
        };
        let expected = Expected {
            steps: vec![
                step(1, 12_400, 0, Basis::History(3)),
                step(2, 3_000, 300, Basis::Default),
            ],
            takes_ms: 15_400,
            held_ms: 300,
        };
        insta::assert_snapshot!(expected_text(&expected), @"
        STEP  TAKES         WRITES WAIT   ESTIMATED FROM
        1     about 12.4 s  no            taken 3 times before
        2     about 3.0 s   about 300 ms  a guess
        in all about 15.4 s; writes wait about 300 ms, 2 s at most
        going back takes about as long; copies of the database that were destroyed are made anew
        ");
    }
}
