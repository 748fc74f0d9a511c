"""Why RawServer itself ends a connection."""

from __future__ import annotations


class IdleTimeout(TimeoutError):
    """No byte passed in either direction for too long."""


class WriteBufferFull(ConnectionAbortedError):
    """The peer does not read, and the handler writes on."""


class FileEnded(OSError):
    """A file was shorter than `sendfile` was told."""
