"""A release may be run at any time, any number of times, and is whole or nothing."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from conftest import run_release
from servers import Pooler, wait_until
from shop import release

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


def test_a_second_run_changes_nothing(postgres, new_database):
    url = postgres.url(new_database())
    first, second = run_release(url), run_release(url)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "applied: shop, first_delivery" in first.stderr
    assert "applied: nothing" in second.stderr


def test_of_five_runs_at_once_behind_the_pooler_one_does_the_work(
    postgres, new_database, start, tmp_path
):
    name = new_database()
    url = start(Pooler(tmp_path / "pooler", postgres)).url(name)
    with ThreadPoolExecutor(5) as pool:
        runs = list(pool.map(lambda _: run_release(url), range(5)))

    assert [r.returncode for r in runs] == [0] * 5, "".join(r.stderr for r in runs)
    assert sum("applied: shop, first_delivery" in r.stderr for r in runs) == 1
    with postgres.connect(name) as connection:
        (locks,) = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        ).fetchone()
        (products,) = connection.execute("SELECT count(*) FROM products").fetchone()
    assert (locks, products) == (0, 101), "no lock may stay on a pooled connection"


def test_a_release_waits_for_the_one_that_is_under_way(postgres, new_database):
    name = new_database()
    with postgres.connect(name) as other, ThreadPoolExecutor(1) as pool:
        with other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(%s)", (release.LOCK,))
            run = pool.submit(run_release, postgres.url(name))
            waits = """SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
                        WHERE locktype = 'advisory' AND NOT granted AND datname = %s"""
            wait_until(lambda: other.execute(waits, (name,)).fetchone(), "the release waits")
            assert other.execute(TABLES).fetchone() == (0,), "it must not touch anything yet"
        assert run.result().returncode == 0, run.result().stderr


def test_a_migration_that_fails_leaves_nothing(postgres, new_database, monkeypatch):
    name = new_database()
    good = list(release.migrations())
    monkeypatch.setattr(release, "migrations", lambda: [*good, (3, "bad", "SELECT 1 / 0")])

    with postgres.connect(name) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            release.migrate(connection)
        assert connection.execute(TABLES).fetchone() == (0,)
    monkeypatch.undo()
    assert run_release(postgres.url(name)).returncode == 0


def test_a_release_waits_for_a_database_that_is_not_there_yet(
    postgres, new_database, start, tmp_path
):
    pooler = Pooler(tmp_path / "pooler", postgres)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(run_release, pooler.url(new_database()))
        assert not run.done()
        start(pooler)
        assert run.result().returncode == 0, run.result().stderr


def test_versions_are_unique_and_in_order():
    versions = [version for version, _, _ in release.migrations()]
    assert versions == list(range(1, len(versions) + 1))
