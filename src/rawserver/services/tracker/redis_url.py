"""Where a Redis or Valkey server is: redis://, rediss:// (TLS) and unix:// URLs."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

DEFAULT_PORT = 6379

_IN_THE_CLEAR = ("redis", "valkey")
_WITH_TLS = ("rediss", "valkeys")


class RedisUrl(NamedTuple):
    """What a URL says. `address` is (host, port), or the path of a Unix socket.

    Without `password` nobody logs in; without `user` it is the server's default user.
    """

    address: tuple[str, int] | str
    user: str = ""
    password: str = ""
    database: int = 0
    tls: bool = False

    def __str__(self) -> str:
        """Name the server as it may be shown to anybody: without who logs in, and how."""
        if isinstance(self.address, str):
            return f"unix://{self.address}"
        host, port = self.address
        shown = f"[{host}]" if ":" in host else host
        return f"{'rediss' if self.tls else 'redis'}://{shown}:{port}/{self.database}"


def parse_redis_url(text: str) -> RedisUrl:
    """Read redis://[[user]:password@]host[:port][/database] or unix://[...@]/path[?db=database].

    What stands before the @ is percent-decoded. ValueError, which does not repeat a password, if
    the text is no such URL.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("the store's URL has no possible host or port") from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and parts.password is None:
        raise ValueError("the store's URL has a user without a password: write user:password@")
    if parts.scheme == "unix":
        if not parts.path or parts.hostname:
            raise ValueError("a Unix socket's URL has three slashes: unix:///path/of/socket")
        database = parse_qs(parts.query).get("db", ["0"])[0]
        return RedisUrl(unquote(parts.path), user, password, _number(database))
    if parts.scheme not in _IN_THE_CLEAR + _WITH_TLS:
        raise ValueError("the store's URL begins with redis://, rediss:// or unix://")
    if not parts.hostname:
        raise ValueError("the store's URL has no host")
    if parts.query or parts.fragment:
        raise ValueError("the store's URL ends with /database; nothing may follow it")
    host = (parts.hostname, DEFAULT_PORT if port is None else port)
    database = parts.path.strip("/") or "0"
    return RedisUrl(host, user, password, _number(database), parts.scheme in _WITH_TLS)


def _number(database: str) -> int:
    if not (database.isascii() and database.isdecimal() and len(database) < 6):
        raise ValueError("the store's database is a number from 0")
    return int(database)
