"""Whom an HTTPS client trusts: what it was given, or what the system has, read when needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rawserver.engine import RawServer

if TYPE_CHECKING:
    from rawserver.engine.tls import TlsClient

Answer = Callable[["TlsClient | None", BaseException | None], None]


class HttpsTrust:
    """Has the settings of TLS: `tls`, None as long as nobody has asked for what the system has.

    The system's certificates are some hundred, which take tens of milliseconds to read: they are
    read once, off the loop, and with them OpenSSL, when the first https:// is asked.
    """

    def __init__(self, raw_server: RawServer, tls: TlsClient | None = None) -> None:
        """`tls` are settings to use as they are; None: verify by whom the system trusts."""
        self._raw_server = raw_server
        self.tls = tls
        self._waiting: list[Answer] = []

    def ask(self, answer: Answer) -> None:
        """Read whom the system trusts, then call `answer(tls, error)`, with one of the two."""
        self._waiting.append(answer)
        if len(self._waiting) == 1:
            # In nobody's context: others wait for it, too, and not only who came first.
            self._raw_server.start_work(system_trust, (), self._read)

    def _read(self, tls: TlsClient | None, error: BaseException | None) -> None:
        self.tls = tls  # after an error it is tried again for who asks next
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer(tls, error)


def system_trust() -> TlsClient:
    """Read whom the system trusts; it blocks."""
    from rawserver.engine.tls import TlsClient

    return TlsClient(alpn=("http/1.1",))
