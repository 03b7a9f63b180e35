//! Patroni's dynamic configuration, with the user's PostgreSQL settings in it.
//!
//! The founder of a cluster reads it once; later the agent brings the cluster
//! to it. Sources of the numbers: docs/decisions/, measured by hand under load.

use scalectl_model::Database;
use serde_json::{Map, Value, json};

const MIB: u64 = 1 << 20;

/// The document that Patroni keeps in its store.
pub(crate) fn dynamic(database: &Database) -> Value {
    json!({
        // How long a member that is gone keeps the leadership, in seconds.
        "ttl": 20,
        "loop_wait": 2,
        "retry_timeout": 3,
        // A primary that crashed is not waited for.
        "primary_start_timeout": 0,
        // The store away is no reason to stop taking writes.
        "failsafe_mode": true,
        "maximum_lag_on_failover": 16 * MIB,
        "postgresql": {"use_pg_rewind": true, "use_slots": true, "parameters": parameters(database)},
    })
}

/// The same for a cluster that follows the one of these members.
pub(crate) fn following(database: &Database, members: &[String]) -> Value {
    let mut dynamic = dynamic(database);
    dynamic["standby_cluster"] = json!({
        "host": members.join(","),
        "port": 5432,
        // Its other home: src/agent/resident/handover/crossing.rs.
        "primary_slot_name": "scalectl_move",
        "create_replica_methods": ["basebackup"],
    });
    dynamic
}

/// scalectl's own, with the user's on top.
fn parameters(database: &Database) -> Map<String, Value> {
    let memory_mib = database.memory.get() / MIB;
    let own = json!({
        "wal_level": "logical",
        "max_connections": 80,
        "max_worker_processes": 8,
        "max_wal_senders": 10,
        "max_replication_slots": 10,
        "max_slot_wal_keep_size": "1GB",
        "wal_keep_size": "128MB",
        "max_wal_size": "1GB",
        // A quarter and two thirds of a member's memory, as PostgreSQL's documentation advises.
        "shared_buffers": format!("{}MB", memory_mib / 4),
        "effective_cache_size": format!("{}MB", memory_mib * 2 / 3),
        "maintenance_work_mem": "32MB",
        "work_mem": "4MB",
        "jit": "off",
        // Here and not in a member's own file, which would win over what the user sets.
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_checkpoints": "off",
    });
    let mut parameters = match own {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    parameters.extend(
        database
            .settings
            .iter()
            .map(|(name, value)| (name.clone(), json!(value))),
    );
    parameters
}
