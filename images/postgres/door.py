"""The door of a member: whether the app may log in, whoever starts the server.

While its cluster follows another one (`standby_cluster`), nobody but members and the server's own
user may connect. That stands in pg_hba.conf in the data, so it holds for a server that was started,
promoted, or robbed of its standby.signal by hand, too: the second lock beside that signal.
The agent opens and closes the door while automatic failover is off; else it follows the cluster.

Tried with Patroni 4.0.7. Next: handover.py (who opens and closes), member.py (who looks).
"""

import contextlib
import os
import signal

from patroni import global_config
from patroni.postgresql.config import ConfigHandler

MARK = "scalectl.closed"
CLOSED = ("local all app reject", "host all app all reject")
# The app's own role is the only one that comes from outside and may write.
replace_pg_hba = ConfigHandler.replace_pg_hba


def replace_as_the_door_is(config):
    rules = config._config.get("pg_hba")
    if not rules or not os.path.exists(os.path.join(config._postgresql.data_dir, MARK)):
        return replace_pg_hba(config)
    config._config["pg_hba"] = [*CLOSED, *rules]
    try:
        return replace_pg_hba(config)
    finally:
        config._config["pg_hba"] = rules


class Door:
    def __init__(self, patroni):
        self.patroni = patroni
        self.server = patroni.postgresql
        ConfigHandler.replace_pg_hba = replace_as_the_door_is

    def mark(self):
        return os.path.join(self.server.data_dir, MARK)

    def follow_cluster(self):
        """Once a round of Patroni: not while the agent is at work, nor while data are made."""
        cluster = self.patroni.dcs.cluster
        if cluster is None or not cluster.config or global_config.is_paused or self.patroni.ha._async_executor.busy:
            return
        if os.path.exists(os.path.join(self.server.data_dir, "PG_VERSION")):
            self.set(bool(global_config.is_standby_cluster))

    def set(self, is_closed):
        if is_closed == os.path.exists(self.mark()):
            return
        if is_closed:
            with open(self.mark(), "w") as mark:
                os.fsync(mark.fileno())
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.mark())
        self.server.config.replace_pg_hba()
        with open(self.server.config.pg_hba_conf) as rules:
            os.fsync(rules.fileno())
        postmaster = self.server.is_running()
        if postmaster is not None:
            os.kill(postmaster.pid, signal.SIGHUP)
