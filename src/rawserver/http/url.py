"""http:// and https:// URLs taken apart (RFC 3986, RFC 9110 section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

# The schemes that are HTTP, and the ports that they have where a URL names none.
HTTP_PORTS: Mapping[str, int] = MappingProxyType({"http": 80, "https": 443})


class UrlError(ValueError):
    """A URL that cannot be asked; one line that says why."""


class Url(NamedTuple):
    """`target` is path and query as they go on the request line."""

    host: str
    port: int
    target: str
    scheme: str = "http"

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTP_PORTS.get(self.scheme) else f"{host}:{self.port}"


def parse_url(url: str, ports: Mapping[str, int] = HTTP_PORTS) -> Url:
    """Take a URL apart; raises UrlError for one of another scheme, or that makes no sense.

    `ports` are the schemes that will do, each with the port where a URL names none.
    """
    # `urlsplit` leaves line breaks and tabs out: what it takes apart would not be what was read.
    if any(character < " " or character == "\x7f" for character in url):
        raise UrlError(f"{_shown(url)}: has blanks or control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UrlError(f"{_shown(url)}: is no URL: {_shown(str(error))}") from error
    if parts.scheme not in ports or not host:
        raise UrlError(f"{_shown(url)}: is no {_listed(ports)} URL")
    if port == 0:
        raise UrlError(f"{_shown(url)}: port 0 is no port")
    target = parts.path or "/"
    if parts.query:
        target += "?" + parts.query
    if not target.isascii():
        raise UrlError(f"{_shown(url)}: has characters that must be percent-encoded")
    try:
        # With a colon it stood in brackets: an address, or what RFC 3986 keeps for later ones.
        host = host.encode("ascii" if ":" in host else "idna").decode("ascii")
    except UnicodeError as error:
        raise UrlError(f"{_shown(url)}: {host!r} is no name of a host") from error
    # Whatever could end the request line early would be a second request. IDNA makes blanks of
    # some characters that are none.
    if any(character <= " " or character == "\x7f" for character in target + host):
        raise UrlError(f"{_shown(url)}: has blanks or control characters")
    return Url(host, ports[parts.scheme] if port is None else port, target, parts.scheme)


def join_url(base: str, location: str) -> str:
    """Return where a redirect leads; raises UrlError where it leads nowhere."""
    try:
        return urljoin(base, location)
    except ValueError as error:
        raise UrlError(f"{_shown(location)}: is no URL: {_shown(str(error))}") from error


def _listed(schemes: Mapping[str, int]) -> str:
    *others, last = [f"{scheme}://" for scheme in schemes]
    return f"{', '.join(others)} or {last}" if others else last


def _shown(text: str) -> str:
    """Return what may stand in a message of one line, whatever a stranger put into the text."""
    return text if text.isprintable() else repr(text)
