"""`python3 -m shop.worker`: packs placed orders until SIGTERM.

Any number may run: SKIP LOCKED gives each order to one of them. One statement
takes and marks a batch, so after a lost connection an order is either packed or
still waiting, and the next round finds out which.
"""

import signal
import sys

# As in __main__.py: a SIGTERM during the slow imports must end it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

import logging  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import threading  # noqa: E402
from types import FrameType  # noqa: E402
from typing import Any  # noqa: E402

import psycopg  # noqa: E402

from shop import settings  # noqa: E402

log = logging.getLogger("shop.worker")

PACK = """
    UPDATE orders SET state = 'packed', packed_at = clock_timestamp(), packed_by = %s
     WHERE id IN (SELECT id FROM orders WHERE state = 'placed'
                   ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED)
 RETURNING id
"""
BATCH = 50
IDLE_SECONDS = 0.5
PAUSE_SECONDS = 0.5

# As in the web process (database.py): nothing that outlives a transaction.
CONNECT_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": None,
    "connect_timeout": 10,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


def pack(connection: psycopg.Connection, name: str) -> list[str]:
    """Packs up to BATCH orders and returns their ids."""
    return [order_id for (order_id,) in connection.execute(PACK, (name, BATCH))]


def work(url: str, name: str, stop: threading.Event) -> None:
    """Packs until `stop`; a lost, refused or read-only database is tried again."""
    while not stop.is_set():
        try:
            with psycopg.connect(url, **CONNECT_OPTIONS) as connection:
                while not stop.is_set():
                    if packed := pack(connection, name):
                        log.info("packed %d: %s", len(packed), " ".join(packed))
                    else:
                        stop.wait(IDLE_SECONDS)
        except psycopg.Error as error:
            log.warning("%s; trying again", _in_one_line(error))
            stop.wait(PAUSE_SECONDS)


def _in_one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        told = settings.load()
    except settings.SettingError as error:
        sys.exit(f"shop.worker: {error}")
    log.info("ready to pack")
    work(told.database_url, f"{socket.gethostname()}/{os.getpid()}", stop)


if __name__ == "__main__":
    main()
