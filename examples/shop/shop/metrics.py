"""What Prometheus may ask: requests, orders, cache, retries, the connection pools.

Names and labels are part of what dashboards use: add, do not rename. Labels hold
route patterns, never addresses, so their number stays bounded.
"""

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from shop.database import Database

disable_created_metrics()

REQUESTS = Histogram(
    "shop_http_request_seconds",
    "Time from a request's arrival to the end of its answer",
    ["method", "route", "status"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
ORDERS = Counter("shop_orders", "Orders written, by result: new or repeated", ["result"])
TRANSFERS = Counter("shop_transfers", "Transfers written, by result: new or repeated", ["result"])
CACHE = Counter("shop_cache_reads", "Catalogue reads: hit, miss, down or off", ["result"])
DATABASE_RETRIES = Counter(
    "shop_database_retries", "Work that ran again after it lost its connection", ["pool"]
)
DATABASE_REPLACED = Counter(
    "shop_database_replaced", "Idle connections found ended and replaced before use", ["pool"]
)

NOT_MEASURED = {"/metrics", "/healthz", "/readyz"}


class PoolCollector(Collector):
    """Reads the pools when Prometheus asks, so that requests pay nothing for it."""

    def __init__(self, databases: "list[Database]"):
        self._databases = databases

    def collect(self) -> Iterable[GaugeMetricFamily]:
        wanted = {
            "pool_size": ("shop_database_connections", "Connections in the pool"),
            "pool_available": ("shop_database_idle", "Connections that wait for work"),
            "requests_waiting": ("shop_database_waiting", "Requests that wait for a connection"),
        }
        for key, (name, text) in wanted.items():
            family = GaugeMetricFamily(name, text, labels=["pool"])
            for database in self._databases:
                family.add_metric([database.name], database.statistics()[key])
            yield family


def watch_pools(databases: "list[Database]") -> PoolCollector:
    """Registers the pools; unregister the returned collector when they close."""
    collector = PoolCollector(databases)
    REGISTRY.register(collector)
    return collector


class MeasureRequests:
    """Times every request but those about the app itself (plain ASGI: it costs little)."""

    def __init__(self, app: Any):
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in NOT_MEASURED:
            return await self._app(scope, receive, send)
        started, status = perf_counter(), 500

        async def note_status(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            REQUESTS.labels(scope["method"], route, status).observe(perf_counter() - started)
