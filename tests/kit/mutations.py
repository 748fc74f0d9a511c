"""Bugs of RawServer, each of a kind that event loops have had. Only tests of tests put them in.

A mutation replaces methods of the engine, by `monkeypatch`, until its test is over.
"""

from __future__ import annotations

import errno
import heapq
import socket
from collections.abc import Callable
from typing import Any

import pytest

from rawserver.engine.connection_attempt import ConnectionAttempt
from rawserver.engine.connection_loop import ConnectionLoop
from rawserver.engine.contexts import Contexts
from rawserver.engine.endpoint import Endpoint
from rawserver.engine.listener import Listener
from rawserver.engine.loop import Loop
from rawserver.engine.mailbox import Letter, Mailbox
from rawserver.engine.network import READABLE, WRITABLE
from rawserver.engine.outgoing_socket import OutgoingSocket
from rawserver.engine.receiver import Receiver
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.task import Task, TaskQueue
from rawserver.engine.throttle import Direction
from rawserver.engine.write_buffer import WriteBuffer
from rawserver.engine.write_stall import WriteStall
from rawserver.simulation.description import HANG_UP

Patch = pytest.MonkeyPatch
Mutation = Callable[[Patch], None]
MUTATIONS: dict[str, Mutation] = {}


def mutation(function: Mutation) -> Mutation:
    """Note a mutation by its name."""
    MUTATIONS[function.__name__] = function
    return function


# Descriptors and events.


@mutation
def a_stale_event_reaches_who_took_the_descriptor(patch: Patch) -> None:
    """Sockets are closed at once, and a connect is believed to be over when there is an event."""

    def forget(self: Any, descriptor: int, sock: Any, polled: bool) -> None:
        del self._registered[descriptor]
        if polled:
            self.poller.unregister(descriptor)
        if sock is not None:
            sock.close()

    def ready(self: Any, events: int) -> None:
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._attempt.not_here(self, OSError(code, "refused"))
        else:
            self._attempt.won(self, self.address)

    patch.setattr(Loop, "forget", forget)
    patch.setattr(OutgoingSocket, "ready", ready)


@mutation
def a_wake_up_during_a_turn_is_missed(patch: Patch) -> None:
    """Whoever adds a letter in the loop's own thread takes it to be awake."""
    add = Mailbox.add

    def mutated(self: Any, letter: Letter) -> None:
        if self._deliver.__self__.thread is None:
            add(self, letter)
        else:
            self._letters.append(letter)

    patch.setattr(Mailbox, "add", mutated)


@mutation
def a_second_wake_up_is_missed(patch: Patch) -> None:
    """What says that the loop was woken is not taken back when nobody was in the queue."""

    def ready(self: Any, events: int) -> None:
        self.wakeup.drain()
        for _ in range(len(self._letters)):
            self._deliver(*self._letters.popleft())

    patch.setattr(Mailbox, "ready", ready)


@mutation
def a_wake_up_is_never_taken_back(patch: Patch) -> None:
    """The loop finds itself woken again and again: it spins."""

    def ready(self: Any, events: int) -> None:
        self._woken = False
        for _ in range(len(self._letters)):
            self._deliver(*self._letters.popleft())

    patch.setattr(Mailbox, "ready", ready)


# Writing.


@mutation
def connection_flushed_is_lost_after_the_peers_end(patch: Patch) -> None:
    """Who waits for it still has something to say, though the peer has not."""
    writable = SingleSocket._writable

    def mutated(self: Any) -> None:
        if self._ended_by_peer:
            self._flush_is_due = False
        writable(self)

    patch.setattr(SingleSocket, "_writable", mutated)


@mutation
def the_write_buffer_has_no_limit(patch: Patch) -> None:
    patch.setattr(WriteBuffer, "footprint", 0)


@mutation
def a_partial_send_loses_bytes(patch: Patch) -> None:
    """What the system did not take of a part is dropped with it."""

    def send_bytes(self: Any, sock: Any, parts: Any, first: memoryview) -> int:
        count: int = sock.send(first)
        self.size -= len(first)
        self.memory -= len(first)
        parts.popleft()
        return count

    patch.setattr(WriteBuffer, "_send_bytes", send_bytes)


@mutation
def a_partial_send_repeats_bytes(patch: Patch) -> None:
    """What the system took of a write is kept to be sent, too."""
    add = WriteBuffer.add

    def mutated(self: Any, data: Any) -> None:
        if isinstance(data, memoryview) and data.obj is not None:
            data = data.obj
        add(self, data)

    patch.setattr(WriteBuffer, "add", mutated)


