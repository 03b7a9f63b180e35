"""Stock: how much lies where, moved between places all or nothing.

Every change is also a row in stock_movements, so the sum of the movements must
always be the quantity that is kept: `audit` counts what breaks that or any other
promise of a transaction. Next: `orders.py` (the other writer of stock).
"""

from psycopg import AsyncConnection

from shop.database import Database, Row
from shop.orders import IdTaken, OutOfStock, UnknownProduct


async def of_product(database: Database, sku: str) -> dict[str, int]:
    """Quantities by place; empty when there is no such product."""
    rows = await database.fetch("SELECT place, quantity FROM stock WHERE sku = %s", sku)
    return {row["place"]: row["quantity"] for row in rows}


async def transfer(
    database: Database, transfer_id: str, from_place: str, to_place: str, quantities: dict[str, int]
) -> bool:
    """Moves products between two places; returns whether the transfer is new."""

    async def work(connection: AsyncConnection[Row]) -> bool:
        inserted = await connection.execute(
            """INSERT INTO transfers (id, from_place, to_place) VALUES (%s, %s, %s)
               ON CONFLICT (id) DO NOTHING""",
            (transfer_id, from_place, to_place),
        )
        if inserted.rowcount == 0:
            await _same_transfer(connection, transfer_id, from_place, to_place, quantities)
            return False
        await _lock(connection, from_place, to_place, quantities)
        await _move(connection, transfer_id, from_place, to_place, quantities)
        return True

    return await database.transaction(work)


async def _same_transfer(
    connection: AsyncConnection[Row],
    transfer_id: str,
    from_place: str,
    to_place: str,
    quantities: dict[str, int],
) -> None:
    found = await connection.execute(
        """SELECT t.from_place, t.to_place, m.sku, m.change
             FROM transfers t JOIN stock_movements m ON m.transfer_id = t.id
            WHERE t.id = %s AND m.change > 0""",
        (transfer_id,),
    )
    rows = await found.fetchall()
    places = {(row["from_place"], row["to_place"]) for row in rows}
    moved = {row["sku"]: row["change"] for row in rows}
    if (places, moved) != ({(from_place, to_place)}, quantities):
        raise IdTaken(f"transfer {transfer_id} exists with another content")


async def _lock(
    connection: AsyncConnection[Row], from_place: str, to_place: str, quantities: dict[str, int]
) -> None:
    locked = await connection.execute(
        """SELECT sku, place, quantity FROM stock
            WHERE place IN (%s, %s) AND sku = ANY(%s)
            ORDER BY sku, place FOR UPDATE""",
        (from_place, to_place, list(quantities)),
    )
    here = {r["sku"]: r["quantity"] for r in await locked.fetchall() if r["place"] == from_place}
    if unknown := sorted(set(quantities) - set(here)):
        raise UnknownProduct(f"not in the catalogue: {', '.join(unknown)}")
    if short := [sku for sku, wanted in quantities.items() if here[sku] < wanted]:
        raise OutOfStock(f"not enough in {from_place}: {', '.join(short)}")


async def _move(
    connection: AsyncConnection[Row],
    transfer_id: str,
    from_place: str,
    to_place: str,
    quantities: dict[str, int],
) -> None:
    await connection.execute(
        """INSERT INTO stock_movements (sku, place, change, transfer_id)
           SELECT sku, place, sign * quantity, %s
             FROM unnest(%s::text[], %s::int[]) AS moved (sku, quantity),
                  (VALUES (%s, -1), (%s, 1)) AS ends (place, sign)""",
        (transfer_id, list(quantities), list(quantities.values()), from_place, to_place),
    )
    await connection.execute(
        """UPDATE stock s SET quantity = s.quantity + m.change
             FROM stock_movements m
            WHERE m.transfer_id = %s AND s.sku = m.sku AND s.place = m.place""",
        (transfer_id,),
    )


AUDIT = """
    SELECT (SELECT count(*) FROM orders) AS orders,
           (SELECT count(*) FROM transfers) AS transfers,
           (SELECT count(*) FROM stock s
             WHERE s.quantity <> (SELECT COALESCE(sum(m.change), 0) FROM stock_movements m
                                   WHERE m.sku = s.sku AND m.place = s.place)
           ) AS wrong_quantities,
           (SELECT count(*) FROM orders o
             WHERE NOT EXISTS (SELECT FROM order_lines l WHERE l.order_id = o.id)
           ) AS orders_without_lines,
           (SELECT count(*) FROM (
                SELECT order_id, sku, quantity FROM order_lines
                EXCEPT ALL
                SELECT order_id, sku, -change FROM stock_movements WHERE order_id IS NOT NULL) l
           ) AS lines_without_movement,
           (SELECT count(*) FROM (
                SELECT order_id, sku, -change FROM stock_movements WHERE order_id IS NOT NULL
                EXCEPT ALL
                SELECT order_id, sku, quantity FROM order_lines) m
           ) AS movements_without_line,
           (SELECT count(*) FROM (
                SELECT transfer_id FROM stock_movements WHERE transfer_id IS NOT NULL
                 GROUP BY transfer_id HAVING sum(change) <> 0) t
           ) AS unbalanced_transfers
"""
"""One statement, so that all counts are of one moment."""


async def audit(database: Database) -> dict[str, int | bool]:
    """Counts everything, and everything that is wrong; reads whole tables."""
    counts = (await database.fetch(AUDIT))[0]
    wrong = sum(count for name, count in counts.items() if name not in ("orders", "transfers"))
    return counts | {"ok": wrong == 0}
