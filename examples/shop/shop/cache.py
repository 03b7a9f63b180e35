"""The catalogue's cache: quick when it is there, never in the way when it is not.

Works without CACHE_URL and with a cache that is down, slow or silent: every call
ends within a fraction of a second, and a failing cache is left alone for a while.
Must never raise, and never hold anything that is not also in the database.
"""

import logging
from time import monotonic

log = logging.getLogger("shop.cache")

TIMEOUT_SECONDS = 0.2
LEFT_ALONE_SECONDS = 1.0


class Cache:
    def __init__(self, url: str | None):
        self._client = _client(url) if url else None
        self._left_alone_until = 0.0

    async def get(self, key: str) -> tuple[bytes | None, str]:
        """Returns the value, if there is one, and how it went: hit, miss, down or off."""
        if self._client is None:
            return None, "off"
        value, is_up = await self._try(self._client.get, key)
        return value, "down" if not is_up else "miss" if value is None else "hit"

    async def put(self, key: str, value: bytes, seconds: int) -> None:
        if self._client is not None:
            await self._try(self._client.set, key, value, ex=seconds)

    async def forget(self, key: str) -> None:
        if self._client is not None:
            await self._try(self._client.delete, key)

    async def state(self) -> str:
        """Says up, down or off."""
        if self._client is None:
            return "off"
        _, is_up = await self._try(self._client.ping)
        return "up" if is_up else "down"

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _try(self, call, *values, **options):
        from redis.exceptions import RedisError

        if monotonic() < self._left_alone_until:
            return None, False
        try:
            return await call(*values, **options), True
        except (RedisError, OSError) as error:
            self._left_alone_until = monotonic() + LEFT_ALONE_SECONDS
            # The kind only: the text may hold the address.
            log.warning("cache does not answer (%s)", type(error).__name__)
            return None, False


def _client(url: str):
    # Imported here: a phase without a cache saves the time and the memory.
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError

    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        # Once more, at once: an idle connection may have been ended. The library's
        # default (three times with growing pauses) would hold a request for seconds.
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        max_connections=64,
    )
