"""The real programs that the tests start: PostgreSQL, PgBouncer, Valkey, the shop.

Each listens on a free port of 127.0.0.1, keeps its files in a folder of its own and
is ended by whoever started it. PostgreSQL and PgBouncer refuse to run as root, so
root lends them the user `nobody`.
"""

import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg

SOURCE = Path(__file__).resolve().parent.parent
LEND = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}


def program(*names: str) -> str:
    """Finds the first of the names, also where Debian keeps servers."""
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True) + ["/usr/sbin"]
    path = os.pathsep.join([*places, os.environ.get("PATH", "")])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise FileNotFoundError(f"none of {', '.join(names)} is installed; the tests need one")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(true: Callable[[], object], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"expected within {seconds} s: {what}"
        time.sleep(0.02)


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Server:
    """A process with a port, a folder and a log."""

    def __init__(self, name: str, folder: Path, **options: object):
        self.name, self.folder, self.port = name, folder, free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._options = options
        if options:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, command: list[str], **options: object) -> None:
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                **{"cwd": self.folder, **self._options, **options},
            )  # fmt: skip
        try:
            wait_until(self._is_up, f"{self.name} listens", 60)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.log()}") from None

    def _is_up(self) -> bool:
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}"
        return accepts(self.port)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def stop(self, seconds: float = 15) -> int:
        """Sends SIGTERM and returns the exit code."""
        self.process.terminate()
        return self.process.wait(seconds)

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(15)


class Postgres(Server):
    def __init__(self, folder: Path):
        super().__init__("postgres", folder, **LEND)

    def start(self) -> None:
        data = self.folder / "data"
        subprocess.run(
            [program("initdb"), "-D", data, "-U", "shop", "-A", "trust", "--no-sync"],
            check=True, capture_output=True, cwd=self.folder, **LEND,
        )  # fmt: skip
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "", "fsync": "off", "max_connections": 60,
        }  # fmt: skip
        words = [f"-c{name}={value}" for name, value in settings.items()]
        self.run([program("postgres"), "-D", str(data), *words])
        wait_until(self._answers, "postgres takes queries")

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), self.connect("postgres"):
            return True
        return False

    def url(self, database: str) -> str:
        return f"postgresql://shop@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(self.url(database), autocommit=True)

    def create(self, database: str) -> None:
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {database}")


class Pooler(Server):
    """PgBouncer in transaction mode, without any help for prepared statements."""

    def __init__(self, folder: Path, postgres: Postgres, **settings: object):
        super().__init__("pgbouncer", folder, **LEND)
        self._settings = {
            "listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "",
            "auth_type": "any", "admin_users": "shop", "pool_mode": "transaction",
            "default_pool_size": 6, "max_client_conn": 300,
            # PAUSE ends a login to the server that is under way and counts it as
            # failed; with the default of 15 s nobody is served that long after RESUME.
            "server_login_retry": 0.1, **settings,
        }  # fmt: skip
        self._postgres = postgres

    def start(self) -> None:
        lines = ["[databases]", f"* = host=127.0.0.1 port={self._postgres.port} user=shop"]
        lines += ["[pgbouncer]", *(f"{name} = {value}" for name, value in self._settings.items())]
        (self.folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        self.run([program("pgbouncer"), str(self.folder / "pgbouncer.ini")])

    def url(self, database: str) -> str:
        return f"postgresql://shop@127.0.0.1:{self.port}/{database}"

    def control(self, command: str) -> None:
        """Runs PAUSE, RESUME and the like; PAUSE is a hold of all writes."""
        connection = psycopg.connect(
            self.url("pgbouncer"), autocommit=True, cursor_factory=psycopg.ClientCursor
        )
        with contextlib.closing(connection):
            connection.execute(command)


class Valkey(Server):
    def __init__(self, folder: Path):
        super().__init__("valkey", folder)

    def start(self) -> None:
        server = program("valkey-server", "redis-server")
        self.run([server, "--bind", "127.0.0.1", "--port", str(self.port), "--save", ""])

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class Shop(Server):
    """`python3 -m shop` with exactly the environment it is given, and a client for it."""

    def __init__(self, folder: Path, **environment: str):
        super().__init__("shop", folder)
        self._environment = environment
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=20, trust_env=False
        )

    def start(self) -> None:
        self.run(
            [sys.executable, "-m", "shop"], cwd=SOURCE,
            env={"PATH": os.environ["PATH"], "PORT": str(self.port), **self._environment},
        )  # fmt: skip

    def order(self, order_id: str, customer: str = "ada", **quantities: int) -> httpx.Response:
        """Places an order: `order(id, cap_red=2)` is two of `cap-red`."""
        lines = [
            {"sku": name.replace("_", "-"), "quantity": count} for name, count in quantities.items()
        ]
        return self.client.put(f"/orders/{order_id}", json={"customer": customer, "lines": lines})

    def stock(self, sku: str) -> dict[str, int]:
        return self.client.get(f"/stock/{sku}?fresh=1").json()["places"]

    def audit(self) -> dict[str, int | bool]:
        return self.client.get("/audit?fresh=1").json()

    def metric(self, name: str) -> float:
        """The sum of a metric over the labels that `name` does not say."""
        name, _, labels = name.rstrip("}").partition("{")
        total = 0.0
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith((f"{name}{{", f"{name} ")) and labels in line:
                total += float(line.rsplit(" ", 1)[1])
        return total


class Relay:
    """A wire between an app and a server that can be cut at a chosen word.

    `cut_after(word)`: the next message of the client that holds the word is passed
    on, and once the server has answered, both sides are cut: a lost reply.
    """

    def __init__(self, port: int):
        self._target, self._word = port, None
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, word: bytes) -> None:
        self._word = word

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for pump in (self._to_server, self._to_client):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._word and self._word in data:
                    self._word = None
                    self.cuts += 1
                    # From here on nothing goes back, so the reply is lost.
                    client.shutdown(socket.SHUT_WR)
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        client.close()
        server.close()
