//! What a restore would lose: tables and views of the database that a dump lacks.
//!
//! Rows that were written since the dump are lost as well, and nobody can name them.
//! Next: `restore.rs`.

use std::path::Path;

use scalectl_engine_docker::{DockerEngine, ExecRequest};

use super::{DATABASE, psql, refuse_failure};
use crate::cli::error::CommandError;

/// More than these are counted, not named.
const NAMED: usize = 8;
const LONGEST: usize = 16 << 20;

/// Each of them as a dump's table of contents calls it, and a tab, and its name. What
/// belongs to an extension is no entry of its own there.
const PRESENT: &str = "SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' \
     WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END || ' ' || n.nspname || ' ' || c.relname \
     || E'\\t' || c.oid::regclass \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' \
     AND n.nspname <> 'information_schema' \
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
                     AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY n.nspname, c.relname";

/// Names of what is in the database and not in the dump.
pub async fn by_restoring(
    engine: &DockerEngine,
    container: &str,
    file: &Path,
) -> Result<Vec<String>, CommandError> {
    let entries = entries(engine, container, file).await?;
    let ask = psql(DATABASE, &["-AtXqc".to_owned(), PRESENT.to_owned()]);
    let answer = engine.collect(container, &ask, LONGEST).await?;
    refuse_failure("psql", answer.code, &answer.stderr)?;
    Ok(lacking(&entries, &String::from_utf8_lossy(&answer.stdout)))
}

/// The dump's table of contents, which stands at its beginning.
async fn entries(
    engine: &DockerEngine,
    container: &str,
    file: &Path,
) -> Result<String, CommandError> {
    let failed = |source| CommandError::io(format!("read {}", file.display()), source);
    let mut dump = tokio::fs::File::open(file).await.map_err(failed)?;
    let request = ExecRequest {
        container: container.to_owned(),
        command: ["pg_restore", "--list"].map(str::to_owned).to_vec(),
        stdin: true,
        ..ExecRequest::default()
    };
    let (mut out, mut said) = (Vec::new(), Vec::new());
    let ended = engine.pipe(&request, &mut dump, &mut out, &mut said).await;
    refuse_failure("pg_restore", ended?, &said)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// `present` has a line for each: the entry that a dump has of it, a tab, its name.
fn lacking(entries: &str, present: &str) -> Vec<String> {
    let lines = present.lines().filter_map(|line| line.split_once('\t'));
    let is_lacking = |entry: &str| !entries.lines().any(|line| is_of(line, entry));
    lines
        .filter(|(entry, _)| is_lacking(entry))
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Whether a line, such as `215; 1259 16386 TABLE public orders app`, is that entry: its
/// owner follows, and nothing else.
fn is_of(line: &str, entry: &str) -> bool {
    let mut fields = line.splitn(4, ' ');
    let is_number = |field: Option<&str>, end: &str| {
        let number = field.and_then(|it| it.strip_suffix(end));
        number.is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_entry = is_number(fields.next(), ";")
        && is_number(fields.next(), "")
        && is_number(fields.next(), "");
    let owner = fields
        .next()
        .and_then(|it| it.strip_prefix(entry)?.strip_prefix(' '));
    is_entry && owner.is_some_and(|it| !it.contains(' '))
}

/// What is lost, in a sentence.
pub fn told(lost: &[String]) -> String {
    let since = "What was written since that dump is lost";
    match lost.len() {
        0 => format!("{since}."),
        count if count <= NAMED => {
            format!("{since}, and so is what it lacks: {}.", lost.join(", "))
        }
        count => format!(
            "{since}, and so is what it lacks: {} and {} more.",
            lost[..NAMED].join(", "),
            count - NAMED
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = ";\n; Archive created at 2026-11-23\n;     dbname: app\n\
        218; 1259 16390 TABLE public kept app\n\
        219; 1259 16391 TABLE public two words app\n\
        220; 1259 16392 VIEW public seen app\n\
        3421; 0 16390 TABLE DATA public kept app\n";

    #[test]
    fn what_a_dump_has_is_told_from_what_it_lacks_by_kind_schema_and_whole_name() {
        let present = "TABLE public kept\tkept\nTABLE public two\ttwo\nTABLE public two words\t\"two words\"\n\
                       VIEW public kept\tv\nTABLE other kept\tother.kept\nVIEW public seen\tseen\n";
        assert_eq!(lacking(LIST, present), ["two", "v", "other.kept"]);
    }

    #[test]
    fn a_comment_of_the_list_is_no_entry() {
        assert_eq!(
            lacking("; TABLE public kept app\n", "TABLE public kept\tkept"),
            ["kept"]
        );
    }

    #[test]
    fn many_are_counted() {
        let lost: Vec<_> = (1..=10).map(|number| format!("t{number}")).collect();
        assert_eq!(
            told(&lost),
            "What was written since that dump is lost, and so is what it lacks: t1, t2, t3, t4, t5, t6, t7, t8 and 2 more."
        );
        assert_eq!(told(&[]), "What was written since that dump is lost.");
    }
}
