"""PostgreSQL behind a pooler, as an app should live with it.

- Transaction pooling: nothing here outlives a transaction (no prepared
  statements, session settings, session locks or temporary tables).
- A write may wait: a held write just takes longer, it is never cancelled.
- A connection may end at any moment: an idle one is replaced before use, and
  work that lost its connection runs again. Work must therefore be repeatable.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from shop import metrics

Row = dict[str, Any]
T = TypeVar("T")
Work = Callable[[AsyncConnection[Row]], Awaitable[T]]

CONNECT_OPTIONS: dict[str, Any] = {
    # Single reads need no BEGIN and COMMIT around them: one round trip, not three.
    "autocommit": True,
    # Never prepare. PgBouncer 1.24 could carry prepared statements over, but their
    # plans break when a release changes a table under code that is still serving.
    "prepare_threshold": None,
    # A login may be held as long as a write.
    "connect_timeout": 10,
    # A peer that vanished without a word is noticed after about ten seconds.
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}

WAITING_MOST = 2000
"""Requests that may queue for a connection; the next one gets 503 at once."""


class Database:
    """One address (for writes, or for reads) and its connections."""

    def __init__(self, name: str, url: str, *, pool_size: int, wait_seconds: float):
        self.name = name
        self._wait_seconds = wait_seconds
        self._question: asyncio.Task[list[Row]] | None = None
        self._pool: AsyncConnectionPool[AsyncConnection[Row]] = AsyncConnectionPool(
            url,
            kwargs=CONNECT_OPTIONS | {"row_factory": dict_row},
            name=name,
            min_size=1,
            max_size=pool_size,
            max_waiting=WAITING_MOST,
            max_idle=60,
            # The pool's own pause between attempts doubles from one second. Giving
            # up early and asking again finds a returning database sooner.
            reconnect_timeout=0.2,
            reconnect_failed=_ask_again,
            open=False,
        )

    async def open(self) -> None:
        """Starts connecting; an absent database is no reason not to start."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()

    async def fetch(self, query: str, *values: Any) -> list[Row]:
        """Runs one reading statement and returns its rows."""

        async def read(connection: AsyncConnection[Row]) -> list[Row]:
            return await (await connection.execute(query, values)).fetchall()

        return await self._run(read)

    async def transaction(self, work: Work[T]) -> T:
        """Runs `work` in one transaction, and again if the connection was lost.

        A connection lost during COMMIT leaves the outcome unknown: `work` must
        find out what is already there, as an order with a client's id does.
        """

        async def write(connection: AsyncConnection[Row]) -> T:
            async with connection.transaction():
                return await work(connection)

        return await self._run(write)

    async def _run(self, work: Work[T]) -> T:
        deadline = monotonic() + self._wait_seconds
        pause = 0.02
        while True:
            try:
                async with self._connection(deadline) as connection:
                    return await work(connection)
            except psycopg.Error as error:
                if not may_be_tried_again(error) or monotonic() + pause > deadline:
                    raise
            metrics.DATABASE_RETRIES.labels(self.name).inc()
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.5)

    @asynccontextmanager
    async def _connection(self, deadline: float) -> AsyncIterator[AsyncConnection[Row]]:
        # Not the pool's `check`: it sleeps a second after the second dead connection.
        while True:
            connection = await self._pool.getconn(timeout=max(deadline - monotonic(), 0.001))
            if await _is_alive(connection):
                break
            metrics.DATABASE_REPLACED.labels(self.name).inc()
            await connection.close()
            await self._pool.putconn(connection)
        try:
            yield connection
        finally:
            await self._pool.putconn(connection)

    async def answers_within(self, seconds: float) -> bool:
        """Asks the database for a sign of life.

        A question without an answer stays under way and is the next caller's too:
        to cancel it would wait for the server as well.
        """
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self.fetch("SELECT 1"))
            self._question.add_done_callback(lambda task: task.cancelled() or task.exception())
        question = self._question
        await asyncio.wait({question}, timeout=seconds)
        return question.done() and not question.cancelled() and question.exception() is None

    def statistics(self) -> dict[str, int]:
        return self._pool.get_stats()


def may_be_tried_again(error: psycopg.Error) -> bool:
    """Whether the same work may succeed on another connection, or a little later."""
    if isinstance(error, (PoolTimeout, TooManyRequests)):
        return False
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    # Connection lost, server going or coming, too many connections, serialization
    # or deadlock, and a former primary that became read-only.
    return state.startswith(("08", "57P")) or state in ("53300", "40001", "40P01", "25006")


async def _is_alive(connection: AsyncConnection[Row]) -> bool:
    """Looks whether an idle connection was ended, without a round trip.

    A quiet socket is alive. One with something to read has most likely been
    ended (but may hold a notice), so only then the server is asked.
    """
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if not poll.poll(0):
        return True
    try:
        await connection.execute("")
    except psycopg.Error:
        return False
    return True


async def _ask_again(pool: AsyncConnectionPool[Any]) -> None:
    """Makes the pool try to connect again while requests wait.

    The pool gave up on a connection; only a new request would make it try again,
    so ask for a connection and let the request time out.
    """
    if pool.get_stats()["requests_waiting"]:
        with suppress(PoolTimeout, TooManyRequests):
            await pool.putconn(await pool.getconn(timeout=0.05))
