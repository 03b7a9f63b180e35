"""Transfers touch several rows in two places: all of them or none."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor


def move(shop, transfer_id, from_place="warehouse", to_place="shop", **quantities):
    lines = [{"sku": n.replace("_", "-"), "quantity": c} for n, c in quantities.items()]
    body = {"from_place": from_place, "to_place": to_place, "lines": lines}
    return shop.client.put(f"/transfers/{transfer_id}", json=body)


def test_a_transfer_moves_all_its_products_once_however_often_it_is_sent(shop, new_id):
    transfer_id = new_id()
    red, blue = shop.stock("bowl-red"), shop.stock("bowl-blue")

    answers = [move(shop, transfer_id, bowl_red=10, bowl_blue=20) for _ in range(3)]

    assert [a.status_code for a in answers] == [201, 200, 200]
    assert shop.stock("bowl-red") == {
        "shop": red["shop"] + 10,
        "warehouse": red["warehouse"] - 10,
    }
    assert shop.stock("bowl-blue")["shop"] == blue["shop"] + 20
    assert move(shop, transfer_id, bowl_red=11).status_code == 409


def test_a_transfer_of_more_than_there_is_moves_nothing(shop, new_id):
    before = shop.stock("bowl-red")

    # The rare lamp is not in the warehouse at all.
    assert move(shop, new_id(), bowl_red=10, lamp_gold=1).status_code == 409
    assert shop.stock("bowl-red") == before
    assert move(shop, new_id(), bowl_red=1, bowl_invisible=1).status_code == 422
    assert move(shop, new_id(), "shop", "shop", bowl_red=1).status_code == 422


def test_transfers_both_ways_and_orders_at_once_lose_no_piece(shop, new_id):
    names = ["shirt_red", "shirt_blue", "shirt_pink"]
    before = {n: shop.stock(n.replace("_", "-")) for n in names}
    retries = shop.metric("shop_database_retries_total")

    def act(number: int) -> int:
        all_three = dict.fromkeys(names if number % 2 else names[::-1], 1)
        if number % 3 == 0:
            return shop.order(new_id(), **all_three).status_code
        ways = ("shop", "warehouse") if number % 3 == 1 else ("warehouse", "shop")
        return move(shop, new_id(), *ways, **all_three).status_code

    with ThreadPoolExecutor(16) as pool:
        assert Counter(pool.map(act, range(150))) == {201: 150}

    for name in names:
        now = shop.stock(name.replace("_", "-"))
        assert now == {
            "shop": before[name]["shop"] - 50,
            "warehouse": before[name]["warehouse"],
        }
    assert shop.metric("shop_database_retries_total") == retries, "rows are locked in one order"
    assert shop.audit()["ok"]


def test_the_audit_counts_what_breaks_a_promise(postgres, new_database, start, tmp_path, new_id):
    """The audit's own negative control: each kind of damage is found."""
    from conftest import run_release
    from servers import Shop

    name = new_database()
    assert run_release(postgres.url(name)).returncode == 0
    shop = start(Shop(tmp_path / "shop", DATABASE_URL=postgres.url(name)))
    order_id, transfer_id = new_id(), new_id()
    shop.order(order_id, cap_red=1)
    move(shop, transfer_id, cap_red=1)
    assert shop.audit()["ok"]

    damages = {
        "wrong_quantities": "UPDATE stock SET quantity = quantity + 1 WHERE sku = 'cap-red'",
        "orders_without_lines": "INSERT INTO orders (id, customer) VALUES ('half', 'ada')",
        "lines_without_movement": "DELETE FROM stock_movements WHERE order_id IS NOT NULL",
        "movements_without_line": "DELETE FROM order_lines",
        "unbalanced_transfers": "DELETE FROM stock_movements WHERE change > 0 AND transfer_id > ''",
    }
    with postgres.connect(name) as connection:
        for kind, damage in damages.items():
            before = shop.audit()[kind]
            connection.execute(damage)
            after = shop.audit()
            assert after[kind] > before and not after["ok"], f"{kind} not found: {after}"
            # lines_without_movement took the movements away: give them back for the next.
            if kind == "lines_without_movement":
                connection.execute(
                    """INSERT INTO stock_movements (sku, place, change, order_id)
                       SELECT sku, 'shop', -quantity, order_id FROM order_lines"""
                )
