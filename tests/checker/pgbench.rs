//! pgbench (TPC-B) through the pooler, from a container in the stack's network.
//!
//! Its own balances tell whether a transaction was lost or done twice: what accounts,
//! branches and tellers hold, and what the history says, is the same sum.

use std::fmt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::reading::{primary, psql};
use super::relay::{network, told_to_the_app};
use crate::support::{Stack, run};

const IMAGE: &str = concat!("scalectl/postgres:", env!("CARGO_PKG_VERSION"));
const CLIENTS: &str = "8";
/// Transactions a second.
const RATE: &str = "100";
const SCALE: &str = "5";

pub struct Pgbench<'a> {
    stack: &'a Stack,
    network: String,
    login: tokio_postgres::Config,
}

pub struct Running {
    child: Child,
    begun: Instant,
    lasts: Duration,
}

/// What it says of itself at the end.
pub struct Done {
    pub transactions: u64,
    pub longest: String,
}

impl<'a> Pgbench<'a> {
    /// Makes its tables.
    pub fn prepare(stack: &'a Stack) -> Self {
        let url = told_to_the_app(stack, "DATABASE_URL");
        let bench = Self {
            stack,
            network: network(stack),
            // Not the parser's words: they may hold the address.
            login: url
                .parse()
                .unwrap_or_else(|_| panic!("an address of PostgreSQL")),
        };
        let made = run(&mut bench.command("init", &["-i", "-s", SCALE, "-q"]));
        assert_eq!(made.code, 0, "pgbench makes its tables: {}", made.err);
        bench
    }

    pub fn start(&self, lasts: Duration) -> Running {
        let seconds = lasts.as_secs().to_string();
        let work = [
            "-c", CLIENTS, "-R", RATE, "-M", "prepared", "-T", &seconds, "-n",
        ];
        let mut command = self.command("run", &work);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running {
            child: command.spawn().expect("docker starts"),
            begun: Instant::now(),
            lasts,
        }
    }

    /// Every sum is the same, and every transaction that was counted stands in the history.
    pub fn balances_agree(&self, transactions: u64) {
        let sums = "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(bbalance) FROM pgbench_branches), \
                    (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(delta) FROM pgbench_history), \
                    (SELECT count(*) FROM pgbench_history)";
        let told = psql(&primary(self.stack), "app", sums);
        let numbers: Vec<_> = told.out.split_whitespace().collect();
        let [accounts, branches, tellers, history, count] = numbers[..] else {
            panic!("five numbers, but: {}{}", told.out, told.err);
        };
        assert_eq!(
            [accounts, branches, tellers],
            [history; 3],
            "balances agree"
        );
        assert_eq!(count, transactions.to_string(), "each once");
    }

    fn command(&self, name: &str, args: &[&str]) -> Command {
        let password = self.login.get_password().expect("it has a password");
        let mut command = Command::new("docker");
        command.args([
            "run",
            "--rm",
            "--network",
            &self.network,
            "--entrypoint",
            "pgbench",
        ]);
        command.args(["--name", &format!("{}-pgbench-{name}", self.stack.name)]);
        // Only the name stands in the arguments.
        command.args(["--env", "PGPASSWORD", IMAGE]);
        command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
        command.args(["-h", "pooler", "-p", "6432", "-U", "app"]);
        command.args(args).arg("app");
        command
    }
}

impl Running {
    /// Something that takes so long would end within it.
    pub fn has_left(&self, time: Duration) -> bool {
        self.begun.elapsed() + time <= self.lasts
    }

    /// Waits for its end, which must be without any error.
    pub fn finish(self) -> Done {
        let ended = self.child.wait_with_output().expect("pgbench ends");
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "pgbench ends well:\n{said}{errors}");
        let after = |label: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(label));
            line.map(|rest| rest.trim().to_owned())
        };
        let failed = after("number of failed transactions:").unwrap_or_default();
        assert!(failed.starts_with("0 "), "none failed:\n{said}{errors}");
        let count = after("number of transactions actually processed:");
        let count = count.and_then(|text| text.split('/').next()?.trim().parse().ok());
        Done {
            transactions: count.unwrap_or_else(|| panic!("it counts:\n{said}")),
            longest: after("rate limit schedule lag:").unwrap_or_default(),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            transactions,
            longest,
        } = self;
        write!(f, "{transactions} transactions, schedule lag {longest}")
    }
}
