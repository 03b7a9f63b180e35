"""Verbs of a planned move of the primary, beside Patroni's own REST API: `/handover`.

Each verb is one step that the agent orders, and can be repeated; what order they come in, and
which side is safe when, is the agent's to know (src/agent/resident/handover). They work only while
automatic failover is off (`pause`), and only for a client with the agent's certificate.
What leads where is never written here: a fenced member has PostgreSQL's own mark in its data
(standby.signal), so it comes up as a standby whoever starts it.

Tried with Patroni 4.0.7. Next: member.py (who loads this).
"""

import contextlib
import json
import logging
import os
import signal
import threading
import time

from patroni import global_config
from patroni.api import RestApiHandler, RestApiServer, check_access
from patroni.psycopg import connect

logger = logging.getLogger(__name__)
AGENT = "agent"
STEP_SECONDS = 0.002
# A promotion that was asked for just after the upstream went can be slept through: asked again.
ASK_AGAIN_SECONDS = 0.012
LOCK_SECONDS = 60


class Refused(Exception):
    """Nothing was done; the message says why."""


class Handover:
    """What one member can do. `limit` is how many seconds a verb may take."""

    def __init__(self, patroni):
        self.patroni = patroni
        self.server = patroni.postgresql

    def state(self, limit):
        """Where this member stands, from its control data and, if it runs, from the server."""
        control = self.server.controldata()
        told = {
            "system_id": self.server.sysid,
            "control": control.get("Database cluster state", "unknown"),
            "checkpoint_lsn": control.get("Latest checkpoint location"),
            "timeline": int(control.get("Latest checkpoint's TimeLineID", 0)),
            "runs": self.server.is_running() is not None,
            "is_fenced": os.path.exists(self.mark()),
        }
        if told["runs"]:
            with contextlib.suppress(Exception), self.session() as run:
                in_recovery, lsn = run(
                    "SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery()"
                    " THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END"
                )
                told.update(in_recovery=in_recovery, lsn=lsn)
        return told

    def prepare(self, limit):
        """A checkpoint now, so that the next one, within the hold, is short."""
        with self.session() as run:
            run("CHECKPOINT", False)
        return {}

    def fence(self, limit):
        """Ends the server so that it can only come back as a standby; answers where its log ends."""
        self.need_pause()
        with open(self.mark(), "w") as mark:
            os.fsync(mark.fileno())
        sync(self.server.data_dir)
        postmaster = self.server.is_running()
        if postmaster is not None:
            os.kill(postmaster.pid, signal.SIGINT)
        deadline = time.monotonic() + limit
        while not self.is_shut_down():
            if time.monotonic() > deadline:
                raise TimeoutError("the server has not shut down in time")
            time.sleep(STEP_SECONDS)
        threading.Thread(target=self.give_lock_back, daemon=True).start()
        return self.state(limit)

    def revive(self, limit):
        """Takes the fence away and starts the server as the primary it was; a server that was never
        fenced is left alone."""
        self.need_pause()
        if os.path.exists(self.mark()) or self.server.is_running() is None:
            self.wait_for_end(limit)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.mark())
            sync(self.server.data_dir)
            # As Patroni itself starts a primary; it takes the lock again in its next round.
            if not self.server.start(timeout=limit, role="primary"):
                raise TimeoutError("the server has not started in time")
        self.patroni.ha.wakeup()
        return self.state(limit)

    def replayed(self, limit, lsn):
        """Waits until all up to that place in the log has been replayed here."""
        deadline = time.monotonic() + limit
        with self.session() as run:
            while True:
                (past,) = run(f"SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() > '{as_lsn(lsn)}'::pg_lsn")
                if past:
                    return {}
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the log up to {lsn} was not replayed in time")
                time.sleep(STEP_SECONDS)

    def promote(self, limit):
        """Makes this standby the primary, and returns once it takes writes."""
        self.need_pause()
        deadline = time.monotonic() + limit
        with self.session() as run:
            while True:
                (is_standby,) = run("SELECT pg_is_in_recovery()")
                if not is_standby:
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError("the server was not promoted in time")
                with contextlib.suppress(Exception):  # "recovery is not in progress": it is done
                    run("SELECT pg_promote(false)")
                again = time.monotonic() + ASK_AGAIN_SECONDS
                while is_standby and time.monotonic() < again:
                    time.sleep(STEP_SECONDS)
                    (is_standby,) = run("SELECT pg_is_in_recovery()")
        # A primary without the lock takes it in Patroni's next round, if nobody has it.
        self.patroni.ha.wakeup()
        return self.state(limit)

    def give_lock_back(self):
        """With no server under it, Patroni gives the leader's lock back in its next round."""
        self.wait_for_end(LOCK_SECONDS)
        self.patroni.ha.wakeup()

    def wait_for_end(self, limit):
        deadline = time.monotonic() + limit
        postmaster = self.server.is_running()
        while postmaster is not None:
            if time.monotonic() > deadline:
                raise TimeoutError("the server has not ended in time")
            os.kill(postmaster.pid, signal.SIGINT)
            time.sleep(STEP_SECONDS)
            postmaster = self.server.is_running()

    def need_pause(self):
        if not global_config.is_paused:
            raise Refused("automatic failover is on: pause it first")

    def mark(self):
        return os.path.join(self.server.data_dir, "standby.signal")

    def is_shut_down(self):
        return self.server.controldata().get("Database cluster state") in ("shut down", "shut down in recovery")

    @contextlib.contextmanager
    def session(self):
        parameters = {**self.server.connection_pool.conn_kwargs, "connect_timeout": 3}
        connection = connect(**parameters)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:

                def run(sql, has_rows=True):
                    cursor.execute(sql)
                    return cursor.fetchone() if has_rows else None

                yield run
        finally:
            connection.close()


