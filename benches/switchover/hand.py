"""One hand of the floor: runs inside a container and does what it is told, a line at a time.

Fed on standard input after `python3 -c`: no file is put anywhere. Everything that takes a while to
open (a session, a parsed module) is open before the first line is answered.
Each line is JSON: {"do": NAME, ...arguments}; each answer {"ms": ..., "told": ...} or {"error": ...}.
"""

import json
import os
import signal
import struct
import sys
import time

import psycopg2

DATA = "/var/lib/postgresql/data"
PERMIT = "/run/postgresql/may-lead"
RUN = "/run/pgbouncer"
STEP_SECONDS = 0.002
ASK_AGAIN_SECONDS = 0.012
LIMIT_SECONDS = 20
SHUT_DOWN = 1


class Member:
    """A database member: its files, its process, a session with its server."""

    def __init__(self):
        self.session = opened(host="/run/postgresql", user="postgres", dbname="postgres")

    def checkpoint(self):
        self.session.execute("CHECKPOINT")

    def fence(self):
        """A standby's mark, then the server's end; where its log ends."""
        with open(f"{DATA}/standby.signal", "w") as mark:
            os.fsync(mark.fileno())
        folder = os.open(DATA, os.O_RDONLY)
        os.fsync(folder)
        with open(f"{DATA}/postmaster.pid") as file:
            os.kill(int(file.readline()), signal.SIGINT)
        return until(self.end_of_log)

    def end_of_log(self):
        """From pg_control itself: its state, and where its last checkpoint begins."""
        with open(f"{DATA}/global/pg_control", "rb") as file:
            state, lsn = struct.unpack("=16xi4x8xQ", file.read(40))
        return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}" if state == SHUT_DOWN else None

    def replayed(self, lsn):
        return until(lambda: self.one("SELECT pg_last_wal_replay_lsn() > %s::pg_lsn", lsn))

    def promote(self):
        deadline = time.monotonic()
        # No standby is promoted without it.
        open(PERMIT, "w").close()
        while self.one("SELECT pg_is_in_recovery()"):
            if time.monotonic() >= deadline:
                deadline = time.monotonic() + ASK_AGAIN_SECONDS
                try:
                    self.session.execute("SELECT pg_promote(false)")
                except psycopg2.Error:  # "recovery is not in progress": it is done
                    pass
            time.sleep(STEP_SECONDS)

    def one(self, sql, *values):
        self.session.execute(sql, values)
        return self.session.fetchone()[0]


class Pooler:
    """The pooler's console, and the file that says where the databases are."""

    def __init__(self):
        consoles = (f"{RUN}/{slot}" for slot in "ab" if os.path.exists(f"{RUN}/{slot}/.s.PGSQL.6432"))
        self.console = opened(host=next(consoles), port=6432, user="agent", dbname="pgbouncer")

    def pause(self):
        self.console.execute("PAUSE app")

    def point(self, primary, readers):
        """`app` and `app_session` lead to that address, `app_read` to those."""
        lines = []
        for line in open(f"{RUN}/databases.ini"):
            name, _, rest = line.partition(" = host=")
            if rest:
                host = ",".join(readers) if name == "app_read" else primary
                line = f"{name} = host={host} {rest.partition(' ')[2]}"
            lines.append(line)
        new = f"{RUN}/databases.ini.floor"
        with open(new, "w") as file:
            file.writelines(lines)
        os.chmod(new, 0o660)
        os.rename(new, f"{RUN}/databases.ini")
        self.console.execute("RELOAD")

    def resume(self):
        self.console.execute("RESUME app")


def opened(**address):
    connection = psycopg2.connect(**address)
    connection.autocommit = True
    return connection.cursor()


def until(look):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(STEP_SECONDS)
    return seen


def serve(hand):
    print(json.dumps({"ms": 0, "told": "ready"}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        begun = time.perf_counter()
        try:
            told = getattr(hand, asked.pop("do"))(**asked)
        except Exception as why:  # the other end decides what it means
            print(json.dumps({"error": f"{type(why).__name__}: {why}"}), flush=True)
            continue
        print(json.dumps({"ms": (time.perf_counter() - begun) * 1000, "told": told}), flush=True)


serve({"member": Member, "pooler": Pooler}[sys.argv[1]]())
