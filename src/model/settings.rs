//! Settings: which PostgreSQL settings a person may set.
//!
//! Refused are those that scalectl sets itself, each with the reason, because
//! two masters of one setting end in a database that does not start or that
//! loses what it promised to keep. Names are as in PostgreSQL's manual,
//! chapter "Server Configuration".
//! Next: `decode.rs` (the section `database`).

use std::collections::BTreeMap;

use crate::cause::Cause;
use crate::fields::{Decode, Reader, Spanned};
use crate::node::Node;
use crate::suggest;
use crate::units::Text;
use crate::values::AnyScalar;

/// Why scalectl owns a group of settings, and what to do instead.
struct Owned {
    names: &'static [&'static str],
    /// Every name that starts with one of these.
    prefixes: &'static [&'static str],
    reason: &'static str,
    hint: &'static str,
}

const OWNED: [Owned; 9] = [
    Owned {
        names: &[
            "wal_level",
            "max_wal_senders",
            "max_replication_slots",
            "max_slot_wal_keep_size",
            "wal_keep_size",
            "wal_log_hints",
            "wal_sender_timeout",
            "hot_standby",
            "synchronous_standby_names",
            "sync_replication_slots",
            "synchronized_standby_slots",
            "track_commit_timestamp",
            "restart_after_crash",
        ],
        prefixes: &["primary_", "recovery_", "wal_receiver_"],
        reason: "replication between members and migrations depend on it",
        hint: "leave it out; the phase decides how members follow each other",
    },
    Owned {
        names: &["fsync", "full_page_writes", "synchronous_commit"],
        prefixes: &[],
        reason: "an acknowledged write must outlive a crash",
        hint: "leave it out; a transaction that may be lost can say `SET LOCAL \
               synchronous_commit = off` itself",
    },
    Owned {
        names: &[
            "data_sync_retry",
            "ignore_checksum_failure",
            "ignore_invalid_pages",
            "zero_damaged_pages",
        ],
        prefixes: &[],
        reason: "damaged data would be passed over in silence",
        hint: "leave it out; a damaged member copies its data anew from another one, or a dump is \
               restored",
    },
    Owned {
        names: &["default_transaction_read_only", "transaction_read_only"],
        prefixes: &[],
        reason: "roles, the app and changes of its schema have to be written",
        hint: "leave it out; what only reads can use DATABASE_READ_URL",
    },
    Owned {
        names: &["listen_addresses", "port", "cluster_name"],
        prefixes: &["unix_socket_", "bonjour"],
        reason: "pooler, monitoring and Patroni reach the database by it",
        hint: "leave it out; the app reaches the database by DATABASE_URL",
    },
    Owned {
        names: &["password_encryption"],
        prefixes: &["gss_", "krb_", "ssl"],
        reason: "scalectl makes the certificates and passwords of the stack",
        hint: "leave it out; connections inside the stack use TLS and SCRAM already",
    },
    Owned {
        names: &[
            "hba_file",
            "ident_file",
            "config_file",
            "data_directory",
            "external_pid_file",
            "logging_collector",
            "log_destination",
            "log_directory",
            "log_filename",
            "log_file_mode",
            "event_source",
        ],
        prefixes: &["log_rotation_", "log_truncate_", "syslog_"],
        reason: "it decides where files lie inside the container",
        hint: "leave it out; `scalectl logs db-1` shows what PostgreSQL logs",
    },
    Owned {
        names: &["restore_command"],
        prefixes: &["archive_"],
        reason: "archiving is not set up by this version of scalectl",
        hint: "leave it out; `scalectl db dump` writes a backup",
    },
    Owned {
        names: &[
            "check_timeline",
            "failsafe_mode",
            "ignore_slots",
            "loop_wait",
            "pause",
            "pg_hba",
            "pg_ident",
            "retry_timeout",
            "slots",
            "standby_cluster",
            "ttl",
        ],
        prefixes: &[
            "master_start_",
            "master_stop_",
            "maximum_lag_",
            "member_slots_",
            "synchronous_mode",
            "synchronous_node_",
            "use_",
        ],
        reason: "it is no setting of PostgreSQL's but of Patroni's, by which members are led",
        hint: "leave it out; the phase decides how members follow each other",
    },
];