def as_lsn(text):
    high, low = (int(part, 16) for part in text.split("/"))
    return f"{high:X}/{low:X}"


def sync(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


VERBS = ("state", "prepare", "fence", "revive", "replayed", "promote")


@check_access
def do_POST_handover(handler):
    """Body: {"verb": ..., "limit_ms": ..., further arguments of the verb}. Answers JSON."""
    if not is_agent(handler.request.getpeercert()):
        return handler._write_json_response(403, {"error": "only the agent of this stack may ask"})
    try:
        asked = json.loads(handler.rfile.read(int(handler.headers.get("Content-Length", 0))))
        verb, limit = asked.pop("verb"), asked.pop("limit_ms") / 1000
        if verb not in VERBS:
            raise Refused(f"there is no verb {verb}")
        answer = getattr(handler.server.handover, verb)(limit, **asked)
    except Refused as why:
        return handler._write_json_response(409, {"error": str(why)})
    except (KeyError, TypeError, ValueError):
        return handler._write_json_response(400, {"error": "not a question that is understood"})
    except Exception as why:
        logger.exception("handover: %s failed", verb)
        return handler._write_json_response(500, {"error": str(why)})
    handler._write_json_response(200, answer)


def is_agent(certificate):
    return organization(certificate) == AGENT


def organization(certificate):
    subject = {name: value for part in (certificate or {}).get("subject", ()) for name, value in part}
    return subject.get("organizationName")


def check_who(server, handler, **options):
    """Patroni takes changes from every certificate of its authority, so from each component that has
    one; here only from the agent and from members."""
    certificate = handler.request.getpeercert()
    cluster = server.handover.patroni.dcs.cluster
    members = {member.name for member in cluster.members} if cluster else set()
    if certificate and organization(certificate) not in {AGENT, server.handover.server.name} | members:
        return handler.write_response(403, "only the agent and members of this stack may change anything")
    return check_certificate(server, handler, **options)


check_certificate = RestApiServer.check_access


def install(patroni):
    """Adds the verbs to Patroni's REST API, and says who may change anything by it."""
    RestApiHandler.do_POST_handover = do_POST_handover
    RestApiServer.check_access = check_who
    patroni.api.handover = Handover(patroni)
