"""http:// URLs taken apart (RFC 3986, RFC 9110 section 4.2)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urljoin, urlsplit


class UrlError(ValueError):
    """A URL that cannot be asked; one line that says why."""


class HttpUrl(NamedTuple):
    """`target` is path and query as they go on the request line."""

    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


def parse_url(url: str) -> HttpUrl:
    """Take a URL apart; raises UrlError for one that is not http:// or makes no sense."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UrlError(f"{url}: is no URL: {error}") from error
    if parts.scheme == "https":
        raise UrlError(f"{url}: https is not supported yet")
    if parts.scheme == "udp":
        raise UrlError(f"{url}: udp is not supported yet")
    if parts.scheme != "http" or not host:
        raise UrlError(f"{url}: is no http:// URL")
    if port == 0:
        raise UrlError(f"{url}: port 0 is no port")
    target = parts.path or "/"
    if parts.query:
        target += "?" + parts.query
    if not target.isascii():
        raise UrlError(f"{url}: has characters that must be percent-encoded")
    try:
        host = host if ":" in host else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise UrlError(f"{url}: {host!r} is no name of a host") from error
    # Whatever could end the request line early would be a second request. IDNA makes blanks of
    # some characters that are none.
    if any(character <= " " or character == "\x7f" for character in target + host):
        raise UrlError(f"{url}: has blanks or control characters")
    return HttpUrl(host, 80 if port is None else port, target)


def join_url(base: str, location: str) -> str:
    """Return where a redirect leads."""
    return urljoin(base, location)
