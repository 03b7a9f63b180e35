"""What the app is told, read once from its environment.

Every name may also be given as NAME_FILE, a path to a file that holds the
value, for those who keep secrets out of environments.
Must never print a value: addresses hold passwords.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass


class SettingError(Exception):
    """A setting is missing or has no meaning; the text names it, not its value."""


@dataclass(frozen=True)
class Settings:
    database_url: str
    database_read_url: str
    cache_url: str | None
    port: int
    keep_alive_seconds: int
    """How long an idle connection of a client is kept."""
    pool_size: int
    """Connections to the database for writes, and as many for reads."""
    wait_seconds: int
    """How long a request may wait for the database before it is answered with 503."""


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Reads all settings; raises SettingError for the first that is wrong."""
    database_url = _text(environ, "DATABASE_URL")
    if database_url is None:
        raise SettingError("DATABASE_URL is not set: the shop keeps its orders in PostgreSQL")
    return Settings(
        database_url=database_url,
        database_read_url=_text(environ, "DATABASE_READ_URL") or database_url,
        cache_url=_text(environ, "CACHE_URL"),
        port=_number(environ, "PORT", 8000),
        keep_alive_seconds=_number(environ, "KEEP_ALIVE_SECONDS", 75),
        pool_size=_number(environ, "POOL_SIZE", 8),
        wait_seconds=_number(environ, "WAIT_SECONDS", 10),
    )


def _text(environ: Mapping[str, str], name: str) -> str | None:
    if path := environ.get(f"{name}_FILE"):
        try:
            with open(path, encoding="utf-8") as file:
                return file.read().strip() or None
        except OSError as error:
            raise SettingError(f"{name}_FILE: {path}: {error.strerror}") from None
    return environ.get(name) or None


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = _text(environ, name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise SettingError(f"{name} must be a whole number above 0")
    return int(text)
