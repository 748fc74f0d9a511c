"""The handshake of a TLS connection: until it is over nothing else passes."""

from __future__ import annotations

import ssl

from rawserver.engine.errors import TlsHandshakeFailed
from rawserver.engine.layer import Layer, Wire
from rawserver.engine.network import READABLE, WRITABLE
from rawserver.engine.tls import explain
from rawserver.engine.tls_codec import READ_SIZE, TlsCodec
from rawserver.engine.tls_outbox import TlsOutbox

# It takes some KiB, with long chains of certificates tens of them. OpenSSL takes 100 KiB of
# certificates and little else; this bounds what else one could think of.
MOST_HANDSHAKE_BYTES = 256 * 1024


class TlsHandshake:
    """Makes the handshake step by step; `error` says why it failed."""

    __slots__ = ("_below", "_codec", "_outbox", "_received", "error")

    def __init__(
        self, below: Wire | Layer, codec: TlsCodec, outbox: TlsOutbox, received: int
    ) -> None:
        """`received` counts bytes that the codec was given already."""
        self._below = below
        self._codec = codec
        self._outbox = outbox
        self._received = received
        self.error: BaseException | None = None

    def go_on(self, events: int) -> bool:
        """Do what can be done; True: it is over, one way or the other."""
        try:
            over = self._step(events)
        except (BlockingIOError, InterruptedError):
            return False
        except ssl.SSLError as error:
            self._outbox.send_last(self._codec.outgoing.read())  # the alert
            self._fail(TlsHandshakeFailed(f"handshake failed: {explain(error)}"))
        except OSError as error:
            self._fail(error)
        else:
            return over
        return True

    def _step(self, events: int) -> bool:
        codec = self._codec
        if events & WRITABLE:
            self._outbox.flush()
        if events & READABLE:
            data = self._below.recv(READ_SIZE)
            self._received += len(data)
            codec.receive(data)
            if not data:
                raise TlsHandshakeFailed("handshake failed: the peer ended the connection")
        over = codec.handshake()
        if codec.outgoing.pending:
            self._outbox.send(codec.outgoing.read())
        if not over and self._received > MOST_HANDSHAKE_BYTES:
            text = f"handshake failed: it takes more than {MOST_HANDSHAKE_BYTES} bytes"
            raise TlsHandshakeFailed(text)
        return over

    def _fail(self, error: OSError) -> None:
        self.error = error
        self._codec.end(error)
