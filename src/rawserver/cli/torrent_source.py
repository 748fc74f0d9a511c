"""Where `get` finds its .torrent: a file, or a URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rawserver.cli.command_error import CommandError
from rawserver.cli.session import Session
from rawserver.cli.torrent_file import LARGEST_TORRENT_BYTES, parse_torrent, read_torrent
from rawserver.wire.metainfo import Metainfo

if TYPE_CHECKING:
    from rawserver.engine.tls import TlsClient


class TorrentSource:
    """A place that a .torrent is loaded from; raises CommandError for one that cannot be.

    `tls` says whom to trust at https://, None: whom the system does.
    """

    def __init__(self, source: str, tls: TlsClient | None = None) -> None:
        self._source = source
        self._tls = tls
        scheme, colon, _ = source.partition("://")
        self._is_url = bool(colon) and scheme.isalpha()
        if self._is_url:
            self._check_url(scheme.lower())

    def _check_url(self, scheme: str) -> None:
        if scheme not in ("http", "https"):
            raise CommandError(f"{self._source}: only http:// and https:// URLs can be fetched")
        try:
            parts = urlsplit(self._source)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or any(character.isspace() for character in self._source):
            raise CommandError(f"{self._source}: not a URL of a host and a path")

    def load(self, session: Session, loaded: Callable[[Metainfo], None]) -> None:
        """Call `loaded(metainfo)` in the session's loop, or end the session with the reason."""
        if self._is_url:
            self._load_url(session, loaded)
        else:
            session.soon(lambda: loaded(read_torrent(self._source)))

    def _load_url(self, session: Session, loaded: Callable[[Metainfo], None]) -> None:
        from rawserver.http.client import HttpClient, HttpError, HttpReply

        def done(reply: HttpReply | None, error: HttpError | None) -> None:
            if reply is None:
                raise CommandError(str(error))
            loaded(parse_torrent(reply.body, self._source))

        client = HttpClient(session.raw_server, tls=self._tls)
        client.get(self._source, session.guarded(done), limit=LARGEST_TORRENT_BYTES)
