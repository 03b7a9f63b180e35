"""Workers pack every placed order exactly once, whatever happens to them."""

import os
import subprocess
import sys
import time

import pytest
from conftest import run_release
from servers import SOURCE, Pooler, wait_until


class Worker:
    """`python3 -m shop.worker`, and what it says it packed."""

    def __init__(self, folder, url: str):
        self._log = folder / f"worker-{time.monotonic_ns()}.log"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "shop.worker"],
                cwd=SOURCE, stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"], "DATABASE_URL": url},
            )  # fmt: skip
        wait_until(lambda: "ready to pack" in self.log(), "the worker starts")

    def log(self) -> str:
        return self._log.read_text()

    def packed(self) -> list[str]:
        lines = [x for x in self.log().splitlines() if "shop.worker: packed" in x]
        return [order_id for line in lines for order_id in line.split(": ")[2].split()]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(15)


@pytest.fixture
def orders(postgres, new_database):
    """A database of one test's own with a number of placed orders."""

    class Orders:
        name = new_database()

        def place(self, count: int, prefix: str) -> list[str]:
            with postgres.connect(self.name) as connection:
                rows = connection.execute(
                    """INSERT INTO orders (id, customer)
                       SELECT %s || n, 'ada' FROM generate_series(1, %s) n RETURNING id""",
                    (prefix, count),
                ).fetchall()
            return [order_id for (order_id,) in rows]

        def states(self) -> dict[str, int]:
            with postgres.connect(self.name) as connection:
                return dict(
                    connection.execute("SELECT state, count(*) FROM orders GROUP BY 1").fetchall()
                )

        def all_packed(self) -> bool:
            return set(self.states()) == {"packed"}

    assert run_release(postgres.url(Orders.name)).returncode == 0
    return Orders()


@pytest.fixture
def start_worker(tmp_path):
    started: list[Worker] = []

    def begin(url: str) -> Worker:
        started.append(Worker(tmp_path, url))
        return started[-1]

    yield begin
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait(15)


def test_four_workers_pack_two_thousand_orders_and_none_twice(
    postgres, orders, start, start_worker, tmp_path
):
    pooler = start(Pooler(tmp_path / "pooler", postgres))
    placed = orders.place(1000, "a")
    workers = [start_worker(pooler.url(orders.name)) for _ in range(4)]
    placed += orders.place(1000, "b")

    wait_until(orders.all_packed, "all orders are packed")
    assert [worker.stop() for worker in workers] == [0, 0, 0, 0]
    packed = [order_id for worker in workers for order_id in worker.packed()]
    assert sorted(packed) == sorted(placed), "each order is packed by exactly one worker"


def test_a_worker_waits_through_a_hold_and_a_lost_pooler(
    postgres, orders, start, start_worker, tmp_path
):
    pooler = start(Pooler(tmp_path / "pooler", postgres))
    worker = start_worker(pooler.url(orders.name))
    pooler.control("PAUSE")
    orders.place(10, "held")
    time.sleep(2)
    assert orders.states() == {"placed": 10}, "the hold must be felt"
    pooler.control("RESUME")
    wait_until(orders.all_packed, "held orders are packed")

    pooler.kill()
    orders.place(10, "lost")
    wait_until(lambda: "trying again" in worker.log(), "the worker notices")
    pooler.start()
    wait_until(orders.all_packed, "orders after the loss are packed")
    assert worker.process.poll() is None, "one process all the way"
    assert len(worker.packed()) == len(set(worker.packed())) == 20


def test_a_worker_ends_soon_when_asked_with_work_or_without(postgres, orders, start_worker):
    worker = start_worker(postgres.url(orders.name))
    started = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - started < 5


def test_a_worker_waits_for_the_first_release(postgres, new_database, start_worker):
    name = new_database()
    worker = start_worker(postgres.url(name))
    wait_until(lambda: "trying again" in worker.log(), "the worker finds no table")
    assert run_release(postgres.url(name)).returncode == 0
    with postgres.connect(name) as connection:
        connection.execute("INSERT INTO orders (id, customer) VALUES ('first', 'ada')")
    wait_until(lambda: worker.packed() == ["first"], "the first order is packed")
