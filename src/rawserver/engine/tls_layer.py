"""TLS between a connection and what it runs over (RFC 8446, and RFC 5246 for TLS 1.2)."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from rawserver.engine.disk import Buffer, File
from rawserver.engine.errors import TlsError
from rawserver.engine.layer import Layer, Wire
from rawserver.engine.network import READABLE, WRITABLE
from rawserver.engine.tls import TlsSettings
from rawserver.engine.tls_codec import READ_SIZE, RECORD_SIZE, TlsCodec, coalesce, cut
from rawserver.engine.tls_handshake import TlsHandshake
from rawserver.engine.tls_outbox import TlsOutbox

if TYPE_CHECKING:
    from rawserver.engine.loop import Loop
    from rawserver.engine.task import Task

# Plaintext encrypted by one call: what a slow peer does not take of it is held. With half of it a
# megabyte costs a third more.
SENT_AT_ONCE = 256 * 1024
# Ciphertext held. What comes on top of one call's are answers to key updates, which a peer could
# ask for without end and never read.
MOST_HELD = SENT_AT_ONCE + 64 * 1024
# Reads in one turn while records are in memory: then others have their turn.
ROUNDS_PER_TURN = 4

Done = Callable[[BaseException | None], object]


class TlsLayer(Layer):
    """One side of a TLS connection; which one, `settings` say: `TlsServer` or `TlsClient`.

    `start` makes the handshake. After it this is to the one above as a socket that does not
    block. These say what was agreed, from then on: `version` ("TLSv1.3"), `cipher`, `alpn` (None:
    no protocol) and `server_name` (what a client asked for).
    """

    __slots__ = (
        "_blocked", "_codec", "_complete", "_done", "_end_is_due", "_established",
        "_handshake", "_in_rounds", "_loop", "_lost", "_outbox", "_shut", "_task",
        "_wanted", "alpn", "cipher", "server_name", "version",
    )  # fmt: skip

    def __init__(
        self,
        loop: Loop,
        below: Wire | Layer,
        settings: TlsSettings,
        *,
        server_hostname: str | None = None,
        received: Buffer = b"",
    ) -> None:
        """Stand upon `below`. `server_hostname` is whom a client means to reach.

        `received` is what was read already and belongs to TLS: with STARTTLS, what came together
        with the command. ValueError where `server_hostname` is none that can be verified.
        """
        self._codec = TlsCodec(settings, server_hostname, received)
        super().__init__(below)
        self._loop = loop
        self._outbox = TlsOutbox(below)
        self._handshake: TlsHandshake | None = TlsHandshake(
            below, self._codec, self._outbox, len(received)
        )
        self._wanted = 0
        self._done: Done | None = None
        self._task: Task | None = None
        self._established = False
        # `send` takes nothing: before the end of the handshake, while ciphertext is held, or
        # after an error.
        self._blocked = True
        # The one above has sent all it wanted to.
        self._complete = True
        self._in_rounds = False
        # The one above does not know yet that nothing more comes.
        self._end_is_due = False
        self._shut: int | None = None
        self._lost = False
        self.version: str | None = None
        self.cipher: str | None = None
        self.alpn: str | None = None
        self.server_name: str | None = None

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        """What a verified certificate says, as `ssl.SSLSocket.getpeercert`; None without one."""
        return None if self._lost else (self._codec.tls.getpeercert() or None)

    @property
    def peer_certificate_der(self) -> bytes | None:
        """The peer's certificate, verified or not; None without one, or after the end."""
        return None if self._lost else self._codec.tls.getpeercert(binary_form=True)

    def stand_upon(self, below: Wire | Layer) -> None:
        """Go on upon another, which has come between."""
        super().stand_upon(below)
        self._outbox.below = below

    @property
    def unsent(self) -> int:
        """Bytes of ciphertext that were not taken by the socket."""
        held = self._outbox.held
        return (held.size if held is not None else 0) + self.below.unsent

    # The handshake.

    def start(self, done: Done) -> None:
        """Make the handshake, then call `done(error)`, once, from the loop; None: it succeeded.

        `error` is TlsHandshakeFailed, or what below raised. After `lost` nothing is called. There
        is no time limit here: who starts sets one.
        """
        self._done = done
        assert self._handshake is not None
        if not self._handshake.go_on(0):
            self._update()
        else:
            self.below.want(0)
            self._task = self._loop.add_task(self._shaken)

    def _go_on_shaking(self, events: int) -> None:
        if self._done is None or self._task is not None:
            return  # not begun, or over but not told yet
        assert self._handshake is not None
        if self._handshake.go_on(events):
            self._shaken()
        else:
            self._update()

    def _shaken(self) -> None:
        done, self._done, self._task = self._done, None, None
        assert done is not None
        codec, handshake, self._handshake = self._codec, self._handshake, None
        assert handshake is not None
        if handshake.error is None:
            self._established = True
            self._blocked = self._outbox.held is not None
            self.version = codec.tls.version()
            self.cipher = (codec.tls.cipher() or (None,))[0]
            self.alpn = codec.tls.selected_alpn_protocol()
            self.server_name = getattr(codec.tls, "server_name", None)
        else:
            self.below.want(0)
        done(handshake.error)
        if not self._lost:
            self.want(self._wanted)

    # Events.

    def want(self, events: int) -> None:
        """Have `above.ready` called when reading or writing can go on.

        While reading is not wanted nothing is read from below: TCP holds the peer back.
        """
        self._wanted = events
        if self._established and not self._lost:
            self._update()
            if events & READABLE and not self._in_rounds and self._more():
                self._schedule()

    def _update(self) -> None:
        """Want from below what is needed now."""
        events = self._wanted if self._established else READABLE
        if self._codec.ended:
            events &= ~READABLE
        if self._outbox.held is not None:
            events |= WRITABLE
        self.below.want(events)

    def ready(self, events: int) -> None:
        """Decrypt, encrypt, and tell the one above; called by the one below."""
        if self._lost:
            return
        if not self._established:
            self._go_on_shaking(events)
            return
        if events & WRITABLE and self._outbox.held is not None:
            self._send_held()
            if self._outbox.held is not None:
                events &= ~WRITABLE
        wanted = events & self._wanted
        if wanted & READABLE and self._task is None:
            self._tell_readable(wanted)
        elif wanted & WRITABLE:
            self.above.ready(WRITABLE)

    def _send_held(self) -> None:
        try:
            self._outbox.flush()
            if self._outbox.held is None:
                self._blocked = False
                if self._shut is not None:
                    self.below.shutdown(self._shut)
        except OSError as error:
            self._outbox.held = None
            self._fail(error)
            if self._wanted & READABLE:
                self._schedule()
        self._update()

    def _tell_readable(self, events: int) -> None:
        # What is in memory already shows in no poller: go on while there is any, within bounds.
        self._in_rounds = True
        try:
            for _ in range(ROUNDS_PER_TURN):
                self.above.ready(events)
                events = READABLE
                if self._lost or not self._wanted & READABLE or not self._more():
                    return
        finally:
            self._in_rounds = False
        self._schedule()

    def _more(self) -> bool:
        """Tell whether `recv` has something to say without the one below."""
        return self._end_is_due or self._codec.more()

    def _schedule(self) -> None:
        if self._task is None:
            self._task = self._loop.add_task(self._read_on)

    def _read_on(self) -> None:
        self._task = None
        if self._wanted & READABLE and self._more():
            self._tell_readable(READABLE)

    # Reading.

    def recv(self, count: int) -> bytes:
        """Return plaintext, b"" at the peer's close_notify.

        BlockingIOError when there is none yet, TlsTruncated when the stream ended without
        close_notify, TlsError for what is no TLS, or what below raises.
        """
        codec = self._codec
        if not codec.ended and not codec.more():
            codec.receive(self.below.recv(READ_SIZE))
        data = codec.read(count)
        if codec.outgoing.pending:
            self._answer()
        if codec.ended:
            self._tell_end(len(data))
        elif not data:
            raise BlockingIOError(errno.EAGAIN, "no whole record has come")
        return data

    def recv_into(self, buffer: Any) -> int:
        """Fill a buffer as far as there is plaintext; returns the bytes, 0 at close_notify.

        Raises as `recv` does.
        """
        codec = self._codec
        if not codec.ended and not codec.more():
            codec.receive(self.below.recv(READ_SIZE))
        count = codec.read_into(buffer)
        if codec.outgoing.pending:
            self._answer()
        if codec.ended:
            self._tell_end(count)
        elif not count and len(buffer):
            raise BlockingIOError(errno.EAGAIN, "no whole record has come")
        return count

    def _answer(self) -> None:
        """Send what OpenSSL has to say to what was read: answers to key updates, an alert."""
        codec = self._codec
        if codec.error is not None:
            self._outbox.send_last(codec.outgoing.read())  # the alert
            return
        try:
            self._send_record(codec.outgoing.read(), 0)
            held = self._outbox.held
            if held is not None and held.size > MOST_HELD:
                raise TlsError("the peer asks for answers and does not read them")
        except OSError as error:
            self._fail(error)

    def _tell_end(self, count: int) -> None:
        """Raise what ended the stream, but not before the bytes that came before it."""
        self._end_is_due = count > 0
        self._update()
        if not count and self._codec.error is not None:
            raise self._codec.error

    def _fail(self, error: OSError) -> None:
        """Have the one above meet an error in whatever it does next."""
        self._codec.end(error)
        if self._codec.error is None:
            self._codec.error = error  # it had ended well, but only in the other direction
        self._end_is_due = self._blocked = True

    # Sending.

    def send(self, data: Any, flags: int = 0) -> int:
        """Encrypt and send; returns the bytes of `data` that were taken.

        BlockingIOError while ciphertext of earlier calls is held: see `unsent`.
        """
        if self._blocked:
            self._refuse()
        size = len(data)
        if size > RECORD_SIZE:
            return self._send_records(cut(memoryview(data)[:SENT_AT_ONCE]), size, flags)
        if not size:
            return 0
        record = self._codec.encrypt(data)
        self._complete = True
        self._send_record(record, flags)
        return size

    def sendmsg(self, buffers: Any, ancillary: Any = (), flags: int = 0) -> int:
        """Encrypt and send several parts, small ones together in one record; as `send`."""
        if self._blocked:
            self._refuse()
        size = sum(map(len, buffers))
        return self._send_records(coalesce(buffers, SENT_AT_ONCE), size, flags)

    def sendfile(self, file: File, offset: int, count: int) -> int:
        """Encrypt and send a part of a file; 0 at its end, else as `send`.

        It passes through memory: what the system's sendfile sends would not be encrypted.
        """
        if self._blocked:
            self._refuse()
        view = memoryview(bytearray(min(count, SENT_AT_ONCE)))
        got = file.read_into(view, offset)
        return self._send_records(cut(view[:got]), count, 0)

    def _send_records(self, pieces: Iterable[Buffer], size: int, flags: int) -> int:
        """Make a record of each piece, and send them with one call; returns the bytes of plain."""
        encrypt = self._codec.encrypt
        records = []
        taken = 0
        for piece in pieces:
            records.append(encrypt(piece))
            taken += len(piece)
        self._complete = taken == size
        if len(records) == 1:
            self._send_record(records[0], flags)
        elif records:
            self._outbox.send_all(records)
            if self._outbox.held is not None:
                self._held()
        return taken

    def _send_record(self, record: bytes, flags: int) -> None:
        self._outbox.send(record, flags)
        if self._outbox.held is not None:
            self._held()

    def _held(self) -> None:
        self._blocked = True
        self._update()

    def _refuse(self) -> NoReturn:
        if self._codec.error is not None:
            raise self._codec.error
        self._complete = False
        raise BlockingIOError(errno.EAGAIN, f"{self.unsent} bytes of ciphertext wait")

    # Ending.

    def shutdown(self, how: int) -> None:
        """End one direction: say close_notify, then shut down below when that is out.

        The peer may still send (RFC 8446, section 6.1; TLS 1.2 has it end too, but most let one
        end at a time). `unsent` is 0 when all is out. SHUT_RD drops what has come.
        """
        if how != socket.SHUT_WR:
            self._codec.drop()
            self._end_is_due = True
            self.want(self._wanted)
        if how != socket.SHUT_RD and self._established and not self._codec.notified:
            self._send_record(self._codec.close_notify(), 0)
        if how != socket.SHUT_RD and self._outbox.held is not None:
            self._shut = how
        else:
            self.below.shutdown(how)

    def lost(self) -> None:
        """Let go of everything: the connection has ended.

        If all that was given to send is out, the peer is told so first: whoever reads until the
        end then knows that it is whole. Nothing that failed or was cut short says so.
        """
        if self._lost:
            return
        whole = self._complete and self._outbox.held is None and self._codec.error is None
        if self._established and whole and not self._codec.notified:
            self._outbox.send_last(self._codec.close_notify())
        self._lost = True
        if self._task is not None:
            self._task.cancel()
        self._task = self._done = self._handshake = self._outbox.held = None
        del self._codec
