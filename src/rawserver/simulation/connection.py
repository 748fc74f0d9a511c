"""A connection of streams as its kernel has it: the states of TCP (RFC 9293, section 3.3.2)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rawserver.simulation.packet import (
    ACK,
    DATA,
    FIN,
    PROBE,
    RST,
    SEGMENT,
    SYN,
    SYN_ACK,
    Endpoint,
    Packet,
)
from rawserver.simulation.receive_side import ReceiveSide
from rawserver.simulation.send_side import SendSide

if TYPE_CHECKING:
    from rawserver.simulation.accept_queue import AcceptQueue
    from rawserver.simulation.kernel import Kernel
    from rawserver.simulation.stream_socket import StreamSocket

CLOSED = 0
SYN_SENT = 1
SYN_RECEIVED = 2
# From here on both sides know of it.
ESTABLISHED = 3
CLOSE_WAIT = 4
FIN_WAIT_1 = 5
FIN_WAIT_2 = 6
CLOSING = 7
LAST_ACK = 8
TIME_WAIT = 9

# Linux's TCP_TIMEWAIT_LEN and tcp_fin_timeout.
TIME_WAIT_SECONDS = 60.0
FIN_WAIT_SECONDS = 60.0
# Linux's TCP_DELACK_MIN: so long a little that came need not be acknowledged.
ACK_SECONDS = 0.04
# What one segment holds on the way from a host to itself (Linux: an MTU of 65536).
LOCAL_SEGMENT = 65483


class Connection:
    """One end of a connection. `socket` is None before it is accepted and after it is closed.

    `error` is the errno that the next call on the socket fails with, 0 for none.
    """

    __slots__ = (
        "_ack_is_due", "_is_local", "_kernel", "_not_acknowledged", "_soft_error", "error",
        "hears_nothing", "is_done", "local", "queue", "receive_side", "remote", "reuse_address",
        "reuse_port", "says_nothing", "send_side", "socket", "state", "v6only", "world",
    )  # fmt: skip

    is_listening = False

    def __init__(
        self,
        kernel: Kernel,
        local: Endpoint,
        remote: Endpoint,
        send_buffer: int,
        receive_buffer: int,
    ) -> None:
        self._kernel = kernel
        self.world = kernel.world
        self.local = local
        self.remote = remote
        self.state = CLOSED
        self.socket: StreamSocket | None = None
        # Of the listener by which it came, until it is accepted.
        self.queue: AcceptQueue | None = None
        self.error = 0
        # What the network said, if nothing else is heard (RFC 1122, section 4.2.3.9).
        self._soft_error = 0
        # Bytes that have come and of which the peer has not been told; whether that has a time.
        self._not_acknowledged = 0
        self._ack_is_due = False
        # shutdown(2) of either direction, or the same because of an end; a FIN has come.
        self.hears_nothing = self.says_nothing = self.is_done = False
        # As a holder of its port.
        self.v6only = False
        self.reuse_address = self.reuse_port = False
        self._is_local = kernel.is_local(remote[0])
        segment = LOCAL_SEGMENT if self._is_local else SEGMENT
        self.send_side = SendSide(self, send_buffer, segment)
        self.receive_side = ReceiveSide(receive_buffer)

    def burst_bytes(self) -> int:
        """Return how much may travel as one packet now."""
        if self._is_local:
            return LOCAL_SEGMENT
        return self.world.fabric.burst_bytes(self.local[0], self.remote[0])

    # Beginning.

    def call(self) -> None:
        """Ask the peer for a connection."""
        self.state = SYN_SENT
        self._kernel.streams.add(self)
        self.send_side.begin(SYN)

    def answer(self, packet: Packet, queue: AcceptQueue) -> None:
        """Answer a peer that asked."""
        self.state = SYN_RECEIVED
        self.queue = queue
        self.send_side.edge = 1 + packet.window
        self._kernel.streams.add(self)
        self.send_side.begin(SYN_ACK)

    # Packets.

    def emit(self, kind: int, sequence: int, payload: bytes | memoryview) -> None:
        """Send a packet that tells what has been received, too."""
        self._not_acknowledged = 0
        receive_side = self.receive_side
        window = receive_side.window()
        acknowledged = receive_side.next if self.state != SYN_SENT else 0
        packet = Packet(kind, self.local, self.remote, payload, sequence, acknowledged, window)
        if receive_side.has_hole:
            packet.sacked = receive_side.early_ranges()
        if self._is_local:
            self._kernel.send_to_itself(packet)
        else:
            self._kernel.send_out(packet)

    def acknowledge(self) -> None:
        """Tell the peer what has been received."""
        self.emit(ACK, self.send_side.next, b"")

    def receive(self, packet: Packet) -> None:
        """Take a packet that has come from the peer."""
        kind = packet.kind
        if self.state <= SYN_RECEIVED and not self._open(packet, kind):
            return
        if kind == RST:
            self._was_reset()
            return
        if kind == SYN or kind == SYN_ACK:
            self.acknowledge()  # it did not hear us the first time
            return
        send_side = self.send_side
        send_side.take_acknowledgement(packet.acknowledged, packet.window, packet.sacked)
        if self.state >= FIN_WAIT_1 or self.state == CLOSED:
            self._closing_went_on()
        if kind == DATA:
            self._take_data(packet)
        elif kind == FIN:
            self._take_fin(packet)
        elif kind == PROBE:
            self.acknowledge()

    def _open(self, packet: Packet, kind: int) -> bool:
        """Go on with the handshake; returns whether the packet is one of the connection now."""
        if self.state == CLOSED:
            return False
        if kind == RST:
            if self.queue is not None:
                self._end()  # nobody has seen it
            else:
                self._fail(errno.ECONNREFUSED)
            return False
        if self.state == SYN_SENT:
            if kind == SYN_ACK and packet.acknowledged == 1:
                self.state = ESTABLISHED
                self.send_side.take_acknowledgement(1, packet.window)
                self.acknowledge()
                self._tell()
            elif kind == SYN:
                # Both asked at once (RFC 9293, section 3.5), or a socket asked itself.
                self.state = SYN_RECEIVED
                self.send_side.edge = 1 + packet.window
                self.emit(SYN_ACK, 0, b"")
            return False
        if kind == SYN:
            self.emit(SYN_ACK, 0, b"")
            return False
        if packet.acknowledged < 1:
            return False
        if packet.acknowledged > self.send_side.next:
            # It speaks of a connection that was here before (RFC 9293, section 3.10.7.4).
            self.reset()
            return False
        queue = self.queue
        if queue is None:
            self.state = ESTABLISHED
            self.send_side.take_acknowledgement(1, packet.window)
            self._tell()
            return kind != SYN_ACK
        if kind == SYN_ACK:
            return False
        if queue.is_full:
            return False  # what the peer sends now is as good as lost; it is asked again
        self.state = ESTABLISHED
        queue.established(self)
        return True

    def _take_data(self, packet: Packet) -> None:
        receive_side = self.receive_side
        length = len(packet.payload)
        if packet.sequence + length <= receive_side.next:
            # Nothing new: it was sent again in vain, and is no reason to end (RFC 9293, 3.10.7.4).
            self.acknowledge()
            return
        if self.socket is None and self.queue is None and self.state != TIME_WAIT:
            # It is closed: nobody will ever read it (RFC 1122, section 4.2.2.13).
            self.reset()
            return
        if self.hears_nothing and self.state in (FIN_WAIT_1, FIN_WAIT_2):
            self._kernel.send(self._reset_packet())
            self._fail(errno.ECONNRESET)
            return
        had_hole = receive_side.has_hole
        has_more = receive_side.take(packet.sequence, packet.payload)
        if receive_side.fin_at is not None:
            self._fin_came()
        self._not_acknowledged += length
        if not has_more or had_hole or self._is_local:
            self.acknowledge()
            if has_more:
                self._tell()
            return
        self._tell()
        # What is said meanwhile acknowledges it, too (RFC 9293, section 3.8.6.3).
        if self._not_acknowledged >= 2 * SEGMENT:
            if not self._is_answered_soon():
                self.acknowledge_rest()
        elif not self._ack_is_due:
            self._ack_is_due = True
            at = self.world.now + ACK_SECONDS
            self.world.kernel_timers.call_at(at, self._acknowledge_in_time)

    def _is_answered_soon(self) -> bool:
        socket = self.socket
        return socket is not None and any(one.answers_soon(self) for one in socket.watchers)

    def _acknowledge_in_time(self) -> None:
        self._ack_is_due = False
        self.acknowledge_rest()

    def acknowledge_rest(self) -> None:
        """Tell the peer what has been received, unless it has been told meanwhile."""
        if self._not_acknowledged and self.state != CLOSED:
            self.acknowledge()

    def _take_fin(self, packet: Packet) -> None:
        self.receive_side.take_fin(packet.sequence)
        self._fin_came()
        self.acknowledge()

    def _fin_came(self) -> None:
        if self.is_done or not self.receive_side.is_finished:
            return
        self.is_done = self.hears_nothing = True
        if self.state == ESTABLISHED:
            self.state = CLOSE_WAIT
        elif self.state == FIN_WAIT_1:
            self.state = CLOSING
        elif self.state == FIN_WAIT_2:
            self._wait_for_the_last()
        self._tell()

    def unreachable(self, code: int) -> None:
        """Hear from the network that a packet got nowhere."""
        if self.state in (SYN_SENT, SYN_RECEIVED):
            self._fail(code)
        else:
            self._soft_error = code

    def timed_out(self) -> None:
        """End, because the peer does not answer."""
        self._fail(self._soft_error or errno.ETIMEDOUT)

    def sent_some(self) -> None:
        """Note that the buffer has more room; the sending side calls this."""
        socket = self.socket
        if socket is not None and socket.watchers and self.send_side.is_writable:
            socket.changed()

    # Ending.

    def say_nothing(self) -> None:
        """End this direction, after what was written."""
        self.says_nothing = True
        if self.state == ESTABLISHED:
            self.state = FIN_WAIT_1
        elif self.state == CLOSE_WAIT:
            self.state = LAST_ACK
        else:
            return
        self.send_side.finish()
        self._tell()

    def _closing_went_on(self) -> None:
        side = self.send_side
        if side.fin_at is None or side.acknowledged <= side.fin_at:
            return
        if self.state == FIN_WAIT_1:
            self.state = FIN_WAIT_2
            if self.socket is None:
                self.world.schedule(FIN_WAIT_SECONDS, self._waited_for_fin)
        elif self.state == CLOSING:
            self._wait_for_the_last()
        elif self.state == LAST_ACK:
            self._end()

    def _waited_for_fin(self) -> None:
        if self.state == FIN_WAIT_2:
            self._end()

    def _wait_for_the_last(self) -> None:
        self.state = TIME_WAIT
        self.world.schedule(TIME_WAIT_SECONDS, self._end)
        if self.socket is not None:
            self.socket.connection_ended()
        self._tell()

    def close(self) -> None:
        """Have no socket any more: say the end, or reset what would be lost unseen."""
        self.socket = None
        if self.state <= SYN_SENT:
            self._end()
        elif self.receive_side.size:
            self.reset()
        elif self.state == FIN_WAIT_2:
            self.world.schedule(FIN_WAIT_SECONDS, self._waited_for_fin)
        else:
            self.say_nothing()

    def reset(self) -> None:
        """End at once, and have the peer do so."""
        if self.state in (CLOSED, TIME_WAIT, SYN_SENT):
            self._end()
            return
        packet = self._reset_packet()
        self._end()
        self._kernel.send(packet)

    def _reset_packet(self) -> Packet:
        sequence, acknowledged = self.send_side.next, self.receive_side.next
        return Packet(RST, self.local, self.remote, b"", sequence, acknowledged, 0)

    def _was_reset(self) -> None:
        if self.state == TIME_WAIT:
            self._end()
        else:
            self._fail(errno.EPIPE if self.state == CLOSE_WAIT else errno.ECONNRESET)

    def _fail(self, code: int) -> None:
        self.error = code
        self._end()
        self._tell()

    def _end(self) -> None:
        if self.state == CLOSED:
            return
        before, self.state = self.state, CLOSED
        self.hears_nothing = self.says_nothing = True
        self.send_side.drop()
        self._kernel.streams.remove(self)
        if self.socket is not None and before != TIME_WAIT:
            self.socket.connection_ended()
        if self.queue is not None and before == SYN_RECEIVED:
            self.queue.forget(self)

    def abandon(self) -> None:
        """End without a word to anybody: the machine is no more."""
        self.state = CLOSED
        self.send_side.drop()

    def _tell(self) -> None:
        if self.socket is not None:
            self.socket.changed()
