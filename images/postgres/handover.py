"""Verbs of a planned move of the primary, beside Patroni's own REST API: `/handover`.

Each verb is one step that the agent orders, and can be repeated; what order they come in, and
which side is safe when, is the agent's to know (src/agent/resident/handover). Those that stop, start
or promote a server work only while automatic failover is off (`pause`), and all of them only for a
client with the agent's certificate.
What leads where is never written here: a fenced member has PostgreSQL's own mark in its data
(standby.signal), so it comes up as a standby whoever starts it. A second mark beside it says which
handover fenced it: only that one may take the fence away. And no standby is promoted without a permit
(`lead`), which Patroni and the agent give: whoever promotes one by hand ends its server.

Tried with Patroni 4.0.7. Next: member.py (who loads this).
"""

import contextlib
import json
import logging
import os
import signal
import struct
import threading
import time

from patroni import global_config
from patroni.api import RestApiHandler, RestApiServer, check_access
from patroni.psycopg import connect

import sessions

logger = logging.getLogger(__name__)
AGENT = "agent"
STEP_SECONDS = 0.002
LOOK_SECONDS = 0.05
# A promotion that was asked for just after the upstream went can be slept through: asked again.
ASK_AGAIN_SECONDS = 0.012
LOCK_SECONDS = 60
PERMIT = "/run/postgresql/may-lead"
# ControlFileData begins with a system id (8 bytes), its version (4), another version (4) and the
# state (4), a number of DBState. Source: PostgreSQL, src/include/catalog/pg_control.h.
CONTROL_VERSION = 1700
CONTROL_STATES = (
    "starting up",
    "shut down",
    "shut down in recovery",
    "shutting down",
    "in crash recovery",
    "in archive recovery",
    "in production",
)


class Refused(Exception):
    """Nothing was done; the message says why."""


