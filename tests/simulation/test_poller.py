import errno
from typing import Any

import pytest

from kit.hosts import LATENCY, OTHER, calling, code_of, joined, listening, two_hosts
from rawserver import RawServer
from rawserver.engine.network import READABLE, WRITABLE
from rawserver.simulation.host import TURN_SECONDS
from rawserver.simulation.packet import ACK, DATA


def test_it_waits_for_what_comes_and_time_passes() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    poller = other.network.make_poller()
    poller.register(server.fileno(), READABLE)
    calling(one, OTHER)
    began = world.now
    assert poller.poll(10.0) == [(server.fileno(), READABLE)]
    assert world.now - began == pytest.approx(3 * LATENCY)
    # Level-triggered: it is so until somebody accepts.
    assert poller.poll(10.0) == [(server.fileno(), READABLE)]
    server.accept()
    began = world.now
    assert poller.poll(0.5) == []
    assert world.now - began == pytest.approx(0.5)


def test_only_what_is_asked_for_is_told_and_hang_ups() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    poller = one.network.make_poller()
    poller.register(caller.fileno(), READABLE)
    assert poller.poll(0.0) == []
    poller.modify(caller.fileno(), READABLE | WRITABLE)
    assert poller.poll(0.0) == [(caller.fileno(), WRITABLE)]
    callee.send(b"x")
    world.run(seconds=1.0)
    assert poller.poll(0.0) == [(caller.fileno(), READABLE | WRITABLE)]
    poller.modify(caller.fileno(), WRITABLE)
    assert poller.poll(0.0) == [(caller.fileno(), WRITABLE)]
    callee.connection.reset()
    world.run(seconds=1.0)
    [(_, events)] = poller.poll(0.0)
    assert events & ~(READABLE | WRITABLE)
    poller.unregister(caller.fileno())
    assert poller.poll(0.0) == []


def test_registering_fails_as_with_epoll() -> None:
    _, one, _ = two_hosts()
    poller, wakeup = one.network.make_poller(), one.network.make_wakeup()
    assert code_of(poller.register, 99, READABLE) == errno.EBADF
    assert code_of(poller.modify, wakeup.fileno(), READABLE) == errno.ENOENT
    poller.register(wakeup.fileno(), READABLE)
    assert code_of(poller.register, wakeup.fileno(), READABLE) == errno.EEXIST
    poller.unregister(wakeup.fileno())
    poller.unregister(wakeup.fileno())
    poller.unregister(99)


def test_the_seed_orders_what_is_ready_at_once() -> None:
    def order(seed: int) -> list[int]:
        _, host, _ = two_hosts(seed)
        poller = host.network.make_poller()
        wakeups = [host.network.make_wakeup() for _ in range(8)]
        for wakeup in wakeups:
            poller.register(wakeup.fileno(), READABLE)
            wakeup.wake()
        return [descriptor for descriptor, _ in poller.poll(0.0)]

    orders = [tuple(order(seed)) for seed in range(6)]
    assert len(set(orders)) == 6
    assert orders == [tuple(order(seed)) for seed in range(6)]


def test_a_poll_that_nothing_could_end_says_so() -> None:
    _, host, _ = two_hosts()
    with pytest.raises(RuntimeError, match="for ever"):
        host.network.make_poller().poll(None)


def test_a_loop_that_is_never_idle_does_not_stop_time() -> None:
    world, host, _ = two_hosts()
    turns: list[float] = []

    def program(raw_server: RawServer) -> None:
        def again() -> None:
            turns.append(world.now)
            raw_server.add_task(again)

        raw_server.add_task(again)

    host.boot(program)
    world.run(seconds=100.5 * TURN_SECONDS)
    assert len(turns) == 101
    poller = host.network.make_poller()
    began = world.now
    for _ in range(10):
        poller.poll(0.0)
    assert world.now - began == pytest.approx(10 * TURN_SECONDS)


def test_the_world_turns_a_raw_server_when_its_tasks_are_due() -> None:
    world, host, _ = two_hosts()
    ran: list[float] = []
    raw_server = host.boot(lambda raw_server: raw_server.add_task(lambda: ran.append(world.now), 5))
    before = world.events
    world.run(seconds=10.0)
    assert ran == pytest.approx([1005.0])
    # It is not called when there is nothing to do.
    assert world.events - before <= 4
    raw_server.add_task(lambda: ran.append(world.now), 3.0)
    raw_server.add_task(lambda: ran.append(world.now), 1.0)
    world.run(seconds=10.0)
    assert ran[1:] == pytest.approx([1011.0, 1013.0])


