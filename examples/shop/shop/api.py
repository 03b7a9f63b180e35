"""The HTTP side of the shop: which path does what, and which error is which status.

No SQL here, and no decision about data. Writes go to DATABASE_URL; reads go to
DATABASE_READ_URL, whose replicas may be a moment behind, unless `?fresh=1` asks
for the primary's answer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import psycopg
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from shop import catalogue, metrics, orders, stock
from shop.cache import Cache
from shop.database import Database, may_be_tried_again
from shop.settings import Settings

ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
SKU = r"^[a-z0-9-]{1,64}$"
Id = Annotated[str, InPath(pattern=ID)]
Sku = Annotated[str, InPath(pattern=SKU)]
Place = Literal["shop", "warehouse"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Line(Body):
    sku: str = Field(pattern=SKU)
    quantity: int = Field(ge=1, le=1000)


class Lines(Body):
    lines: list[Line] = Field(min_length=1, max_length=50)

    def quantities(self) -> dict[str, int]:
        """Quantities by product, each product once, in the order of their keys."""
        sums: dict[str, int] = {}
        for line in sorted(self.lines, key=lambda line: line.sku):
            sums[line.sku] = sums.get(line.sku, 0) + line.quantity
        return sums


class OrderBody(Lines):
    # PostgreSQL's texts hold every character but this one.
    customer: str = Field(min_length=1, max_length=80, pattern=r"^[^\x00]*$")


class OrderWithId(OrderBody):
    id: str = Field(pattern=ID)


class TransferBody(Lines):
    from_place: Place
    to_place: Place


class Price(Body):
    price_cents: int = Field(ge=0, le=100_000_000)


class Shop:
    """What the paths share: two databases (which may be one) and the cache."""

    def __init__(self, settings: Settings):
        size, wait = settings.pool_size, settings.wait_seconds
        self.writes = Database("write", settings.database_url, pool_size=size, wait_seconds=wait)
        self.reads = Database("read", settings.database_read_url, pool_size=size, wait_seconds=wait)
        self.cache = Cache(settings.cache_url)

    def database(self, fresh: bool) -> Database:
        return self.writes if fresh else self.reads

    @asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        await self.writes.open()
        await self.reads.open()
        collector = metrics.watch_pools([self.writes, self.reads])
        yield
        REGISTRY.unregister(collector)
        await self.writes.close()
        await self.reads.close()
        await self.cache.close()


def create(settings: Settings) -> FastAPI:
    """Builds the app. Nothing connects before it starts."""
    shop = Shop(settings)
    # No pages for people at /docs: they would load scripts from elsewhere.
    app = FastAPI(title="shop", lifespan=shop.running, docs_url=None, redoc_url=None)
    app.add_middleware(metrics.MeasureRequests)
    _add_orders(app, shop)
    _add_stock(app, shop)
    _add_catalogue(app, shop)
    _add_health(app, shop)
    _add_errors(app)
    return app


def _add_orders(app: FastAPI, shop: Shop) -> None:
    async def place(order_id: str, body: OrderBody) -> Response:
        order, is_new = await orders.place(shop.writes, order_id, body.customer, body.quantities())
        metrics.ORDERS.labels("new" if is_new else "repeated").inc()
        return JSONResponse(order, 201 if is_new else 200, {"Location": f"/orders/{order_id}"})

    @app.put("/orders/{order_id}")
    async def put_order(order_id: Id, body: OrderBody) -> Response:
        return await place(order_id, body)

    @app.post("/orders")
    async def post_order(body: OrderWithId) -> Response:
        return await place(body.id, body)

    @app.get("/orders/{order_id}")
    async def get_order(order_id: Id, fresh: bool = False) -> Response:
        order = await orders.find(shop.database(fresh), order_id)
        if order is None:
            raise HTTPException(404, f"no order {order_id}")
        return JSONResponse(order)

    @app.get("/orders")
    async def list_orders(
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
        fresh: bool = False,
    ) -> Response:
        return JSONResponse({"orders": await orders.newest(shop.database(fresh), limit, before)})


def _add_stock(app: FastAPI, shop: Shop) -> None:
    @app.put("/transfers/{transfer_id}")
    async def put_transfer(transfer_id: Id, body: TransferBody) -> Response:
        if body.from_place == body.to_place:
            raise HTTPException(422, "from_place and to_place are the same")
        is_new = await stock.transfer(
            shop.writes, transfer_id, body.from_place, body.to_place, body.quantities()
        )
        metrics.TRANSFERS.labels("new" if is_new else "repeated").inc()
        return JSONResponse({"id": transfer_id, **body.model_dump()}, 201 if is_new else 200)

    @app.get("/stock/{sku}")
    async def get_stock(sku: Sku, fresh: bool = False) -> Response:
        places = await stock.of_product(shop.database(fresh), sku)
        if not places:
            raise HTTPException(404, f"no product {sku}")
        return JSONResponse({"sku": sku, "places": places})

    @app.get("/audit")
    async def get_audit(fresh: bool = False) -> Response:
        return JSONResponse(await stock.audit(shop.database(fresh)))


def _add_catalogue(app: FastAPI, shop: Shop) -> None:
    @app.get("/products")
    async def get_products() -> Response:
        text, result = await catalogue.read(shop.reads, shop.cache)
        metrics.CACHE.labels(result).inc()
        return Response(text, media_type="application/json", headers={"X-Cache": result})

    @app.put("/products/{sku}/price")
    async def put_price(sku: Sku, body: Price) -> Response:
        if not await catalogue.set_price(shop.writes, shop.cache, sku, body.price_cents):
            raise HTTPException(404, f"no product {sku}")
        return JSONResponse({"sku": sku, **body.model_dump()})


def _add_health(app: FastAPI, shop: Shop) -> None:
    @app.get("/healthz")
    async def healthz() -> Response:
        """The process answers. A held or absent database is no reason to end it."""
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz")
    async def readyz() -> Response:
        """The databases answer within a second; false during a hold."""
        writes, reads, cache = await asyncio.gather(
            shop.writes.answers_within(1), shop.reads.answers_within(1), shop.cache.state()
        )
        words = {True: "up", False: "down"}
        answer = {"database": words[writes], "reads": words[reads], "cache": cache}
        return JSONResponse(answer, 200 if writes and reads else 503)

    @app.get("/metrics")
    async def get_metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _add_errors(app: FastAPI) -> None:
    def answer(status: int, **headers: str) -> Any:
        async def handle(_request: Request, error: Exception) -> Response:
            return JSONResponse({"detail": str(error)}, status, headers)

        return handle

    app.add_exception_handler(orders.UnknownProduct, answer(422))
    app.add_exception_handler(orders.OutOfStock, answer(409))
    app.add_exception_handler(orders.IdTaken, answer(409))

    @app.exception_handler(psycopg.Error)
    async def unavailable(_request: Request, error: psycopg.Error) -> Response:
        if not isinstance(error, psycopg.OperationalError) and not may_be_tried_again(error):
            raise error
        text = "the database does not answer; try again, with the same id"
        return JSONResponse({"detail": text}, 503, {"Retry-After": "1"})
