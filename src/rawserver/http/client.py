"""An HTTP and HTTPS client on RawServer: GET, for trackers and .torrent files."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import httptools

from rawserver.engine import RawServer, SingleSocket, Task
from rawserver.http.https_trust import HttpsTrust
from rawserver.http.url import UrlError, join_url, parse_url

if TYPE_CHECKING:
    from rawserver.engine.tls import TlsClient

USER_AGENT = "RawServer/0.1.0"
# libtorrent's limit for a tracker's reply.
DEFAULT_LIMIT_BYTES = 1024 * 1024
DEFAULT_TIMEOUT_SECONDS = 30.0
# As browsers of old did; more is a circle.
MAX_REDIRECTS = 5
MAX_HEAD_BYTES = 64 * 1024
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_HEAD_TOO_LONG = "the head of the reply is too long"
_REDIRECTS = {301, 302, 303, 307, 308}
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class HttpError(Exception):
    """No usable reply; one line that names the URL and says why."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What a server answered with status 200; `url` is where it was found after redirects."""

    url: str
    body: bytes
    content_type: str


Done = Callable[[HttpReply | None, HttpError | None], None]


class HttpClient:
    """Makes requests, a connection each.

    `tls` says whom to trust for https:// and how; None: whom the system does. Certificate and
    name of a server are verified unless it says otherwise.
    """

    def __init__(self, raw_server: RawServer, *, tls: TlsClient | None = None) -> None:
        self._raw_server = raw_server
        self._trust = HttpsTrust(raw_server, tls)

    def get(
        self,
        url: str,
        done: Done,
        context: Hashable = None,
        *,
        limit: int = DEFAULT_LIMIT_BYTES,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> HttpGet:
        """Fetch a URL; `done(reply, error)` is called once, from the loop.

        `limit` is on the body in bytes, after any decompression; `timeout` in seconds is for the
        whole, redirects included. `headers` are sent beside our own; ValueError for one with a line
        break. The request is over, without a call, when the context ends.
        """
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if len(extra.splitlines()) != len(headers):
            raise ValueError("a header has a line break")
        request = HttpGet(self._raw_server, self._trust, url, done, context, limit, timeout, extra)
        request.start()
        return request


class HttpGet:
    """One request, through all its redirects; httptools parses and calls the `on_...` methods."""

    def __init__(
        self,
        raw_server: RawServer,
        trust: HttpsTrust,
        url: str,
        done: Done,
        context: Hashable,
        limit: int,
        timeout: float,
        extra_headers: str,
    ) -> None:
        self._raw_server = raw_server
        self._trust = trust
        self._url = url
        self._extra_headers = extra_headers
        # Whether we were in the internet at large before a redirect.
        self._was_abroad = False
        self._done = done
        self._context = context
        self._limit = limit
        self._redirects = 0
        self._over = False
        self._connection: SingleSocket | None = None
        self._deadline: Task = raw_server.add_task(
            self._fail, timeout, (f"no reply within {timeout:g} seconds",), context
        )

    def start(self) -> None:
        """Begin; nothing is called from here."""
        self._raw_server.add_task(self._connect, 0, (), self._context)

    def cancel(self) -> None:
        """End; `done` is not called any more."""
        self._finish()

    def _connect(self) -> None:
        if self._over:
            return
        try:
            self._target = parse_url(self._url)
        except UrlError as error:
            self._finish_with(None, HttpError(str(error)))
            return
        if self._target.scheme == "https" and self._trust.tls is None:
            self._trust.ask(self._trusting)
        else:
            self._dial()

    def _trusting(self, tls: TlsClient | None, error: BaseException | None) -> None:
        # From here on in our own context.
        if tls is None:
            reason = f"whom the system trusts cannot be read: {error}"
            self._raw_server.add_task(self._fail, 0, (reason,), self._context)
        else:
            self._raw_server.add_task(self._dial, 0, (), self._context)

    def _dial(self) -> None:
        if self._over:
            return
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = self._fed_bytes = 0
        self._in_head = True
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._unpacker: zlib._Decompress | None = None
        self._complete = self._is_asked = False
        self._reason = ""
        self._connection = self._raw_server.start_connection(
            (self._target.host, self._target.port), self, self._context
        )

    # What RawServer calls.

    def connection_made(self, connection: SingleSocket) -> None:
        if self._was_abroad and not is_global(connection.ip):
            # A stranger's server must not have us ask a router or a service of this machine.
            self._fail("a redirect from the internet into a local network is not followed")
            return
        self._was_abroad = is_global(connection.ip)
        if self._target.scheme == "http":
            self._ask(connection)
            return
        # Only now, so that of a place where a redirect must not lead nothing is asked at all.
        tls = self._trust.tls
        assert tls is not None
        name = self._target.host.partition("%")[0]  # a zone is no part of a certificate
        try:
            self._raw_server.start_tls(connection, tls, server_name=name)
        except ValueError as error:
            self._fail(f"no certificate can be for it: {error}")

    def tls_started(self, connection: SingleSocket) -> None:
        self._ask(connection)

    def _ask(self, connection: SingleSocket) -> None:
        self._is_asked = True
        connection.write(
            (
                f"GET {self._target.target} HTTP/1.1\r\n"
                f"Host: {self._target.authority}\r\n"
                f"User-Agent: {USER_AGENT}\r\n"
                "Accept-Encoding: gzip\r\n"
                "Connection: close\r\n"
                f"{self._extra_headers}\r\n"
            ).encode("latin-1")
        )

    def connection_failed(self, address: object, error: BaseException) -> None:
        self._fail(f"no connection: {_words(error)}")

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        if connection is not self._connection or self._over:
            return
        # The parser holds a header, or a trailer, until it is whole; this bounds what it holds,
        # and what a server may send that comes to nothing: tiny chunks, blocks that unpack to none.
        if self._fed_bytes > MAX_HEAD_BYTES + (0 if self._in_head else 2 * self._limit):
            self._fail(_HEAD_TOO_LONG if self._in_head else self._too_long())
            return
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:
                self._fail(self._reason or f"the reply is not HTTP: {error}")
                return
        if self._complete:
            self._completed()

    def connection_lost(self, connection: SingleSocket) -> None:
        if connection is not self._connection or self._over:
            return
        if not self._is_asked:
            self._fail(f"no connection: {_words(connection.error)}")
            return
        # A body without a length ends with the connection (RFC 9112, section 6.3).
        headers = self._headers
        bounded = "content-length" in headers or "transfer-encoding" in headers
        if self._in_head or bounded or connection.error is not None:
            why = f": {_words(connection.error)}" if connection.error else ""
            self._fail(f"the connection ended before the reply did{why}")
        else:
            self._completed()

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._stop_parsing(_HEAD_TOO_LONG)
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._parser.get_status_code() < 200:
            return
        coding = self._headers.get("content-encoding", "").strip().lower()
        if coding in ("gzip", "x-gzip", "deflate"):
            self._unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
        elif coding not in ("", "identity"):
            self._stop_parsing(f"the reply is encoded in {coding!r}, which was not asked for")
        length = self._headers.get("content-length", "")
        if length.isdecimal() and len(length) < 20 and int(length) > self._limit:
            self._stop_parsing(self._too_long())

    def on_body(self, body: bytes) -> None:
        if self._unpacker is None:
            self._body += body
        elif not self._unpacker.eof:  # what comes after the end is nothing that we know
            try:
                # One byte more than is allowed tells that it is too many; no bomb goes off.
                room = self._limit - len(self._body) + 1
                self._body += self._unpacker.decompress(body, room)
            except zlib.error as error:
                self._stop_parsing(f"the reply is not compressed as it says: {error}")
        if len(self._body) > self._limit:
            self._stop_parsing(self._too_long())

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            # The reply proper is still to come (RFC 9110, section 15.2).
            self._in_head = True
            self._headers = {}
        else:
            self._complete = True

    def _too_long(self) -> str:
        return f"the reply is longer than {self._limit} bytes"

    def _stop_parsing(self, reason: str) -> None:
        self._reason = reason
        raise ValueError(reason)  # httptools ends and raises its own

    # The end.

    def _completed(self) -> None:
        status = self._parser.get_status_code()
        if status in _REDIRECTS and "location" in self._headers:
            self._redirect(self._headers["location"])
        elif status != 200:
            self._fail(f"the server answers {status}")
        elif self._unpacker is not None and not self._unpacker.eof:
            self._fail("the compressed reply is cut off")
        else:
            content_type = self._headers.get("content-type", "")
            self._finish_with(HttpReply(self._url, bytes(self._body), content_type), None)

    def _redirect(self, location: str) -> None:
        self._redirects += 1
        if self._redirects > MAX_REDIRECTS:
            self._fail(f"more than {MAX_REDIRECTS} redirects")
            return
        try:
            url = join_url(self._url, location)
        except UrlError as error:
            self._fail(f"a redirect leads nowhere: {error}")
            return
        if self._target.scheme == "https" and not url.lower().startswith("https:"):
            # As apt has it, not browsers: nobody sees where this leads, and who said https is to
            # have that nobody in between reads the passkey of a tracker, or changes a .torrent.
            self._fail(f"a redirect from https to {url!a} is not followed")
            return
        self._url = url
        self._drop_connection()
        self._connect()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _fail(self, reason: str) -> None:
        self._finish_with(None, HttpError(f"{self._url}: {reason}"))

    def _finish_with(self, reply: HttpReply | None, error: HttpError | None) -> None:
        # The deadline that somebody else has cancelled ended with our context.
        unheard = self._over or self._deadline.cancelled
        self._finish()
        if not unheard:
            self._done(reply, error)

    def _finish(self) -> None:
        self._over = True
        self._deadline.cancel()
        self._drop_connection()


def _words(error: BaseException | None) -> str:
    """Say an error without the number that the system has for it."""
    return str(getattr(error, "strerror", None) or error or "the server ended it")


def is_global(ip: str) -> bool:
    """Tell whether an address is of the internet at large, and not of a machine or network."""
    try:
        return ipaddress.ip_address(ip.partition("%")[0]).is_global
    except ValueError:
        return False