class Handover:
    """What one member can do, one verb at a time. `deadline` is until when a verb may take, in seconds
    of the monotonic clock; one that gets its turn after it does nothing."""

    def __init__(self, patroni):
        self.patroni = patroni
        self.server = patroni.postgresql
        self.door = patroni.door
        self.turn = threading.Lock()

    def do(self, verb, deadline, more):
        if verb in LOOKS:
            # Asked while another verb is at work, too.
            return getattr(self, verb)()
        if not self.turn.acquire(timeout=max(0, deadline - time.monotonic())):
            raise TimeoutError("another verb is at work")
        try:
            return getattr(self, verb)(deadline, **more)
        finally:
            self.turn.release()

    def state(self):
        """Where this member stands, by its control data."""
        control = self.server.controldata()
        return {
            "control": control.get("Database cluster state", "unknown"),
            "checkpoint_lsn": control.get("Latest checkpoint location"),
        }

    def sessions(self):
        """Who is at work on this server, and what would be in the way of a hold or a move."""
        with self.session() as run:
            return sessions.look(run, global_config.is_synchronous_mode)

    def standbys(self):
        """Who follows this server, and how far."""
        with self.session() as run:
            return sessions.standbys(run)

    def paused(self, deadline):
        """Waits until this Patroni itself goes by it that automatic failover is off. What its REST API
        tells (`pause`) is of the store, which may be news to the round that it is in."""
        while not global_config.is_paused:
            if time.monotonic() > deadline:
                raise TimeoutError("this member has not taken in that automatic failover is off")
            self.patroni.ha.wakeup()
            time.sleep(LOOK_SECONDS)
        return {}

    def prepare(self, deadline):
        """A checkpoint now, so that the next one, within the hold, is short."""
        with self.session() as run:
            run("CHECKPOINT", False)
            (waits_for,) = run("SHOW synchronous_standby_names")
        return {"waits_for": waits_for}

    def unlock(self, deadline):
        """Lets the app in: this member is about to be a primary of its own cluster."""
        self.need_pause()
        self.door.set(False)
        return {}

    def fence(self, deadline, epoch, lock=False):
        """Ends the server so that it can only come back as a standby; answers where its log ends.
        With `lock` the app cannot log in to it any more, for its cluster is left."""
        self.need_pause()
        if not self.is_fenced_by(epoch):
            if self.is_standby():
                raise Refused("it is a standby: there is nothing to fence")
            self.put(self.own_mark(), str(epoch))
        self.put(self.mark(), "")
        if time.monotonic() > deadline:
            # Whoever asked has given up; the server was not touched.
            self.take_fence_away()
            raise TimeoutError("the disk was too slow for the fence")
        postmaster = self.server.is_running()
        if postmaster is not None:
            os.kill(postmaster.pid, signal.SIGINT)
        if lock:
            self.door.set(True)
        while not self.is_shut_down():
            if time.monotonic() > deadline:
                raise TimeoutError("the server has not shut down in time")
            time.sleep(STEP_SECONDS)
        threading.Thread(target=self.give_lock_back, daemon=True).start()
        return self.state()

    def revive(self, deadline, epoch):
        """Takes the fence of that handover away and starts the server as the primary it was. One that
        it never fenced is left alone while it runs, and never started if it is a standby."""
        self.need_pause()
        if self.is_fenced_by(epoch):
            self.wait_for_end(deadline)
            if self.control_state() == "shut down in recovery":
                raise Refused("its data are a standby's")
            self.take_fence_away()
        elif self.is_standby():
            raise Refused("it is a standby that this handover has not fenced")
        self.door.set(False)
        if self.server.is_running() is None:
            self.start("primary", deadline)
        self.patroni.ha.wakeup()
        return {}

    def wake(self, deadline):
        """Starts a server that does not run, as what it is: while failover is off nobody else does."""
        self.need_pause()
        if self.server.is_running() is None:
            is_standby = self.is_standby()
            if is_standby:
                # One that ended within its promotion has lost its mark, and would start as a primary.
                self.put(self.mark(), "")
            self.start("replica" if is_standby else "primary", deadline)
        return {}

    def replayed(self, deadline, lsn):
        """Waits until all up to that place in the log has been replayed here."""
        with self.session() as run:
            while True:
                (past,) = run(f"SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() > '{as_lsn(lsn)}'::pg_lsn")
                if past:
                    return {}
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the log up to {lsn} was not replayed in time")
                time.sleep(STEP_SECONDS)

    def promote(self, deadline):
        """Makes this standby the primary, and returns once it takes writes."""
        self.need_pause()
        self.promote_now(deadline)
        # One that was not used up must not be there for others.
        revoke()
        # A primary without the lock takes it in Patroni's next round, if nobody has it.
        self.patroni.ha.wakeup()
        return {}

    def promote_now(self, deadline):
        with self.session() as run:
            while True:
                (is_standby,) = run("SELECT pg_is_in_recovery()")
                if not is_standby:
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError("the server was not promoted in time")
                # From here on only forward: whatever fails, the permit stays for a promotion under way.
                permit()
                with contextlib.suppress(Exception):  # "recovery is not in progress": it is done
                    run("SELECT pg_promote(false)")
                again = time.monotonic() + ASK_AGAIN_SECONDS
                while is_standby and time.monotonic() < again:
                    time.sleep(STEP_SECONDS)
                    (is_standby,) = run("SELECT pg_is_in_recovery()")

    def start(self, role, deadline):
        # As Patroni itself starts one; a primary takes the lock again in its next round.
        if not self.server.start(timeout=max(1, deadline - time.monotonic()), role=role):
            raise TimeoutError("the server has not started in time")

    def give_lock_back(self):
        """With no server under it, Patroni gives the leader's lock back in its next round."""
        self.wait_for_end(time.monotonic() + LOCK_SECONDS)
        self.patroni.ha.wakeup()

    def wait_for_end(self, deadline):
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

    def own_mark(self):
        return os.path.join(self.server.data_dir, "scalectl.fenced")

    def is_fenced_by(self, epoch):
        with contextlib.suppress(FileNotFoundError), open(self.own_mark()) as mark:
            return mark.read() == str(epoch)
        return False

    def is_standby(self):
        return os.path.exists(self.mark()) or self.control_state() in ("shut down in recovery", "in archive recovery")

    def control_state(self):
        """As pg_controldata tells it, which takes some ms to start: writes wait meanwhile."""
        with open(os.path.join(self.server.data_dir, "global", "pg_control"), "rb") as file:
            version, number = struct.unpack_from("=I4xi", file.read(20), 8)
        if version != CONTROL_VERSION or number not in range(len(CONTROL_STATES)):
            return self.server.controldata().get("Database cluster state", "unknown")
        return CONTROL_STATES[number]

    def put(self, path, text):
        with open(path, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        sync(self.server.data_dir)

    def take_fence_away(self):
        # Its own mark last: until then it can be told that it was fenced.
        for path in (self.mark(), self.own_mark()):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            sync(self.server.data_dir)

    def is_shut_down(self):
        return self.control_state() in ("shut down", "shut down in recovery")

    @contextlib.contextmanager
    def session(self):
        named = {"connect_timeout": 3, "application_name": "Patroni handover"}
        parameters = {**self.server.connection_pool.conn_kwargs, **named}
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


def permit():
    with open(PERMIT, "w"):
        pass


def revoke():
    with contextlib.suppress(FileNotFoundError):
        os.unlink(PERMIT)


def as_lsn(text):
    high, low = (int(part, 16) for part in text.split("/"))
    return f"{high:X}/{low:X}"


def sync(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


LOOKS = ("sessions", "standbys")
VERBS = (*LOOKS, "paused", "prepare", "unlock", "fence", "revive", "wake", "replayed", "promote")


@check_access
def do_POST_handover(handler):
    """Body: {"verb": ..., "limit_ms": ..., further arguments of the verb}. Answers JSON."""
    began = time.monotonic()
    if not is_agent(handler.request.getpeercert()):
        return handler._write_json_response(403, {"error": "only the agent of this stack may ask"})
    try:
        asked = json.loads(handler.rfile.read(int(handler.headers.get("Content-Length", 0))))
        verb, deadline = asked.pop("verb"), began + asked.pop("limit_ms") / 1000
    except (AttributeError, KeyError, TypeError, ValueError):
        return handler._write_json_response(400, {"error": "not a question that is understood"})
    if verb not in VERBS:
        return handler._write_json_response(400, {"error": f"there is no verb {verb}"})
    try:
        answer = handler.server.handover.do(verb, deadline, asked)
    except Refused as why:
        return handler._write_json_response(409, {"error": str(why)})
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
    """Adds the verbs to Patroni's REST API, says who may change anything by it, and lets Patroni itself promote."""
    RestApiHandler.do_POST_handover = do_POST_handover
    RestApiServer.check_access = check_who
    # Patroni calls it when it has the leader's key and is about to promote.
    before, server = patroni.postgresql._pre_promote, patroni.postgresql
    server._pre_promote = lambda: permit() or before()
    patroni.api.handover = Handover(patroni)
