"""The catalogue: read often, changed seldom, so it is answered from the cache.

The cached text is the finished answer. A change forgets it; readers that race
with a change or read from a replica may see the old one for KEPT_SECONDS.
"""

import json

from shop.cache import Cache
from shop.database import Database

KEY = "shop:catalogue:1"
KEPT_SECONDS = 5


async def read(reads: Database, cache: Cache) -> tuple[bytes, str]:
    """Returns the catalogue as JSON, and what the cache did."""
    text, result = await cache.get(KEY)
    if text is None:
        rows = await reads.fetch("SELECT sku, name, price_cents FROM products ORDER BY sku")
        text = json.dumps({"products": rows}).encode()
        if result == "miss":
            await cache.put(KEY, text, KEPT_SECONDS)
    return text, result


async def set_price(writes: Database, cache: Cache, sku: str, price_cents: int) -> bool:
    """Changes a price; false when there is no such product."""

    async def work(connection) -> bool:
        changed = await connection.execute(
            "UPDATE products SET price_cents = %s WHERE sku = %s", (price_cents, sku)
        )
        return changed.rowcount == 1

    changed = await writes.transaction(work)
    if changed:
        await cache.forget(KEY)
    return changed
