"""What a client may rely on when it writes and reads orders."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest


def test_an_order_is_written_with_its_lines_and_its_price(shop, new_id):
    answer = shop.order(new_id(), cap_red=2, pen_blue=1)

    assert answer.status_code == 201, answer.text
    order = answer.json()
    assert order["state"] == "placed"
    assert [(line["sku"], line["quantity"]) for line in order["lines"]] == [
        ("cap-red", 2),
        ("pen-blue", 1),
    ]
    assert order["total_cents"] == sum(x["quantity"] * x["price_cents"] for x in order["lines"])


def test_the_same_id_again_returns_the_same_order_and_takes_stock_once(shop, new_id):
    order_id, before = new_id(), shop.stock("bag-red")["shop"]
    first = shop.order(order_id, bag_red=3)
    second = shop.order(order_id, bag_red=3)

    assert (first.status_code, second.status_code) == (201, 200)
    stable = ("id", "number", "lines", "placed_at", "total_cents")
    assert [first.json()[key] for key in stable] == [second.json()[key] for key in stable]
    assert shop.stock("bag-red")["shop"] == before - 3


def test_post_and_put_with_one_id_are_one_order(shop, new_id):
    order_id = new_id()
    body = {"customer": "ada", "lines": [{"sku": "cap-red", "quantity": 1}]}

    assert shop.client.post("/orders", json={"id": order_id, **body}).status_code == 201
    assert shop.client.put(f"/orders/{order_id}", json=body).status_code == 200


def test_of_twenty_requests_at_once_with_one_id_exactly_one_writes(shop, new_id):
    order_id, before = new_id(), shop.stock("book-red")["shop"]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: shop.order(order_id, book_red=1), range(20)))

    assert Counter(a.status_code for a in answers) == {201: 1, 200: 19}
    assert len({a.json()["number"] for a in answers}) == 1
    assert shop.stock("book-red")["shop"] == before - 1


def test_an_id_is_refused_for_another_content(shop, new_id):
    order_id = new_id()
    assert shop.order(order_id, cap_red=1).status_code == 201

    assert shop.order(order_id, cap_red=2).status_code == 409
    assert shop.order(order_id, customer="bob", cap_red=1).status_code == 409
    assert shop.client.get(f"/orders/{order_id}?fresh=1").json()["lines"][0]["quantity"] == 1


def test_lines_of_one_product_are_added_up(shop, new_id):
    line = {"sku": "cap-red", "quantity": 2}
    answer = shop.client.put(f"/orders/{new_id()}", json={"customer": "ada", "lines": [line, line]})

    assert [line["quantity"] for line in answer.json()["lines"]] == [4]


@pytest.mark.parametrize(
    ("quantities", "status"),
    [({"cap_red": 1, "lamp_gold": 6}, 409), ({"cap_red": 1, "cap_invisible": 1}, 422)],
    ids=["not enough in stock", "unknown product"],
)
def test_a_refused_order_leaves_nothing_behind(shop, new_id, quantities, status):
    order_id, before, stock = new_id(), shop.audit(), shop.stock("cap-red")

    assert shop.order(order_id, **quantities).status_code == status
    assert shop.client.get(f"/orders/{order_id}?fresh=1").status_code == 404
    assert (shop.audit(), shop.stock("cap-red")) == (before, stock)


def test_the_last_five_are_sold_to_exactly_five(shop, new_id):
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: shop.order(new_id(), lamp_gold=1), range(12)))

    assert Counter(a.status_code for a in answers) == {201: 5, 409: 7}
    assert shop.stock("lamp-gold")["shop"] == 0


def test_orders_that_share_products_in_any_order_do_not_deadlock(shop, new_id):
    names = ["vase_red", "vase_blue", "vase_pink", "vase_teal"]

    def place(number: int):
        some = names[number % 4 :] + names[: number % 4]
        if number % 2:
            some.reverse()
        return shop.order(new_id(), **dict.fromkeys(some, 1)).status_code

    before = shop.metric("shop_database_retries_total")
    with ThreadPoolExecutor(16) as pool:
        assert Counter(pool.map(place, range(160))) == {201: 160}
    assert shop.metric("shop_database_retries_total") == before
    assert shop.audit()["ok"]


def test_the_list_shows_the_newest_first_and_goes_on_where_it_ended(shop, new_id):
    ids = [new_id() for _ in range(5)]
    for order_id in ids:
        shop.order(order_id, cap_red=1)

    first = shop.client.get("/orders?limit=3").json()["orders"]
    rest = shop.client.get(f"/orders?limit=2&before={first[-1]['number']}").json()["orders"]
    assert [order["id"] for order in first + rest] == ids[::-1]


@pytest.mark.parametrize(
    "body",
    [
        {"customer": "ada", "lines": []},
        {"customer": "", "lines": [{"sku": "cap-red", "quantity": 1}]},
        {"customer": "ada", "lines": [{"sku": "cap-red", "quantity": 0}]},
        {"customer": "ada", "lines": [{"sku": "cap-red", "quantity": 1}], "discount": 1},
        {"customer": "a\u0000b", "lines": [{"sku": "cap-red", "quantity": 1}]},
    ],
    ids=["no lines", "no customer", "no quantity", "unknown key", "a byte that no text holds"],
)
def test_an_order_without_meaning_is_refused(shop, new_id, body):
    assert shop.client.put(f"/orders/{new_id()}", json=body).status_code == 422


def test_reads_go_to_the_read_address_unless_fresh_is_asked_for(
    postgres, database, new_database, new_id, start, tmp_path
):
    """The read address is a database of its own here, so the two cannot be mixed up."""
    from conftest import run_release
    from servers import Shop

    replica = new_database()
    assert run_release(postgres.url(replica)).returncode == 0
    shop = start(
        Shop(
            tmp_path / "shop",
            DATABASE_URL=postgres.url(database),
            DATABASE_READ_URL=postgres.url(replica),
        )
    )
    order_id = new_id()
    assert shop.order(order_id, cap_red=1).status_code == 201

    assert shop.client.get(f"/orders/{order_id}").status_code == 404
    assert shop.client.get("/orders").json() == {"orders": []}
    assert shop.client.get(f"/orders/{order_id}?fresh=1").status_code == 200
    assert shop.client.get("/orders?fresh=1").json()["orders"][0]["id"] == order_id
