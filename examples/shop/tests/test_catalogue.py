"""The catalogue is quick with a cache and right without one."""

import socket
import time

import pytest
from servers import Shop, Valkey, wait_until


def catalogue(shop: Shop) -> tuple[dict[str, int], str]:
    answer = shop.client.get("/products")
    assert answer.status_code == 200, answer.text
    prices = {p["sku"]: p["price_cents"] for p in answer.json()["products"]}
    return prices, answer.headers["x-cache"]


@pytest.fixture
def own(postgres, database, start, tmp_path):
    """Starts a shop for one test, with or without a cache."""
    return lambda **environment: start(
        Shop(tmp_path / "shop", DATABASE_URL=postgres.url(database), **environment)
    )


def test_the_second_reader_is_served_from_the_cache(own, start, tmp_path):
    shop = own(CACHE_URL=start(Valkey(tmp_path / "valkey")).url)
    (first, first_result), (second, second_result) = catalogue(shop), catalogue(shop)

    assert (first_result, second_result) == ("miss", "hit")
    assert first == second and len(first) == 101
    assert shop.metric('shop_cache_reads_total{result="hit"}') == 1
    assert shop.client.get("/readyz").json()["cache"] == "up"


def test_a_changed_price_is_seen_by_the_next_reader(own, start, tmp_path):
    shop = own(CACHE_URL=start(Valkey(tmp_path / "valkey")).url)
    old = catalogue(shop)[0]["pen-teal"]
    answer = shop.client.put("/products/pen-teal/price", json={"price_cents": old + 1})

    assert answer.status_code == 200
    assert catalogue(shop)[0]["pen-teal"] == old + 1
    answer = shop.client.put("/products/pen-invisible/price", json={"price_cents": 1})
    assert answer.status_code == 404


def test_without_a_cache_the_database_answers(own):
    shop = own()
    prices, result = catalogue(shop)

    assert (len(prices), result) == (101, "off")
    assert shop.client.get("/readyz").json() == {"database": "up", "reads": "up", "cache": "off"}


def test_a_cache_that_goes_away_is_not_missed_and_is_used_when_it_is_back(own, start, tmp_path):
    valkey = start(Valkey(tmp_path / "valkey"))
    shop = own(CACHE_URL=valkey.url)
    catalogue(shop)
    assert catalogue(shop)[1] == "hit"

    valkey.kill()
    started = time.monotonic()
    assert [catalogue(shop)[1] for _ in range(20)] == ["down"] * 20
    assert time.monotonic() - started < 4, "a cache that refuses must not cost time"
    answer = shop.client.get("/readyz")
    assert (answer.status_code, answer.json()["cache"]) == (200, "down")

    valkey.start()
    wait_until(lambda: catalogue(shop)[1] == "hit", "the cache is used again")


def test_a_cache_that_accepts_and_never_answers_costs_a_fraction_of_a_second(own):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        shop = own(CACHE_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        started = time.monotonic()
        results = [catalogue(shop)[1] for _ in range(40)]

    assert results == ["down"] * 40
    assert time.monotonic() - started < 5, "a silent cache must be left alone for a while"
