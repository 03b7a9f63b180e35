//! The pooler's database file: which member answers under which name.
//!
//! Pure. It holds addresses; who has which is handed in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::config::{PooledDatabase, Route};
use super::database::Known;

/// The file, or nothing while no primary or not its address is known: then it
/// stays as it is.
pub fn databases_file(
    databases: &[PooledDatabase],
    known: &Known,
    addresses: &BTreeMap<String, IpAddr>,
) -> Option<String> {
    let primary = addresses.get(known.primary.as_ref()?)?;
    let standbys = known
        .readable
        .iter()
        .filter(|name| known.primary.as_ref() != Some(*name));
    let standbys: Vec<_> = standbys
        .filter_map(|name| addresses.get(name))
        .map(IpAddr::to_string)
        .collect();
    let mut text =
        "; Which member answers under which name. The agent replaces this file.\n[databases]\n"
            .to_owned();
    for database in databases {
        let hosts = match database.route {
            Route::Standbys if !standbys.is_empty() => standbys.join(","),
            Route::Standbys | Route::Primary => primary.to_string(),
        };
        text.push_str(&format!(
            "{} = host={hosts} {}\n",
            database.name, database.options
        ));
    }
    Some(text)
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

    /// db-N has the address 10.0.0.N; db-9 none.
    fn addresses() -> BTreeMap<String, IpAddr> {
        (1..=3)
            .map(|number| (format!("db-{number}"), IpAddr::from([10, 0, 0, number])))
            .collect()
    }

    fn file(known: &Known) -> Option<String> {
        databases_file(&databases(), known, &addresses())
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
        let text = file(&known(Some("db-2"), &["db-1", "db-3"])).unwrap();
        assert!(text.ends_with("[databases]\napp = host=10.0.0.2 dbname=app\napp_read = host=10.0.0.1,10.0.0.3 dbname=app pool_size=9\n"), "{text}");
    }

    #[test]
    fn reads_go_to_the_primary_while_no_standby_follows() {
        let text = file(&known(Some("db-1"), &[])).unwrap();
        assert!(
            text.contains("\napp_read = host=10.0.0.1 dbname=app"),
            "{text}"
        );
        let just_promoted = file(&known(Some("db-1"), &["db-1"])).unwrap();
        assert!(
            just_promoted.contains("\napp_read = host=10.0.0.1 "),
            "{just_promoted}"
        );
    }

    #[test]
    fn one_without_an_address_is_nobody() {
        assert_eq!(file(&known(Some("db-9"), &["db-1"])), None);
        let text = file(&known(Some("db-1"), &["db-2", "db-9"])).unwrap();
        assert!(
            text.contains("\napp_read = host=10.0.0.2 dbname=app"),
            "{text}"
        );
    }

    #[test]
    fn without_a_primary_the_file_stays_as_it_is() {
        assert_eq!(file(&known(None, &["db-2"])), None);
    }
}
