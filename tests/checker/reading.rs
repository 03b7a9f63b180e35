//! Reads what the primary holds, from the primary itself: past edge, app and pooler.

use std::collections::BTreeMap;
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::state::{Part, Rows, State};
use crate::support::{Ran, Stack, run};

/// Database members that run, by container.
pub fn members(stack: &Stack) -> Vec<String> {
    let name = format!("{}-db", stack.name);
    let is_member = |container: &String| {
        // `-1-1`, or `2-1-1` of a cluster that the database moved to.
        let rest = container
            .strip_prefix(&name)
            .and_then(|it| it.split_once('-'));
        rest.is_some_and(|(generation, _)| generation.bytes().all(|it| it.is_ascii_digit()))
    };
    let running = stack.running().into_iter().map(|(container, _)| container);
    running.filter(is_member).collect()
}

/// `psql` as the superuser on one member; an SQL text of one or several statements.
pub fn psql(member: &str, database: &str, sql: &str) -> Ran {
    let mut command = Command::new("docker");
    command.args(["exec", member, "psql", "--host=/run/postgresql", "-U"]);
    command.args(["postgres", "--dbname", database, "-qAt", "-F", " "]);
    run(command.args(["-v", "ON_ERROR_STOP=1", "-c", sql]))
}

/// Those that take writes.
pub fn primaries(stack: &Stack) -> Vec<String> {
    let mut members = members(stack);
    members.retain(|member| {
        let said = psql(member, "postgres", "SELECT pg_is_in_recovery()");
        said.code == 0 && said.out.trim() == "f"
    });
    members
}

/// The one that takes writes; two of them is the worst that can be.
pub fn primary(stack: &Stack) -> String {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let all = primaries(stack);
        assert!(all.len() < 2, "two members take writes: {all:?}");
        if let Some(one) = all.first() {
            return one.clone();
        }
        assert!(Instant::now() < give_up, "no member takes writes for 60 s");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Waits until as many standbys as that follow the primary. Not for under a load: each
/// question starts a process in a container.
pub fn wait_for_standbys(stack: &Stack, count: usize) {
    let give_up = Instant::now() + Duration::from_secs(90);
    let ask = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
    loop {
        let said = psql(&primary(stack), "postgres", ask);
        if said.out.trim() == count.to_string() {
            return;
        }
        assert!(
            Instant::now() < give_up,
            "{count} standbys follow within 90 s, but: {}{}",
            said.out,
            said.err
        );
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// All that the population wrote; `prefix` is what its orders begin with.
pub fn read(primary: &str, prefix: &str) -> State {
    let sql = format!(
        "SELECT 'append', id, count(*) FROM checker.appends GROUP BY id
         UNION ALL SELECT 'counter', key, value FROM checker.counters
         UNION ALL SELECT 'beat', number, 0 FROM checker.beat;
         SELECT 'part', id, key, value FROM checker.parts;
         SELECT 'order', substr(o.id, length('{prefix}-') + 1), 1, coalesce(l.n, 0), coalesce(m.n, 0), 0
           FROM orders o
           LEFT JOIN (SELECT order_id, count(*) n FROM order_lines GROUP BY 1) l ON l.order_id = o.id
           LEFT JOIN (SELECT order_id, count(*) n FROM stock_movements GROUP BY 1) m ON m.order_id = o.id
          WHERE o.id LIKE '{prefix}-%';
         SELECT 'transfer', substr(t.id, length('{prefix}-') + 1), 1, 0, coalesce(m.n, 0), coalesce(m.sum, 0)
           FROM transfers t
           LEFT JOIN (SELECT transfer_id, count(*) n, sum(change) FROM stock_movements GROUP BY 1) m
                  ON m.transfer_id = t.id
          WHERE t.id LIKE '{prefix}-%';
         SELECT 'audit', 'wrong-quantities', count(*) FROM stock s
          WHERE quantity <> (SELECT coalesce(sum(change), 0) FROM stock_movements m
                              WHERE m.sku = s.sku AND m.place = s.place);"
    );
    let said = psql(primary, "app", &sql);
    assert_eq!(said.code, 0, "the primary is read: {}", said.err);
    parse(&said.out)
}

fn parse(text: &str) -> State {
    let mut state = State::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["append", id, times] => drop(state.appends.insert(of(id), of(times))),
            ["counter", key, value] => drop(state.counters.insert(of(key), of(value))),
            ["beat", number, _] => state.beat = of(number),
            ["part", id, key, value] => {
                let (key, value) = (of(key), of(value));
                let parts = state.parts.entry(of(id)).or_default();
                parts.push(Part { key, value });
            }
            ["order", id, ref rows @ ..] => put(&mut state.orders, id, rows),
            ["transfer", id, ref rows @ ..] => put(&mut state.transfers, id, rows),
            ["audit", what, count] => drop(state.audit.insert(what.to_owned(), of(count))),
            _ => panic!("not a line of the reading: {line}"),
        }
    }
    state
}

fn put(all: &mut BTreeMap<u64, Rows>, id: &str, rows: &[&str]) {
    let [heads, lines, movements, sum] = rows else {
        panic!("four numbers, but: {rows:?}");
    };
    let rows = Rows {
        heads: of(heads),
        lines: of(lines),
        movements: of(movements),
        sum: of(sum),
    };
    all.insert(of(id), rows);
}

fn of<T: FromStr>(word: &str) -> T {
    let number = word.parse().ok();
    number.unwrap_or_else(|| panic!("{word} is a number"))
}
