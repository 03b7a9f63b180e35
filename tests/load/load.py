#!/usr/bin/env python3
"""Open-loop HTTP(S) load: requests start by the clock, whatever the answers do.

Counts every request once: ok, or one named kind of failure. Never retries, so a
reset or a refused connection shows. GET and POST, on kept and on new
connections, in equal turns. A POST carries an id of its own; with --log the
file that the server appends those ids to is checked afterwards: each
acknowledged id exactly once, no id twice.

Standard library only. Example:
    load.py https://localhost:8443 --rate 250 --seconds 20 --ca ca.crt
"""
import argparse
import asyncio
import collections
import json
import os
import random
import ssl
import sys
import time
import urllib.parse


class Failed(Exception):
    """One request's failure: `kind` is what the report counts."""

    def __init__(self, kind, detail=""):
        super().__init__(f"{kind} {detail}".strip())
        self.kind = kind


class Connection:
    def __init__(self, reader, writer):
        self.reader, self.writer, self.used, self.since = reader, writer, 0, time.monotonic()

    def closed(self):
        return self.reader.at_eof() or self.writer.is_closing()

    def close(self):
        self.writer.transport.abort() if self.writer.is_closing() else self.writer.close()


class Load:
    def __init__(self, args):
        url = urllib.parse.urlsplit(args.url)
        self.args, self.host = args, url.hostname
        self.tls = None
        if url.scheme == "https":
            self.tls = ssl.create_default_context(cafile=args.ca)
            if args.insecure:
                self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        self.port = url.port or (443 if self.tls else 80)
        self.authority = f"{url.hostname}:{self.port}"
        self.idle = collections.deque()
        self.results = collections.Counter()
        self.failures = []
        self.latencies = {"get-kept": [], "get-new": [], "post-kept": [], "post-new": []}
        self.late = 0.0
        self.acknowledged = []
        self.slow = collections.Counter()
        self.opened = 0

    async def connect(self):
        self.opened += 1
        try:
            reader, writer = await asyncio.open_connection(
                self.args.connect or self.host, self.port, ssl=self.tls,
                server_hostname=self.host if self.tls else None)
        except ConnectionRefusedError as e:
            raise Failed("connect-refused", e)
        except ssl.SSLError as e:
            raise Failed("tls", e)
        except OSError as e:
            raise Failed("connect-reset", e)
        return Connection(reader, writer)

    async def kept(self):
        # The longest idle one first when --age asks for it, so that idle time-outs are met.
        while self.idle:
            c = self.idle.popleft() if self.args.oldest else self.idle.pop()
            if not c.closed():
                return c
            c.close()
        return await self.connect()

    async def exchange(self, c, method, ident, keep):
        body = self.args.body.replace("{id}", ident).encode() if method == "POST" else b""
        path = self.args.post if method == "POST" else self.args.get
        head = (f"{method} {path} HTTP/1.1\r\nHost: {self.authority}\r\nX-Load-Id: {ident}\r\n"
                + (f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else "")
                + ("" if keep else "Connection: close\r\n") + "\r\n")
        try:
            c.writer.write(head.encode() + body)
            await c.writer.drain()
            line = await c.reader.readline()
            if not line:
                raise Failed("closed-before-answer", f"use {c.used} of a connection")
            status = int(line.split()[1])
            headers = {}
            while (line := await c.reader.readline()) not in (b"\r\n", b"\n"):
                if not line:
                    raise Failed("closed-in-answer")
                k, _, v = line.decode().partition(":")
                headers[k.strip().lower()] = v.strip()
            text = await self.body(c, headers)
        except Failed:
            raise
        except (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError) as e:
            raise Failed("reset", f"use {c.used} of a connection: {e!r}")
        except (ValueError, IndexError) as e:
            raise Failed("nonsense", e)
        c.used += 1
        if status >= 400:
            raise Failed(f"status-{status}", text[:200])
        return headers.get("connection", "").lower() != "close"

    @staticmethod
    async def body(c, headers):
        if headers.get("transfer-encoding", "").lower() == "chunked":
            out = b""
            while True:
                size = int((await c.reader.readline()).split(b";")[0], 16)
                chunk = await c.reader.readexactly(size + 2)
                if size == 0:
                    return out
                out += chunk[:-2]
        return await c.reader.readexactly(int(headers.get("content-length", 0)))

    async def one(self, number, kind):
        method, keep = ("GET", "POST")[kind.startswith("post")], kind.endswith("kept")
        ident = f"{self.args.run}-{number}"
        begin, c = time.monotonic(), None
        try:
            async with asyncio.timeout(self.args.timeout):
                c = await (self.kept() if keep else self.connect())
                again = await self.exchange(c, method, ident, keep)
            if keep and again:
                self.idle.append(c)
            else:
                c.close()
            self.results["ok"] += 1
            if method == "POST":
                self.acknowledged.append(ident)
        except (Failed, TimeoutError) as e:
            kind_of = e.kind if isinstance(e, Failed) else "timeout"
            self.results[kind_of] += 1
            self.failures.append(f"{time.time():.3f} {kind} {ident} {e or kind_of}")
            if c:
                c.close()
        took = time.monotonic() - begin
        self.latencies[kind].append(took)
        if took > self.args.slow:
            self.slow[f"{time.strftime('%T')} {kind}"] += 1

    async def run(self):
        kinds = self.args.kinds.split(",")
        total = int(self.args.rate * self.args.seconds)
        begin, tasks = time.monotonic(), set()
        for number in range(total):
            due = begin + number // self.args.burst * self.args.burst / self.args.rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self.late = max(self.late, time.monotonic() - due)
            task = asyncio.create_task(self.one(number, kinds[number % len(kinds)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        while tasks:
            await asyncio.wait(tasks)
        return total

    def report(self, total):
        def at(values, q):
            return round(1000 * values[min(len(values) - 1, int(q * len(values)))], 1) if values else None
        every = sorted(v for vs in self.latencies.values() for v in vs)
        out = {"requests": total, "ok": self.results["ok"], "failed": total - self.results["ok"],
               "kinds": {k: v for k, v in self.results.items() if k != "ok"},
               "connections": self.opened, "ms": {n: at(every, q) for n, q in
               (("p50", .5), ("p99", .99), ("p99.9", .999), ("max", 1))},
               "latest_start_ms": round(1000 * self.late, 1), "slow": dict(self.slow), "failures": self.failures[:20]}
        if self.args.log:
            done = collections.Counter(x for f in self.args.log for x in open(f).read().split()
                                       if x.startswith(self.args.run + "-"))
            out["posts"] = {"acknowledged": len(self.acknowledged),
                            "lost": sum(done[i] == 0 for i in self.acknowledged),
                            "done_twice": sum(n > 1 for n in done.values())}
        return out


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("url")
    p.add_argument("--rate", type=float, default=250)
    p.add_argument("--burst", type=int, default=1, help="requests that start together; the rate stays")
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--timeout", type=float, default=10)
    p.add_argument("--ca")
    p.add_argument("--insecure", action="store_true", help="take any certificate")
    p.add_argument("--body", default='{"id":"{id}"}', help="of a POST; {id} is its own id")
    p.add_argument("--connect", help="address to connect to in place of the URL's host")
    p.add_argument("--get", default="/")
    p.add_argument("--post", default="/orders")
    p.add_argument("--kinds", default="get-kept,post-kept,get-new,post-new")
    p.add_argument("--oldest", action="store_true", help="use the connection that was idle longest")
    p.add_argument("--slow", type=float, default=0.25, help="count longer ones by second and kind")
    p.add_argument("--log", action="append", help="file with the ids that the server has done")
    p.add_argument("--run", default=f"{os.getpid()}-{random.randrange(10**9)}")
    args = p.parse_args()
    load = Load(args)
    result = load.report(asyncio.run(load.run()))
    print(json.dumps(result, indent=1))
    posts = result.get("posts", {})
    sys.exit(1 if result["failed"] or posts.get("lost") or posts.get("done_twice") else 0)


if __name__ == "__main__":
    main()
