"""The web process: how it starts, what it says of itself, how it ends."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers import SOURCE, Pooler, Shop, accepts, wait_until


def test_it_lives_without_a_database_and_says_that_it_is_not_ready(start, tmp_path):
    shop = start(Shop(tmp_path / "shop", DATABASE_URL="postgresql://shop@127.0.0.1:1/none"))

    assert shop.client.get("/healthz").status_code == 200
    answer = shop.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"database": "down", "reads": "down", "cache": "off"}


def test_a_request_in_flight_is_finished_after_sigterm(postgres, database, start, tmp_path, new_id):
    pooler = start(Pooler(tmp_path / "pooler", postgres))
    shop = start(Shop(tmp_path / "shop", DATABASE_URL=pooler.url(database)))
    order_id = new_id()
    pooler.control("PAUSE")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shop.order, order_id, cap_teal=1)
        wait_until(lambda: shop.metric("shop_database_connections") > 0, "the pools are there")
        time.sleep(0.3)
        shop.process.terminate()
        wait_until(lambda: not accepts(shop.port), "no new connection is accepted")
        assert not waiting.done(), "the order must still wait for its database"
        pooler.control("RESUME")
        assert waiting.result().status_code == 201

    assert shop.process.wait(10) == 0
    with postgres.connect(database) as connection:
        rows = connection.execute("SELECT count(*) FROM orders WHERE id = %s", (order_id,))
        assert rows.fetchone() == (1,)


def test_it_ends_soon_when_nothing_is_in_flight(start, tmp_path, postgres, database):
    shop = start(Shop(tmp_path / "shop", DATABASE_URL=postgres.url(database)))
    shop.client.get("/orders")
    started = time.monotonic()
    assert shop.stop() == 0
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("module", ["shop", "shop.worker"])
def test_sigterm_while_it_starts_ends_it(module, tmp_path):
    environment = {"PATH": os.environ["PATH"], "PORT": "1", "DATABASE_URL": "postgresql://x"}
    process = subprocess.Popen([sys.executable, "-m", module], cwd=SOURCE, env=environment)
    time.sleep(0.15)
    process.terminate()
    assert process.wait(10) in (0, -15)


def test_an_idle_connection_is_kept_as_long_as_keep_alive_seconds_says(
    start, tmp_path, postgres, database
):
    shop = start(
        Shop(tmp_path / "shop", DATABASE_URL=postgres.url(database), KEEP_ALIVE_SECONDS="1")
    )
    with socket.create_connection(("127.0.0.1", shop.port), 5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n")
        started = time.monotonic()
        while connection.recv(4096):
            pass
    assert 0.8 < time.monotonic() - started < 10


def test_metrics_count_requests_by_route_and_not_by_address(shop, new_id):
    for _ in range(3):
        shop.client.get(f"/orders/{new_id()}")
    text = shop.client.get("/metrics").text

    count = 'shop_http_request_seconds_count{method="GET",route="/orders/{order_id}",status="404"}'
    assert shop.metric(count) >= 3
    assert "process_resident_memory_bytes" in text
    assert 'shop_database_connections{pool="write"}' in text
    wait_until(lambda: shop.client.get("/nothing/here").status_code == 404, "an unknown path")
    assert "/nothing/here" not in shop.client.get("/metrics").text


def test_a_missing_or_senseless_setting_is_named_and_no_value_is_shown():
    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "shop"], cwd=SOURCE, capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], **environment}, timeout=20,
        )  # fmt: skip

    missing = run()
    assert missing.returncode == 1 and "DATABASE_URL is not set" in missing.stderr
    wrong = run(DATABASE_URL="postgresql://a:secret@b/c", PORT="secret")
    assert wrong.returncode == 1 and "PORT must be a whole number" in wrong.stderr
    assert "secret" not in wrong.stderr


def test_addresses_may_come_from_files(start, tmp_path, postgres, database):
    (tmp_path / "url").write_text(postgres.url(database) + "\n")
    shop = start(Shop(tmp_path / "shop", DATABASE_URL_FILE=str(tmp_path / "url")))
    assert shop.client.get("/readyz").status_code == 200