def test_an_earlier_task_does_not_pile_up_calls() -> None:
    world, host, _ = two_hosts()
    count = 0

    def program(raw_server: RawServer) -> None:
        def again() -> None:
            nonlocal count
            count += 1
            raw_server.add_task(again, 0.1)

        again()
        raw_server.add_task(lambda: None, 1000.0)

    host.boot(program)
    world.run(seconds=100.0)
    assert count == pytest.approx(1000, abs=2)
    assert len(world._queue) < 5


def test_what_a_turn_spends_it_is_busy_for() -> None:
    world, host, _ = two_hosts()
    turns: list[float] = []

    def program(raw_server: RawServer) -> None:
        def spend() -> None:
            turns.append(world.now)
            host.meter.seconds += 0.5
            raw_server.add_task(spend)

        raw_server.add_task(spend)

    host.turn_seconds = 0.25
    host.boot(program)
    world.run(seconds=2.9)
    assert turns == pytest.approx([1000.0, 1000.75, 1001.5, 1002.25])


def test_another_host_is_woken_from_outside_its_turns() -> None:
    world, host, _ = two_hosts()
    ran: list[int] = []
    raw_server = host.boot(lambda raw_server: None)
    world.schedule(1.0, raw_server.external_add_task, ran.append, 0.0, (1,))
    world.run(seconds=2.0)
    assert ran == [1]
    world.schedule(1.0, raw_server.doneflag.set)
    world.run(seconds=2.0)
    with pytest.raises(RuntimeError, match="ended"):
        raw_server.listen_once(0.0)


def test_what_is_done_to_a_connection_from_outside_is_told_soon() -> None:
    world, one, other = two_hosts()
    told: list[Any] = []

    class Handler:
        def connection_made(self, connection: Any) -> None:
            told.append(connection)

        def external_connection_made(self, connection: Any) -> None:
            pass

        def connection_lost(self, connection: Any) -> None:
            told.append("lost")

    other.boot(lambda raw: raw.start_listening(raw.create_serversocket(80), Handler()))
    one.boot(lambda raw: raw.start_connection((OTHER, 80), Handler()))
    world.run(condition=lambda: told, seconds=1.0)
    told[0].close()
    world.run(seconds=1.0)
    assert told[1:] == ["lost", "lost"]


class Exchange:
    """Answers with `answer`, or with nothing."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.connection: Any = None

    def connection_made(self, connection: Any) -> None:
        self.connection = connection

    def external_connection_made(self, connection: Any) -> None:
        pass

    def data_came_in(self, connection: Any, data: bytes) -> None:
        if self.answer:
            connection.write(self.answer)


def packets_back(answer: bytes, is_paused: bool = False) -> list[tuple[float, int]]:
    """Return when, in round trips, and of which kind packets come after 4000 bytes were sent."""
    world, one, other = two_hosts()
    caller = Exchange(b"")
    other.boot(lambda raw: raw.start_listening(raw.create_serversocket(80), Exchange(answer)))
    one.boot(lambda raw: raw.start_connection((OTHER, 80), caller))
    world.run(seconds=0.5)
    came: list[tuple[float, int]] = []
    sent_at = world.now

    def note(entry: Any) -> None:
        when, _, packet = entry
        if packet.source[0] == OTHER:
            came.append((round((when - sent_at) / LATENCY / 2, 2), packet.kind))

    world.trace.sinks.append(note)
    caller.connection.write(bytes(4000))
    if is_paused:
        other.pause()
    world.run(seconds=0.5)
    return came


def test_what_a_turn_says_acknowledges_what_it_has_read() -> None:
    assert packets_back(b"x") == [(1.0, DATA)]


def test_what_a_turn_reads_in_silence_is_acknowledged_after_it() -> None:
    assert packets_back(b"") == [(1.0, ACK)]


def test_the_kernel_of_a_process_that_is_stopped_acknowledges() -> None:
    assert packets_back(b"x", is_paused=True) == [(1.0, ACK)]