@mutation
def writing_is_not_polled_for(patch: Patch) -> None:
    """When reading was paused as something began to wait, nobody looks when it may be sent."""
    want = SingleSocket._want

    def mutated(self: Any, events: int) -> None:
        if self._reading or not events & WRITABLE:
            want(self, events)

    patch.setattr(SingleSocket, "_want", mutated)


# Reading.


@mutation
def a_hang_up_ends_what_is_unread(patch: Patch) -> None:
    """An event of "both directions are over" is taken for "there is nothing to read"."""
    ready = SingleSocket.ready

    def mutated(self: Any, events: int) -> None:
        sock = self.socket()
        if self._layer is None and sock.poll_events() & HANG_UP:
            self.lose(None)
        else:
            ready(self, events)

    patch.setattr(SingleSocket, "ready", mutated)


@mutation
def a_half_close_closes_both(patch: Patch) -> None:
    """The peer's end is the end, whatever the handler says."""

    def end_of_stream(self: Any) -> None:
        self._ended_by_peer = True
        self._raw_server.call_handler(self, "eof_received")
        self.lose(None)

    patch.setattr(SingleSocket, "_end_of_stream", end_of_stream)


@mutation
def resume_reading_is_lost_while_writing(patch: Patch) -> None:
    """What is polled for is set, not added to."""

    def resume_reading(self: Any) -> None:
        if not self._ended_by_peer:
            self._reading = True
            if not self._events & WRITABLE:
                self._want(READABLE)

    patch.setattr(SingleSocket, "resume_reading", resume_reading)


@mutation
def data_comes_in_while_paused(patch: Patch) -> None:
    """A pause is forgotten when writing is polled for."""

    def writable(self: Any) -> None:
        if self.connected:
            self._want(READABLE | WRITABLE)

    wait = SingleSocket._queued

    def queued(self: Any) -> bool:
        held = wait(self)
        writable(self)
        return held

    patch.setattr(SingleSocket, "_queued", queued)


# Ends.


@mutation
def connection_lost_comes_twice(patch: Patch) -> None:
    """One that is reset while its end is under way ends once more."""
    was_lost = ConnectionLoop.was_lost

    def mutated(self: Any, connection: Any) -> None:
        was_lost(self, connection)
        if isinstance(connection.error, ConnectionResetError) or connection.stall is not None:
            self._lost.append(connection)

    patch.setattr(ConnectionLoop, "was_lost", mutated)


@mutation
def connection_lost_never_comes_for_who_paused(patch: Patch) -> None:
    """Who does not read is not told."""
    was_lost = ConnectionLoop.was_lost

    def mutated(self: Any, connection: Any) -> None:
        was_lost(self, connection)
        if not connection._reading:
            self._lost.remove(connection)

    patch.setattr(ConnectionLoop, "was_lost", mutated)


@mutation
def close_calls_the_handler(patch: Patch) -> None:
    """`connection_lost` is called from within `close`."""
    close = Endpoint.close

    def mutated(self: Any) -> None:
        close(self)
        if self._raw_server._lost:
            self._raw_server._tell_lost()

    patch.setattr(Endpoint, "close", mutated)


@mutation
def closing_in_good_order_resets(patch: Patch) -> None:
    """The socket is closed while the peer still sends, and what is under way is lost with it."""
    lose = Endpoint.lose

    def mutated(self: Any, error: BaseException | None, lingers: bool = False) -> None:
        self._resets = self._resets or lingers
        lose(self, error)

    patch.setattr(SingleSocket, "lose", mutated)


@mutation
def a_fault_of_a_handler_leaves_its_connection(patch: Patch) -> None:
    """It is reported, and that is all."""

    def handler_failed(self: Any, connection: Any, error: BaseException, name: str) -> None:
        self.context_failed(connection.context, error, name)

    patch.setattr(ConnectionLoop, "handler_failed", handler_failed)


@mutation
def a_context_that_ends_forgets_who_moved_in(patch: Patch) -> None:
    """It owns what was made in it, and nothing else."""
    own = Contexts.own

    def mutated(self: Any, thing: Any, context: Any) -> None:
        own(self, thing, context)
        if getattr(thing, "connected", False):
            self._things[context].pop(thing)

    patch.setattr(Contexts, "own", mutated)


