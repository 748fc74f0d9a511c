"""What a stream sends: its buffer, what is under way, and how fast more may follow."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from rawserver.simulation.flight import Flight, Range, find_lost, note_sacked, on_their_way
from rawserver.simulation.packet import DATA, FIN, PROBE, SEGMENT, SYN, SYN_ACK
from rawserver.simulation.round_trips import RoundTrips

if TYPE_CHECKING:
    from rawserver.simulation.connection import Connection

# RFC 6928.
FIRST_WINDOW = 10 * SEGMENT
# Linux's tcp_syn_retries, tcp_synack_retries and tcp_retries2.
SYN_RETRIES = 6
SYN_ACK_RETRIES = 5
RETRIES = 15
# MSG_MORE holds a part of a segment back for so long (Linux: tcp(7), TCP_CORK).
CORK_SECONDS = 0.2


class SendSide:
    """One direction of a connection, at the end that sends (RFC 9293, RFC 6675, RFC 6298).

    Sequence numbers count from 0 and never wrap; the SYN is 0. `capacity` is of the buffer, bytes.
    """

    __slots__ = (
        "_connection", "_corked_until", "_flights", "_has_holes", "_recover", "_timer_at", "_tries",
        "_unanswered", "_unsent", "acknowledged", "capacity", "deadline", "edge", "end", "fin_at",
        "next", "no_delay", "segment", "slow_start_until", "trips", "window",
    )  # fmt: skip

    def __init__(self, connection: Connection, capacity: int, segment: int) -> None:
        self._connection = connection
        self.capacity = capacity
        self.segment = segment
        # What the peer has; what is sent next; the end of what was written. What the peer takes.
        self.acknowledged = self.next = self.end = 0
        self.edge = 1
        # Where the end of the stream stands, once it is known.
        self.fin_at: int | None = None
        self.no_delay = False
        self.window = max(FIRST_WINDOW, 4 * segment)
        self.slow_start_until = inf
        self.trips = RoundTrips()
        # Lists, as they are short: an empty deque is as large as ten of them.
        self._unsent: list[bytes | memoryview] = []
        self._flights: list[Flight] = []
        # Whether any of them is marked, as there or as lost.
        self._has_holes = False
        # While what was lost is sent again: up to where.
        self._recover = -1
        # When it is too late for an acknowledgement; when the world calls to look.
        self.deadline = inf
        self._timer_at = inf
        # Time-outs in a row, which lengthen the next, and those after which nothing was heard.
        self._tries = self._unanswered = 0
        self._corked_until = 0.0

    @property
    def size(self) -> int:
        """Bytes that the peer's system has not received, sent or not."""
        return self.end - self.acknowledged

    @property
    def is_writable(self) -> bool:
        """Whether a third of the buffer is free, as Linux tells pollers."""
        return 3 * (self.end - self.acknowledged) <= 2 * self.capacity

    # Writing.

    def write(self, data: bytes | memoryview, more: bool) -> int:
        """Take what there is room for; returns how many bytes."""
        room = self.capacity - (self.end - self.acknowledged)
        if room <= 0:
            return 0
        if len(data) > room:
            data = memoryview(data)[:room]
        count = len(data)
        self._unsent.append(data if type(data) is bytes else bytes(data))
        self.end += count
        self._corked_until = self._connection.world.now + CORK_SECONDS if more else 0.0
        self.transmit()
        if more and self._unsent:
            self._connection.world.schedule(CORK_SECONDS, self.transmit)
        return count

    def finish(self) -> None:
        """End the stream after what was written."""
        self.fin_at = self.end
        self._corked_until = 0.0
        self.end += 1
        self.transmit()

    def drop(self) -> None:
        """Send nothing more, and forget it."""
        self._unsent.clear()
        self._flights.clear()
        self.deadline = inf

    # Sending.

    def begin(self, kind: int) -> None:
        """Send the SYN or SYN_ACK."""
        self.end = 1
        self._send(Flight(kind, 0, 1, b"", self._connection.world.now))

    def transmit(self) -> None:
        """Send what may be sent now."""
        unsent = self._unsent
        burst = self._connection.burst_bytes() if len(unsent) else 0
        while unsent:
            count = self._may_send(burst)
            if not count:
                break
            flight = Flight(
                DATA, self.next, self.next + count, self._take(count), self._connection.world.now
            )
            self._send(flight)
        if not unsent and self.next == self.fin_at:
            fin = Flight(FIN, self.next, self.next + 1, b"", self._connection.world.now)
            self._send(fin)
        if unsent and self.edge <= self.next and not self._flights and self.deadline == inf:
            # The peer's window is shut: it is asked from time to time (RFC 9293, 3.8.6.1).
            self._set_deadline()

    def _may_send(self, burst: int) -> int:
        begun = on_their_way(self._flights) if self._has_holes else self.next - self.acknowledged
        pending = (self.end if self.fin_at is None else self.fin_at) - self.next
        segment = self.segment
        allowed = min(self.window - begun, self.edge - self.next, burst)
        if allowed >= pending:
            # A last part of a segment waits for what is under way (RFC 896), or for more.
            if pending % segment and self.fin_at is None:
                if self._corked_until > self._connection.world.now or (begun and not self.no_delay):
                    return pending - pending % segment
            return pending
        if allowed < segment:
            return 0 if begun or allowed <= 0 else allowed
        return allowed - allowed % segment

    def _take(self, count: int) -> bytes | memoryview:
        unsent = self._unsent
        first = unsent[0]
        if len(first) == count:
            return unsent.pop(0)
        if len(first) > count:
            view = memoryview(first)
            unsent[0] = view[count:]
            return view[:count]
        parts = []
        while count:
            part = unsent.pop(0)
            if len(part) > count:
                view = memoryview(part)
                unsent.insert(0, view[count:])
                part = view[:count]
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _send(self, flight: Flight) -> None:
        self._flights.append(flight)
        self.next = flight.end
        if self.deadline == inf:
            self._set_deadline()
        self._connection.emit(flight.kind, flight.sequence, flight.payload)

    # What the peer says.

    def take_acknowledgement(
        self, acknowledged: int, window: int, sacked: tuple[Range, ...] = ()
    ) -> None:
        """Note what the peer has received, in order and beyond, and how much more it takes."""
        if acknowledged > self.next:
            return
        edge = acknowledged + window
        if not self._flights:
            self._unanswered = 0  # a probe was answered
        if acknowledged > self.acknowledged:
            self._advance(acknowledged)
            self.edge = max(edge, self.edge)
        elif edge > self.edge:
            self.edge = edge
            self._tries = 0
            if not self._flights:
                self.deadline = inf
        if sacked:
            self._has_holes = True
            note_sacked(self._flights, sacked)
        if self._has_holes:
            self._repair()
        if self._unsent or self.next == self.fin_at:
            self.transmit()

    def _advance(self, acknowledged: int) -> None:
        flights = self._flights
        was_full = 2 * (self.next - self.acknowledged) >= self.window
        was_writable = 3 * (self.end - self.acknowledged) <= 2 * self.capacity
        last = None
        while flights and flights[0].end <= acknowledged:
            last = flights.pop(0)
        if flights and flights[0].sequence < acknowledged:
            first = flights[0]
            first.payload = first.payload[acknowledged - first.sequence :]
            first.sequence = acknowledged
        # While a hole is filled, what is acknowledged may have arrived long ago (RFC 6298, 3).
        if last is not None and not last.again and self._recover < 0:
            self.trips.measured(self._connection.world.now - last.sent_at)
        count = acknowledged - self.acknowledged
        self.acknowledged = acknowledged
        self._tries = self._unanswered = 0
        self.deadline = inf
        if flights:
            self._set_deadline()
        if self._recover >= 0:
            if acknowledged >= self._recover or not flights:
                self._recover = -1
                self._has_holes = any(not flight.is_on_its_way for flight in flights)
            elif self.window < self.slow_start_until:
                self.window += count
        elif was_full:
            self._grow(count)
        if not was_writable:
            self._connection.sent_some()

    def _grow(self, count: int) -> None:
        if self.window < self.slow_start_until:
            self.window += count
        else:
            self.window += max(1, self.segment * count // self.window)

    # Loss.

    def _repair(self) -> None:
        """Send again what is lost, as far as the window lets it (RFC 6675, section 5)."""
        flights = self._flights
        if find_lost(flights, self.segment) and self._recover < 0:
            self._halve()
            self.window = int(self.slow_start_until)
            self._recover = self.next
            self._send_again(next(flight for flight in flights if flight.is_lost))
        room = self.window - on_their_way(flights)
        for flight in tuple(flights):
            if flight.is_lost:
                room -= flight.end - flight.sequence
                if room < 0:
                    break
                self._send_again(flight)

    def _halve(self) -> None:
        under_way = self.next - self.acknowledged
        self.slow_start_until = max(under_way // 2, 2 * self.segment)

    def _send_again(self, flight: Flight) -> None:
        flight.again, flight.is_lost = True, False
        flight.sent_at = self._connection.world.now
        self._connection.emit(flight.kind, flight.sequence, flight.payload)

    # Time.

    def _set_deadline(self) -> None:
        world = self._connection.world
        self.deadline = world.now + self.trips.timeout(self._tries)
        if self._timer_at > self.deadline:
            self._timer_at = self.deadline
            world.kernel_timers.call_at(self.deadline, self._look, (self.deadline,))

    def _look(self, at: float) -> None:
        if at != self._timer_at:
            return
        self._timer_at = inf
        world = self._connection.world
        if world.now >= self.deadline:
            self._too_late()
        elif self.deadline < inf:
            self._timer_at = self.deadline
            world.kernel_timers.call_at(self.deadline, self._look, (self.deadline,))

    def _too_late(self) -> None:
        self.deadline = inf
        self._tries += 1
        self._unanswered += 1
        if not self._flights:
            if self._unsent and not self._gives_up(RETRIES):
                self._connection.emit(PROBE, self.acknowledged - 1, b"")
                self._set_deadline()
            return
        first = self._flights[0]
        most = {SYN: SYN_RETRIES, SYN_ACK: SYN_ACK_RETRIES}.get(first.kind, RETRIES)
        if self._gives_up(most):
            return
        if self._tries == 1:
            self._halve()
        self.window = self.segment
        self._recover = self.next
        self._has_holes = True
        for flight in self._flights:
            flight.is_lost = not flight.is_sacked
        self._set_deadline()
        self._send_again(first)

    def _gives_up(self, most: int) -> bool:
        if self._unanswered <= most:
            return False
        self._connection.timed_out()
        return True
