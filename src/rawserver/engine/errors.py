"""Why RawServer itself ends a connection."""

from __future__ import annotations

import errno


class IdleTimeout(TimeoutError):
    """No byte passed in either direction for too long."""


class WriteBufferFull(ConnectionAbortedError):
    """The peer does not read, and the handler writes on."""


class FileEnded(OSError):
    """A file was shorter than `sendfile` was told."""


class WriteStalled(TimeoutError):
    """The peer acknowledged nothing of what was sent to it for too long."""


class FirstBytesTimeout(TimeoutError):
    """The peer connected, and said nothing in time."""


class HandshakeTimeout(TimeoutError):
    """What comes before a connection's own bytes, TLS or a proxy's header, took too long."""


class TooManyConnections(ConnectionAbortedError):
    """A context has as many connections as it may have."""


class TlsError(ConnectionAbortedError):
    """What the peer sent is not TLS as it should be, or it said so of what it was sent."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.ECONNABORTED, f"TLS: {text}")


class TlsHandshakeFailed(TlsError):
    """The two sides did not agree, or one did not trust the other; the text says why."""


class TlsTruncated(TlsError):
    """The stream ended without close_notify: what came may not be all (RFC 8446, section 6.1)."""

    def __init__(self, text: str = "the stream ended without close_notify") -> None:
        super().__init__(text)


class TlsFileError(OSError):
    """A file of certificates or keys is there, but does not hold what it should."""
