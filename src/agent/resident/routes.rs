//! The pooler's database file: which member answers under which name.
//!
//! Pure. Members stand in it by name: their certificates are for names, and the
//! pooler asks for a name's address again every few seconds.

use std::collections::BTreeSet;

use super::config::{PooledDatabase, Route};
use super::database::Known;

/// The file, or nothing while no primary is known: then it stays as it is.
pub fn databases_file(databases: &[PooledDatabase], known: &Known) -> Option<String> {
    let primary = known.primary.as_deref()?;
    let mut text =
        "; Which member answers under which name. The agent replaces this file.\n[databases]\n"
            .to_owned();
    for database in databases {
        let hosts = hosts(database.route, primary, &known.readable);
        text.push_str(&format!(
            "{} = host={hosts} {}\n",
            database.name, database.options
        ));
    }
    Some(text)
}

fn hosts(route: Route, primary: &str, readable: &BTreeSet<String>) -> String {
    let standbys: Vec<&str> = readable
        .iter()
        .map(String::as_str)
        .filter(|name| *name != primary)
        .collect();
    if route == Route::Primary || standbys.is_empty() {
        primary.to_owned()
    } else {
        standbys.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn databases() -> Vec<PooledDatabase> {
        let one = |name: &str, route, options: &str| PooledDatabase {
            name: name.to_owned(),
            route,
            options: options.to_owned(),
        };
        vec![
            one("app", Route::Primary, "dbname=app"),
            one("app_read", Route::Standbys, "dbname=app pool_size=9"),
        ]
    }

    fn known(primary: Option<&str>, readable: &[&str]) -> Known {
        Known {
            primary: primary.map(str::to_owned),
            readable: readable.iter().map(|name| (*name).to_owned()).collect(),
            ..Known::default()
        }
    }

    #[test]
    fn writes_go_to_the_primary_and_reads_to_the_standbys() {
        let text = databases_file(&databases(), &known(Some("db-2"), &["db-1", "db-3"])).unwrap();
        assert!(text.ends_with("[databases]\napp = host=db-2 dbname=app\napp_read = host=db-1,db-3 dbname=app pool_size=9\n"), "{text}");
    }

    #[test]
    fn reads_go_to_the_primary_while_no_standby_follows() {
        let text = databases_file(&databases(), &known(Some("db-1"), &[])).unwrap();
        assert!(text.contains("\napp_read = host=db-1 dbname=app"), "{text}");
        let just_promoted = databases_file(&databases(), &known(Some("db-1"), &["db-1"])).unwrap();
        assert!(
            just_promoted.contains("\napp_read = host=db-1 "),
            "{just_promoted}"
        );
    }

    #[test]
    fn without_a_primary_the_file_stays_as_it_is() {
        assert_eq!(databases_file(&databases(), &known(None, &["db-2"])), None);
    }
}
