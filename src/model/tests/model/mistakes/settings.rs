//! PostgreSQL settings that are refused, and why.

use insta::assert_snapshot;

use crate::mistakes_after_start;

#[test]
fn a_setting_that_belongs_to_scalectl_says_why() {
    assert_snapshot!(mistakes_after_start(r#"
database:
  settings:
    wal_level: logical
    ssl_cert_file: x
    fsync: off
    archive_mode: on
    listen_addresses: "*"
    log_directory: /tmp
"#), @r#"
    scalectl::model::mistakes

      x scale.yaml has 6 mistakes

    Error: scalectl::model::owned_setting

      x `wal_level` belongs to scalectl: replication between members and migrations depend on it
       ,-[scale.yaml:5:5]
     4 |   settings:
     5 |     wal_level: logical
       :     ^^^^|^^^^
       :         `-- this
     6 |     ssl_cert_file: x
       `----
      help: leave it out; the phase decides how members follow each other

    Error: scalectl::model::owned_setting

      x `ssl_cert_file` belongs to scalectl: scalectl makes the certificates and passwords of the
      | stack
       ,-[scale.yaml:6:5]
     5 |     wal_level: logical
     6 |     ssl_cert_file: x
       :     ^^^^^^|^^^^^^
       :           `-- this
     7 |     fsync: off
       `----
      help: leave it out; connections inside the stack use TLS and SCRAM already

    Error: scalectl::model::owned_setting

      x `fsync` belongs to scalectl: an acknowledged write must outlive a crash
       ,-[scale.yaml:7:5]
     6 |     ssl_cert_file: x
     7 |     fsync: off
       :     ^^|^^
       :       `-- this
     8 |     archive_mode: on
       `----
      help: leave it out; a transaction that may be lost can say `SET LOCAL synchronous_commit = off`
            itself

    Error: scalectl::model::owned_setting

      x `archive_mode` belongs to scalectl: archiving is not set up by this version of scalectl
       ,-[scale.yaml:8:5]
     7 |     fsync: off
     8 |     archive_mode: on
       :     ^^^^^^|^^^^^
       :           `-- this
     9 |     listen_addresses: "*"
       `----
      help: leave it out; `scalectl db dump` writes a backup

    Error: scalectl::model::owned_setting

      x `listen_addresses` belongs to scalectl: pooler, monitoring and Patroni reach the database by
      | it
        ,-[scale.yaml:9:5]
      8 |     archive_mode: on
      9 |     listen_addresses: "*"
        :     ^^^^^^^^|^^^^^^^
        :             `-- this
     10 |     log_directory: /tmp
        `----
      help: leave it out; the app reaches the database by DATABASE_URL

    Error: scalectl::model::owned_setting

      x `log_directory` belongs to scalectl: it decides where files lie inside the container
        ,-[scale.yaml:10:5]
      9 |     listen_addresses: "*"
     10 |     log_directory: /tmp
        :     ^^^^^^|^^^^^^
        :           `-- this
        `----
      help: leave it out; `scalectl logs db-1` shows what PostgreSQL logs
    "#);
}

/// Whatever scalectl or Patroni writes itself is refused, not taken and ignored.
#[test]
fn no_setting_is_taken_that_would_be_ignored_or_break_the_stack() {
    let owned = [
        "wal_level",
        "hot_standby",
        "max_replication_slots",
        "max_wal_senders",
        "wal_keep_size",
        "synchronous_standby_names",
        "primary_conninfo",
        "primary_slot_name",
        "recovery_target",
        "recovery_end_command",
        "restore_command",
        "archive_command",
        "archive_library",
        "listen_addresses",
        "port",
        "cluster_name",
        "unix_socket_directories",
        "ssl",
        "ssl_ciphers",
        "password_encryption",
        "hba_file",
        "ident_file",
        "data_directory",
        "config_file",
        "wal_receiver_create_temp_slot",
        "wal_sender_timeout",
        "ttl",
        "loop_wait",
        "pg_hba",
        "synchronous_mode",
        "maximum_lag_on_failover",
        "use_slots",
        "zero_damaged_pages",
        "default_transaction_read_only",
        "fsync",
    ];
    for name in owned {
        let said = mistakes_after_start(&format!("database: {{settings: {{{name}: 1}}}}"));
        assert!(said.contains("owned_setting"), "{name}: {said}");
    }
}

#[test]
fn fewer_connections_than_the_poolers_pools_are_refused_with_the_least() {
    assert_snapshot!(mistakes_after_start("database: {settings: {max_connections: 79}}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_setting_value

      x the value of `max_connections` is less than 80
       ,-[scale.yaml:3:40]
     2 | app: {build: .}
     3 | database: {settings: {max_connections: 79}}
       :                                        ^|
       :                                         `-- this value
       `----
      help: the pooler's connections, monitoring and replication need that many; the app gets its
            share from the pooler, however low this is
    ");
}

/// Patroni would leave it out, and nobody would know.
#[test]
fn a_setting_that_postgresql_does_not_have_is_refused_with_the_nearest() {
    let said = |name: &str| mistakes_after_start(&format!("database: {{settings: {{{name}: 1}}}}"));
    let typo = said("work_memm");
    assert!(
        typo.contains("`work_memm` is no name of a PostgreSQL setting"),
        "{typo}"
    );
    assert!(typo.contains("did you mean `work_mem`?"), "{typo}");
    assert!(said("server_version").contains("bad_setting"));
    let near_an_owned_one = said("wal_levl");
    assert!(
        !near_an_owned_one.contains("`wal_level`"),
        "{near_an_owned_one}"
    );
    assert!(said("quizzical").contains("PostgreSQL's manual lists them"));
}

#[test]
fn a_setting_has_a_name_and_a_value_of_one_line() {
    assert_snapshot!(mistakes_after_start("database: {settings: {Work-Mem: 8MB, work_mem: \"8\\nMB\"}}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::bad_setting

      x `Work-Mem` is no name of a PostgreSQL setting
       ,-[scale.yaml:3:23]
     2 | app: {build: .}
     3 | database: {settings: {Work-Mem: 8MB, work_mem: "8\nMB"}}
       :                       ^^^^|^^^
       :                           `-- this
       `----
      help: did you mean `work_mem`?

    Error: scalectl::model::bad_setting_value

      x the value of `work_mem` is not one line
       ,-[scale.yaml:3:48]
     2 | app: {build: .}
     3 | database: {settings: {Work-Mem: 8MB, work_mem: "8\nMB"}}
       :                                                ^^^|^^^
       :                                                   `-- this value
       `----
      help: its value must be one line without control characters
    "#);
}
