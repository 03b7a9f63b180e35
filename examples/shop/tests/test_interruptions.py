"""Held writes and lost connections: the client sees a slower answer, never an error.

These are the things of docs/apps.md, done to the shop with a real PgBouncer.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers import Pooler, Relay, Shop, wait_until


@pytest.fixture
def pooled(postgres, database, start, tmp_path):
    """A pooler and a shop of one test's own; settings are PgBouncer's."""

    def begin(**settings):
        pooler = start(Pooler(tmp_path / "pooler", postgres, **settings))
        return pooler, start(Shop(tmp_path / "shop", DATABASE_URL=pooler.url(database)))

    return begin


def test_orders_wait_through_a_hold_of_three_seconds_and_all_succeed(pooled, new_id):
    pooler, shop = pooled()
    assert shop.order(new_id(), cap_blue=1).status_code == 201
    before = shop.audit()["orders"]

    pooler.control("PAUSE")
    with ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(shop.order, new_id(), cap_blue=1) for _ in range(60)]
        time.sleep(3)
        assert not any(w.done() for w in waiting), "the hold must be felt"
        assert shop.client.get("/healthz").status_code == 200, "a hold is not illness"
        assert shop.client.get("/readyz").status_code == 503
        pooler.control("RESUME")
        assert {w.result().status_code for w in waiting} == {201}

    assert shop.audit()["orders"] == before + 60
    assert shop.metric("shop_database_retries_total") == 0, "a hold needs no second attempt"


def test_idle_connections_that_the_pooler_ended_are_replaced_before_use(pooled, new_id):
    _, shop = pooled(client_idle_timeout=1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: shop.order(new_id(), cap_blue=1), range(40)))
    time.sleep(2.5)

    started = time.monotonic()
    assert [shop.order(new_id(), cap_blue=1).status_code for _ in range(8)] == [201] * 8
    assert time.monotonic() - started < 3, "dead connections must not cost a pause"
    assert shop.metric("shop_database_replaced_total") > 0
    assert shop.metric("shop_database_retries_total") == 0


def test_a_pooler_that_is_killed_and_started_again_costs_time_but_no_error(pooled, new_id):
    pooler, shop = pooled()
    ids = [new_id() for _ in range(200)]

    def place(order_id: str) -> int:
        return shop.order(order_id, cap_blue=1).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(place, order_id) for order_id in ids]
        wait_until(lambda: sum(a.done() for a in answers) > 40, "some orders are written")
        pooler.kill()
        time.sleep(1)
        pooler.start()
        started = time.monotonic()
        assert {a.result() for a in answers} <= {200, 201}
    assert time.monotonic() - started < 8, "a pooler that is back must be found soon"
    found = [shop.client.get(f"/orders/{order_id}?fresh=1").status_code for order_id in ids]
    assert found == [200] * 200
    assert shop.audit()["ok"]


def test_a_single_order_waits_for_a_pooler_that_comes_back(pooled, new_id):
    """Nobody else asks meanwhile: the shop itself must go on trying to connect."""
    pooler, shop = pooled()
    assert shop.order(new_id(), cap_blue=1).status_code == 201
    pooler.kill()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shop.order, new_id(), cap_blue=1)
        time.sleep(1.5)
        assert not waiting.done()
        pooler.start()
        assert waiting.result().status_code == 201


def test_an_order_whose_connection_is_ended_midway_is_written_once_and_whole(
    postgres, database, pooled, new_id
):
    _, shop = pooled()
    order_id = new_id()
    with postgres.connect(database) as other, ThreadPoolExecutor(1) as pool:
        with other.transaction():
            other.execute("SELECT FROM stock WHERE sku = 'scarf-red' FOR UPDATE")
            waiting = pool.submit(shop.order, order_id, scarf_red=1, scarf_teal=1)
            blocked = """SELECT pid FROM pg_stat_activity
                          WHERE wait_event_type = 'Lock' AND datname = current_database()"""
            wait_until(lambda: other.execute(blocked).fetchone(), "the order waits for its rows")
            other.execute(f"SELECT pg_terminate_backend(pid) FROM ({blocked}) AS b")
        assert waiting.result().status_code == 201

    assert shop.metric("shop_database_retries_total") >= 1, "the connection must have been lost"
    order = shop.client.get(f"/orders/{order_id}?fresh=1").json()
    assert [line["sku"] for line in order["lines"]] == ["scarf-red", "scarf-teal"]
    assert shop.audit()["ok"]


def test_a_lost_reply_to_a_commit_makes_no_second_order(
    postgres, database, start, tmp_path, new_id
):
    relay = Relay(postgres.port)
    url = postgres.url(database).replace(str(postgres.port), str(relay.port))
    shop = start(Shop(tmp_path / "shop", DATABASE_URL=url))
    before, stock = shop.audit()["orders"], shop.stock("scarf-pink")["shop"]

    relay.cut_after(b"COMMIT")
    answer = shop.order(new_id(), scarf_pink=1)
    relay.close()

    assert relay.cuts == 1, "the reply must have been lost"
    assert answer.status_code == 200, "the order was there when the shop looked again"
    assert shop.audit()["orders"] == before + 1
    assert shop.stock("scarf-pink")["shop"] == stock - 1


def test_a_database_that_stays_away_is_said_within_the_time_a_request_may_wait(
    pooled, new_id, postgres, database, start, tmp_path
):
    pooler = start(Pooler(tmp_path / "gone", postgres))
    shop = start(Shop(tmp_path / "own", DATABASE_URL=pooler.url(database), WAIT_SECONDS="1"))
    assert shop.order(new_id(), cap_blue=1).status_code == 201
    pooler.kill()

    started = time.monotonic()
    answer = shop.order(new_id(), cap_blue=1)
    assert answer.status_code == 503
    assert 0.8 < time.monotonic() - started < 6
    assert answer.headers["retry-after"] == "1"
    assert shop.client.get("/healthz").status_code == 200

    pooler.start()
    wait_until(lambda: shop.client.get("/readyz").status_code == 200, "the shop finds it again")