/// What Patroni passes on to PostgreSQL 17: it leaves out all others and only its log says so.
/// Source: the postgres image, Patroni's `available_parameters`; `tests/paths.rs` compares.
const KNOWN: &str = include_str!("postgres_17_settings.txt");

/// The pools of two poolers, one of which replaces the other, monitoring, Patroni and
/// replication fit into so many (`templates/compose/pooler/databases.ini.hbs`).
const LEAST_CONNECTIONS: u32 = 80;

/// PostgreSQL settings that a person may set, with their values as text.
pub(crate) struct Settings(pub BTreeMap<String, String>);

/// The name of such a setting.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SettingName(String);

impl Text for SettingName {
    fn parse(text: &str) -> Result<Self, Cause> {
        // PostgreSQL does not mind the case of a name; one spelling is enough here.
        let lower = text.to_ascii_lowercase();
        if let Some(&Owned { reason, hint, .. }) = owner(&lower) {
            return Err(Cause::OwnedSetting {
                setting: text.to_owned(),
                reason,
                hint,
            });
        }
        let right = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if lower == text
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(right)
        {
            // With a dot it is an extension's.
            return match text.contains('.') || KNOWN.lines().any(|known| known == text) {
                true => Ok(Self(text.to_owned())),
                false => Err(unknown(text)),
            };
        }
        let near = lower.replace(['-', ' '], "_");
        Err(Cause::BadSetting {
            setting: text.to_owned(),
            hint: match near != text && Self::parse(&near).is_ok() {
                true => format!("did you mean `{near}`?"),
                false => {
                    "a setting is named as in PostgreSQL's manual, such as `work_mem`".to_owned()
                }
            },
        })
    }
}

/// Who owns a setting, if scalectl does.
fn owner(name: &str) -> Option<&'static Owned> {
    OWNED.iter().find(|owned| {
        let mut prefixes = owned.prefixes.iter();
        owned.names.contains(&name) || prefixes.any(|prefix| name.starts_with(prefix))
    })
}

fn unknown(name: &str) -> Cause {
    let free: Vec<_> = KNOWN.lines().filter(|it| owner(it).is_none()).collect();
    let hint = match suggest::nearest(name, &free) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "PostgreSQL's manual lists them; one of an extension has the extension's name and \
                 a dot before it"
            .to_owned(),
    };
    Cause::BadSetting {
        setting: name.to_owned(),
        hint,
    }
}

impl Decode for Settings {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let map = BTreeMap::<SettingName, Spanned<AnyScalar>>::decode(node, reader)?;
        let mut settings = BTreeMap::new();
        for (
            SettingName(name),
            Spanned {
                value: AnyScalar(value),
                at,
            },
        ) in map
        {
            if let Some((fault, hint)) = wrong(&name, &value) {
                let setting = name;
                reader.report(
                    Cause::BadSettingValue {
                        setting,
                        fault,
                        hint,
                    },
                    at,
                    "this value",
                );
                continue;
            }
            settings.insert(name, value);
        }
        Some(Self(settings))
    }
}

/// What is wrong with a value, and what to do.
fn wrong(name: &str, value: &str) -> Option<(String, String)> {
    if value.contains(|c: char| c.is_control()) {
        let hint = "its value must be one line without control characters";
        return Some(("not one line".to_owned(), hint.to_owned()));
    }
    let is_few = |it: u32| it < LEAST_CONNECTIONS;
    (name == "max_connections" && value.parse().is_ok_and(is_few)).then(|| {
        let hint = "the pooler's connections, monitoring and replication need that many; the app \
                    gets its share from the pooler, however low this is";
        (format!("less than {LEAST_CONNECTIONS}"), hint.to_owned())
    })
}
