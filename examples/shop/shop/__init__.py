"""A small web shop: the example app of scalectl.

Read in this order: `api.py` (what it offers), `orders.py` (a write that may be
repeated), `database.py` (how it lives behind a pooler), `worker.py`, `release.py`.
"""
