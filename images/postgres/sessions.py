"""What is at work on this server, for whoever is about to hold or to move it: one look, changes nothing.

The agent asks for it by the verb `sessions` (handover.py). A statement leaves this server as PostgreSQL has it;
the agent takes every literal out before it says one to anybody (src/agent/resident/statement.rs).
"""

import json

# Lag in bytes of log that a standby has not replayed, and in ms as it says.
STANDBYS = """(SELECT coalesce(json_agg(one), '[]') FROM (
    SELECT application_name AS name, state, sync_state AS sync,
           CASE WHEN NOT pg_is_in_recovery()
                THEN greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint END AS lag_bytes,
           (extract(epoch FROM replay_lag) * 1000)::bigint AS lag_ms
      FROM pg_stat_replication ORDER BY 1, pid LIMIT 50) one)"""

# Sessions of clients but this one and Patroni's own (some of which have no name); replication is told apart. `held`: how long a
# transaction is open, in ms.
LOOK = """
SELECT json_build_object(
  'sessions', (SELECT coalesce(json_agg(one), '[]') FROM (
    SELECT pid, usename AS "user", datname AS database, application_name AS application,
           host(client_addr) AS client, state,
           (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::bigint AS open_ms,
           to_char(xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
           left(query, 4096) AS statement
      FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
       AND NOT (client_addr IS NULL AND usename = 'postgres'
                AND (application_name LIKE 'Patroni%' OR application_name = ''))
     ORDER BY xact_start NULLS LAST, pid LIMIT 500) one),
  'prepared', (SELECT coalesce(json_agg(one), '[]') FROM (
    SELECT gid, owner AS "user", database,
           (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint AS open_ms,
           to_char(prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
      FROM pg_prepared_xacts ORDER BY prepared LIMIT 100) one),
  'standbys', """ + STANDBYS + """,
  'timeouts', (SELECT coalesce(json_agg(one), '[]') FROM (
    SELECT r.rolname AS "user", d.datname AS database, split_part(c, '=', 1) AS name,
           split_part(c, '=', 2) AS value
      FROM pg_db_role_setting s
      LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase,
           unnest(s.setconfig) c
     WHERE split_part(c, '=', 1) LIKE '%timeout' LIMIT 50) one),
  'synchronous_standby_names', current_setting('synchronous_standby_names'),
  'is_in_recovery', pg_is_in_recovery())::text
"""


def look(run, is_synchronous):
    """`run` asks one statement and gives its first row."""
    run("SET statement_timeout = '2s'", False)
    (told,) = run(LOOK)
    # Whether Patroni is told to have synchronous standbys: then their names are its own to set.
    return {**json.loads(told), "is_synchronous": bool(is_synchronous)}


def standbys(run):
    (told,) = run(f"SELECT {STANDBYS}::text")
    return json.loads(told)
