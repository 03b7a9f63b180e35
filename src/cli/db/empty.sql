-- What `db restore` does before the dump's own statements, in the same transaction: takes
-- everything out of the app's database, so that it holds what the dump has and nothing else.
BEGIN;
-- Here everything that is in use is waited for; the dump's script sets no limit.
SET LOCAL lock_timeout = '60s';
SET LOCAL statement_timeout = 0;
SET LOCAL client_min_messages = warning;
SET LOCAL event_triggers = off;
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger
        UNION ALL SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication
        UNION ALL SELECT format('DROP EXTENSION IF EXISTS %I CASCADE', extname)
            FROM pg_extension WHERE extname <> 'plpgsql'
    LOOP
        EXECUTE statement;
    END LOOP;
    -- What an extension had is gone by now, so each of these is somebody's own.
    FOR statement IN
        SELECT format('DROP SCHEMA %I CASCADE', nspname)
          FROM pg_namespace
         WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        UNION ALL SELECT format('DROP FOREIGN DATA WRAPPER IF EXISTS %I CASCADE', fdwname)
            FROM pg_foreign_data_wrapper
    LOOP
        EXECUTE statement;
    END LOOP;
    PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
END $$;
-- As a new database has it: a dump tells only how its own differs from that.
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
COMMENT ON SCHEMA public IS 'standard public schema';
GRANT USAGE ON SCHEMA public TO PUBLIC;