@mutation
def a_loop_that_ends_leaves_what_lingers(patch: Patch) -> None:
    """Sockets that are held until the turn is over stay open when there is none any more."""

    def close_held(self: Any) -> None:
        held, self._held = self._held, []
        if not self._closed:
            for sock in held:
                sock.close()

    patch.setattr(Loop, "_close_held", close_held)


# Time.


@mutation
def timers_are_late_when_others_are_cancelled(patch: Patch) -> None:
    """The heap is none any more when cancelled ones were swept out."""

    def one_was_cancelled(self: Any) -> None:
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self.heap):
            self.heap = [entry for entry in reversed(self.heap) if not entry[2].cancelled]
            self._cancelled = 0

    patch.setattr(TaskQueue, "one_was_cancelled", one_was_cancelled)


@mutation
def a_cancelled_timer_hides_the_next(patch: Patch) -> None:
    """When the first is cancelled, it stays, and none is due."""

    def next_due(self: Any) -> float | None:
        while self.heap and self.heap[0][2].cancelled:
            heapq.heappop(self.heap)
            self._cancelled -= 1
            return None
        return self.heap[0][0] if self.heap else None

    patch.setattr(TaskQueue, "_drop_cancelled", lambda self: None)
    patch.setattr(TaskQueue, "next_due", next_due)


@mutation
def timers_are_early(patch: Patch) -> None:
    """Times are compared by the hundredth of a second."""
    take_due = TaskQueue.take_due
    patch.setattr(TaskQueue, "take_due", lambda self, now: take_due(self, now + 0.01))


@mutation
def a_task_is_run_though_another_has_cancelled_it(patch: Patch) -> None:
    """A cancelled task is still what it was, in its queue and out of it."""

    def cancel(self: Any) -> None:
        self.cancelled = self.queue is None

    patch.setattr(Task, "cancel", cancel)


@mutation
def a_slow_peer_is_taken_for_a_stalled_one(patch: Patch) -> None:
    """The time-out counts from when something began to wait."""
    look = WriteStall.look

    def mutated(self: Any, now: float) -> float | None:
        self._seen = self._connection.acknowledged()
        return look(self, now)

    patch.setattr(WriteStall, "look", mutated)


# Beginning.


@mutation
def a_refusal_is_never_told(patch: Patch) -> None:
    """Who is refused waits for the time-out, of which there is none any more."""

    def not_here(self: Any, racing: Any, error: OSError) -> None:
        if error.errno == errno.ECONNREFUSED:
            racing.close()
            self._stop_clock()
        else:
            self._drop(racing, error)
            self._try_next()

    patch.setattr(ConnectionAttempt, "not_here", not_here)


@mutation
def who_won_leaves_the_others_racing(patch: Patch) -> None:
    """The sockets that lost the race stay open."""
    finish = ConnectionAttempt._finish

    def mutated(self: Any) -> None:
        self._racing.clear()
        finish(self)

    patch.setattr(ConnectionAttempt, "_finish", mutated)


@mutation
def a_listener_never_goes_on_after_a_shortage(patch: Patch) -> None:
    """It takes itself to be resting still."""
    patch.setattr(Receiver, "_go_on", lambda self: self._register())


@mutation
def a_listener_spins_in_a_shortage(patch: Patch) -> None:
    """It tries again in each turn."""
    patch.setattr(Listener, "rest", lambda self, error: None)


@mutation
def half_open_ones_are_not_counted_down(patch: Patch) -> None:
    """One that was refused keeps its place among those that are in the making."""

    def fail(self: Any, error: BaseException) -> None:
        if not self._over:
            self._over = True
            self._stop_clock()
            self._cancel_next()
            for racing in self._racing:
                racing.close()
            self._connection.attempting(None)
            self._raw_server.could_not_connect(self._connection, self._address, error)

    patch.setattr(ConnectionAttempt, "_fail", fail)


# Layers.


@mutation
def a_throttle_loses_a_readiness(patch: Patch) -> None:
    """Who was served is not polled for again."""

    def serve(self: Any, allowance: int) -> tuple[int, bool]:
        bucket = self.bucket
        self.allowance = left = allowance
        self._blocked = False
        try:
            self._throttle.pass_on(self._event)
            left = self.allowance
        finally:
            self.allowance = None
            if bucket is self.bucket:
                self.waiting = False
        return allowance - left, False

    patch.setattr(Direction, "serve", serve)
