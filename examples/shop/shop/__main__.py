"""`python3 -m shop`: serves HTTP on PORT until SIGTERM.

SIGTERM: no new connections, idle ones end, requests in flight are finished
(a held write too), then the pools close and the process ends with 0.
"""

import gc
import signal
import sys

# Before the slow imports: as process 1 of a container, a process without a handler
# ignores SIGTERM. The server puts its own in place while it serves.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

# A third of the time to start: collecting what is only being loaded, and a checker
# of mail addresses that FastAPI imports wherever it is installed.
gc.disable()
sys.modules["email_validator"] = None  # type: ignore[assignment]

import logging  # noqa: E402

import uvicorn  # noqa: E402

from shop import api, settings  # noqa: E402


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("psycopg.pool").setLevel(logging.WARNING)
    try:
        told = settings.load()
    except settings.SettingError as error:
        sys.exit(f"shop: {error}")
    app = api.create(told)
    gc.freeze()
    gc.enable()
    uvicorn.run(
        app,
        host="0.0.0.0",
        port=told.port,
        loop="uvloop",
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=told.keep_alive_seconds,
        # Longer than the longest request, shorter than the 30 s before a SIGKILL.
        timeout_graceful_shutdown=told.wait_seconds + 15,
    )


if __name__ == "__main__":
    main()
