"""Orders: several rows in one transaction, under an id that the client chose.

The id makes a write repeatable: whoever got no answer sends it again and gets the
same order, so neither a lost reply nor a lost connection makes a second one.
Rows are always locked in the order of their key, so that no two orders deadlock.
Next: `stock.py` (transfers, written the same way).
"""

from typing import Any

from psycopg import AsyncConnection

from shop.database import Database, Row


class UnknownProduct(Exception):
    """An order names something that the shop does not sell."""


class OutOfStock(Exception):
    """There is not enough in the place that an order or transfer takes from."""


class IdTaken(Exception):
    """The id belongs to an order or transfer with another content."""


SELECT_ORDER = """
    SELECT o.id, o.number, o.customer, o.state, o.placed_at, o.packed_at,
           (SELECT json_agg(json_build_object('sku', l.sku, 'quantity', l.quantity,
                                              'price_cents', l.price_cents) ORDER BY l.sku)
              FROM order_lines l WHERE l.order_id = o.id) AS lines
      FROM orders o
"""


async def place(
    database: Database, order_id: str, customer: str, quantities: dict[str, int]
) -> tuple[Row, bool]:
    """Writes an order, or finds it; returns it and whether it is new."""

    async def work(connection: AsyncConnection[Row]) -> tuple[Row, bool]:
        # A second request with the same id waits here for the first to end.
        inserted = await connection.execute(
            """INSERT INTO orders (id, customer) VALUES (%s, %s)
               ON CONFLICT (id) DO NOTHING
               RETURNING id, number, customer, state, placed_at, packed_at""",
            (order_id, customer),
        )
        order = await inserted.fetchone()
        if order is None:
            return await _same_order(connection, order_id, customer, quantities), False
        order["lines"] = await _take_from_stock(connection, order_id, quantities)
        return order, True

    order, is_new = await database.transaction(work)
    return as_json(order), is_new


async def _same_order(
    connection: AsyncConnection[Row], order_id: str, customer: str, quantities: dict[str, int]
) -> Row:
    found = await connection.execute(SELECT_ORDER + "WHERE o.id = %s", (order_id,))
    order = await found.fetchone()
    assert order is not None, "orders are never deleted"
    if (order["customer"], _quantities(order)) != (customer, quantities):
        raise IdTaken(f"order {order_id} exists with another content")
    return order


# Locks the wanted rows in the order of their keys, then writes from what it locked.
TAKE_FROM_STOCK = """
    WITH found AS MATERIALIZED (
        SELECT s.sku, w.quantity, p.price_cents, s.quantity >= w.quantity AS enough
          FROM unnest(%(skus)s::text[], %(quantities)s::int[]) AS w (sku, quantity)
          JOIN products p USING (sku)
          JOIN stock s ON s.sku = w.sku AND s.place = 'shop'
         ORDER BY s.sku FOR UPDATE OF s
    ), lines AS (
        INSERT INTO order_lines (order_id, sku, quantity, price_cents)
        SELECT %(order_id)s, sku, quantity, price_cents FROM found
    ), movements AS (
        INSERT INTO stock_movements (sku, place, change, order_id)
        SELECT sku, 'shop', -quantity, %(order_id)s FROM found
    ), taken AS (
        UPDATE stock s SET quantity = s.quantity - found.quantity
          FROM found WHERE enough AND s.sku = found.sku AND s.place = 'shop'
    )
    SELECT sku, quantity, price_cents, enough FROM found ORDER BY sku
"""


async def _take_from_stock(
    connection: AsyncConnection[Row], order_id: str, quantities: dict[str, int]
) -> list[Row]:
    """Writes the lines and their movements; raising undoes all of the order."""
    answer = await connection.execute(
        TAKE_FROM_STOCK,
        {
            "order_id": order_id,
            "skus": list(quantities),
            "quantities": list(quantities.values()),
        },
    )
    lines = await answer.fetchall()
    if unknown := sorted(quantities.keys() - {line["sku"] for line in lines}):
        raise UnknownProduct(f"not in the catalogue: {', '.join(unknown)}")
    if short := [line["sku"] for line in lines if not line.pop("enough")]:
        raise OutOfStock(f"not enough in stock: {', '.join(short)}")
    return lines


async def find(database: Database, order_id: str) -> Row | None:
    rows = await database.fetch(SELECT_ORDER + "WHERE o.id = %s", order_id)
    return as_json(rows[0]) if rows else None


async def newest(database: Database, limit: int, before: int | None) -> list[Row]:
    """The newest orders first; `before` is the number of the last one already seen."""
    rows = await database.fetch(
        SELECT_ORDER + "WHERE %s::bigint IS NULL OR o.number < %s ORDER BY o.number DESC LIMIT %s",
        before,
        before,
        limit,
    )
    return [as_json(row) for row in rows]


def as_json(order: Row) -> dict[str, Any]:
    packed_at = order["packed_at"]
    return order | {
        "placed_at": order["placed_at"].isoformat(),
        "packed_at": packed_at and packed_at.isoformat(),
        "total_cents": sum(line["quantity"] * line["price_cents"] for line in order["lines"]),
    }


def _quantities(order: Row) -> dict[str, int]:
    return {line["sku"]: line["quantity"] for line in order["lines"]}
