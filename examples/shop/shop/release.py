"""`python3 -m shop.release`: brings the schema to the version of this code.

Runs before new code serves, while old code still does: a migration must only add.
All of it is one transaction under a lock that ends with it (a session's lock would
stay behind on a pooled connection), so it may be run twice, at the same moment
too, and a migration that fails leaves nothing. Next: `migrations/`, in order.
"""

import signal
import sys

# As in __main__.py; a release that was stopped is not a release.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("shop.release: stopped, nothing is changed"))

import logging  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from importlib.resources import files  # noqa: E402
from time import monotonic, sleep  # noqa: E402

import psycopg  # noqa: E402

from shop import settings  # noqa: E402

log = logging.getLogger("shop.release")

LOCK = 7_466_001
"""Any number that no other program uses in this database."""
WAIT_SECONDS = 60
"""How long to wait for a database that is not there yet."""


def migrations() -> Iterator[tuple[int, str, str]]:
    """Version, name and SQL of every migration, oldest first."""
    found = sorted(files("shop").joinpath("migrations").iterdir(), key=lambda file: file.name)
    for file in found:
        if file.name.endswith(".sql"):
            version, _, name = file.name.removesuffix(".sql").partition("_")
            yield int(version), name, file.read_text(encoding="utf-8")


def migrate(connection: psycopg.Connection) -> list[str]:
    """Applies what is missing, in one transaction; returns the names."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        # A change of a table waits for its readers, and everyone after waits for the
        # change: give up soon rather than stop the code that serves.
        connection.execute("SET LOCAL lock_timeout = '3s'")
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute(
            """CREATE TABLE IF NOT EXISTS schema_versions (
                   version int PRIMARY KEY, name text NOT NULL,
                   applied_at timestamptz NOT NULL DEFAULT now())"""
        )
        rows = connection.execute("SELECT version FROM schema_versions").fetchall()
        there = {version for (version,) in rows}
        applied = []
        for version, name, sql in migrations():
            if version in there:
                continue
            connection.execute(sql)  # type: ignore[arg-type]
            connection.execute(
                "INSERT INTO schema_versions (version, name) VALUES (%s, %s)", (version, name)
            )
            applied.append(name)
        return applied


def migrate_when_there(url: str, wait_seconds: float = WAIT_SECONDS) -> list[str]:
    """Waits for the database, and again for a lock or a connection that was lost."""
    deadline = monotonic() + wait_seconds
    while True:
        try:
            with psycopg.connect(
                url, autocommit=True, prepare_threshold=None, connect_timeout=10
            ) as connection:
                return migrate(connection)
        except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
            if monotonic() > deadline:
                raise
            log.info("not yet: %s", " ".join(str(error).split()))
            sleep(0.5)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        applied = migrate_when_there(settings.load().database_url)
    except (settings.SettingError, psycopg.Error) as error:
        sys.exit(f"shop.release: {error}")
    log.info("applied: %s", ", ".join(applied) or "nothing, all is there")


if __name__ == "__main__":
    main()
