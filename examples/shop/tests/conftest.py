"""Fixtures: one PostgreSQL for all tests, a pooler, cache and shop for most.

Tests that hold, cut or end something ask for `start`, which gives them servers of
their own and ends these after the test.
"""

import itertools
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator

import pytest
from servers import SOURCE, Pooler, Postgres, Server, Shop, Valkey


def run_release(url: str) -> subprocess.CompletedProcess[str]:
    """Runs `python3 -m shop.release` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "shop.release"],
        cwd=SOURCE, timeout=60, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url},
    )  # fmt: skip


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("postgres")
    # The user that PostgreSQL borrows must be able to walk in.
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    server = Postgres(folder / "server")
    server.start()
    yield server
    server.stop()


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def new_database(postgres: Postgres) -> Callable[[], str]:
    """Makes an empty database and returns its name."""

    def make() -> str:
        name = f"shop_{next(_numbers)}"
        postgres.create(name)
        return name

    return make


@pytest.fixture(scope="session")
def database(postgres: Postgres, new_database: Callable[[], str]) -> str:
    """The database that most tests share, released."""
    name = new_database()
    done = run_release(postgres.url(name))
    assert done.returncode == 0, done.stderr
    return name


@pytest.fixture(scope="session")
def shared(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, database: str
) -> Iterator[tuple[Pooler, Valkey, Shop]]:
    started: list[Server] = []
    folder = tmp_path_factory.mktemp("shared")
    folder.chmod(0o755)
    try:
        pooler = Pooler(folder / "pooler", postgres)
        valkey = Valkey(folder / "valkey")
        for server in (pooler, valkey):
            server.start()
            started.append(server)
        shop = Shop(folder / "shop", DATABASE_URL=pooler.url(database), CACHE_URL=valkey.url)
        shop.start()
        started.append(shop)
        yield pooler, valkey, shop
    finally:
        for server in reversed(started):
            server.stop()


@pytest.fixture
def shop(shared: tuple[Pooler, Valkey, Shop]) -> Shop:
    """A running shop behind a transaction pooler, with a cache."""
    return shared[2]


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[[Server], Server]]:
    """Starts a server for this test alone."""
    started: list[Server] = []
    tmp_path.chmod(0o755)

    def begin(server: Server) -> Server:
        started.append(server)
        server.start()
        return server

    yield begin
    for server in reversed(started):
        server.kill()


@pytest.fixture
def new_id() -> Callable[[], str]:
    return lambda: uuid.uuid4().hex
