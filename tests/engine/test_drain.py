import socket
from collections.abc import Iterator
from typing import Any

import pytest

from kit.clock import MovableClock, pass_time
from kit.joined import join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import OsNetwork, RawServer, SingleSocket

SECONDS = 20.0


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    reported: list[str] = []
    server = RawServer(
        network=MovableClock(OsNetwork()), errorfunc=lambda level, text: reported.append(text)
    )
    yield server
    server.close()
    assert not reported, "\n".join(reported)


def read_all(sock: socket.socket) -> None:
    while sock.recv(1 << 20):
        pass


class Draining:
    """A drain under way, and the time of the clock at which it called `done`."""

    def __init__(self, raw_server: RawServer, deadline: float = SECONDS, **options: Any) -> None:
        self._raw_server = raw_server
        self._began = raw_server.network.time()
        self.done: list[float] = []
        self.lost = 0
        raw_server.drain(deadline, self._done, **options)

    def _done(self) -> None:
        self.done.append(self._raw_server.network.time() - self._began)
        self.left = len(self._raw_server.connections())

    def pass_time(self, seconds: float) -> None:
        pass_time(self._raw_server, seconds, step=0.05)


def test_with_nobody_here_it_is_done_at_once_and_leaves_nothing(raw_server: RawServer) -> None:
    draining = Draining(raw_server)
    assert draining.done == []  # never from within
    run_until(raw_server, lambda: draining.done)
    assert not len(raw_server.tasks)
    draining.pass_time(2 * SECONDS)
    assert len(draining.done) == 1


def test_nobody_new_is_taken(raw_server: RawServer) -> None:
    port = listen(raw_server, Recorder())
    draining = Draining(raw_server)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert raw_server.listeners() == []
    run_until(raw_server, lambda: draining.done)


def test_who_closes_when_asked_is_heard_out_first(raw_server: RawServer) -> None:
    def answer(connection: SingleSocket) -> None:
        connection.write(b"the rest")
        connection.close_when_flushed()

    caller, callee = Recorder(), Recorder(drain=answer)
    connection, other = join(raw_server, caller, callee)
    draining = Draining(raw_server)
    run_until(raw_server, lambda: draining.done)
    assert draining.done[0] < SECONDS / 2
    assert caller.data == b"the rest"
    assert connection.error is None
    assert other.error is None
    assert callee.events.count("drain") == 1


def test_who_closes_at_once_when_asked(raw_server: RawServer) -> None:
    handler = Recorder(drain=lambda connection: connection.close())
    join(raw_server, handler, handler)
    draining = Draining(raw_server)
    run_until(raw_server, lambda: draining.done and handler.events.count("connection_lost") == 2)
    assert 1 <= handler.events.count("drain") <= 2
    assert draining.left == 0


def test_it_is_not_done_while_a_peer_may_still_lose_what_it_was_sent(
    raw_server: RawServer,
) -> None:
    """A socket that is closed while its peer sends resets it (RFC 1122, section 4.2.2.13)."""
    callee = Recorder(drain=lambda connection: connection.close_when_flushed())
    port = listen(raw_server, callee)
    peer = socket.create_connection(("127.0.0.1", port))
    run_until(raw_server, lambda: callee.connections)
    draining = Draining(raw_server)
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    draining.pass_time(1.0)
    assert not draining.done
    peer.close()
    run_until(raw_server, lambda: draining.done)
    assert draining.done[0] < 2.0


class Deaf:
    """A handler that knows of no drain, and ends nothing by itself."""

    def __init__(self) -> None:
        self.connections: list[SingleSocket] = []
        self.lost: list[SingleSocket] = []

    def external_connection_made(self, connection: SingleSocket) -> None:
        self.connections.append(connection)

    connection_made = external_connection_made

    def eof_received(self, connection: SingleSocket) -> bool:
        return True

    def connection_lost(self, connection: SingleSocket) -> None:
        self.lost.append(connection)


def test_who_hears_of_no_drain_is_closed_in_good_order_before_the_deadline(
    raw_server: RawServer,
) -> None:
    deaf = Deaf()
    port = listen(raw_server, deaf)
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.settimeout(10.0)
        run_until(raw_server, lambda: deaf.connections)
        draining = Draining(raw_server)
        draining.pass_time(0.7 * SECONDS)
        assert not deaf.lost
        assert not draining.done
        draining.pass_time(0.1 * SECONDS)
        assert deaf.lost
        assert peer.recv(1) == b""
    run_until(raw_server, lambda: draining.done)
    assert draining.done[0] < SECONDS


def test_who_does_not_end_is_reset_at_the_deadline(raw_server: RawServer) -> None:
    deaf = Deaf()
    port = listen(raw_server, deaf)
    with socket.create_connection(("127.0.0.1", port)) as peer:
        run_until(raw_server, lambda: deaf.connections)
        deaf.connections[0].write(bytes(16 << 20))  # so that it is never flushed
        draining = Draining(raw_server)
        draining.pass_time(SECONDS - 1)
        assert not deaf.lost
        draining.pass_time(2.0)
        assert len(deaf.lost) == 1
        assert draining.done == [pytest.approx(SECONDS, abs=1.0)]
        assert draining.left == 0
        peer.settimeout(10.0)
        with pytest.raises(ConnectionResetError):
            read_all(peer)
    draining.pass_time(2 * SECONDS)
    assert len(draining.done) == 1


def test_no_time_at_all_still_asks_and_then_resets(raw_server: RawServer) -> None:
    connection, other = join(raw_server, caller := Recorder(), callee := Recorder())
    draining = Draining(raw_server, 0.0)
    run_until(raw_server, lambda: draining.done)
    raw_server.listen_once(0.0)
    assert connection.lost
    assert other.lost
    assert caller.events[-2:] == callee.events[-2:] == ["drain", "connection_lost"]


def test_a_fault_while_it_is_asked_ends_that_one_alone() -> None:
    reported: list[str] = []
    raw_server = RawServer(errorfunc=lambda level, text: reported.append(text))

    def fail(connection: SingleSocket) -> None:
        raise ValueError("of the handler")

    join(raw_server, bad := Recorder(drain=fail), Recorder())
    _, good = join(raw_server, Recorder(), asked := Recorder())
    raw_server.drain(30.0)
    run_until(raw_server, lambda: "connection_lost" in bad.events and "drain" in asked.events)
    assert good.connected
    assert len(reported) == 1
    raw_server.close()


def test_one_context_is_drained_and_the_others_stay(raw_server: RawServer) -> None:
    raw_server.add_context("a")
    connection, other = join(raw_server, Recorder(), Recorder())
    staying = listen(raw_server, Recorder())
    leaving = listen(raw_server, Recorder(), "a")
    connection.context = "a"
    draining = Draining(raw_server, context="a")
    assert [one.context for one in raw_server.listeners()] == [None, None]
    draining.pass_time(1.0)
    assert connection.handler.events[-1] == "drain"
    assert "drain" not in other.handler.events
    connection.close()
    run_until(raw_server, lambda: draining.done)
    with socket.create_connection(("127.0.0.1", staying)):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", leaving))


def test_one_that_is_given_to_another_context_has_left(raw_server: RawServer) -> None:
    raw_server.add_context("a")
    connection, _ = join(raw_server, Recorder(), Recorder())
    connection.context = "a"
    draining = Draining(raw_server, context="a")
    run_until(raw_server, lambda: "drain" in connection.handler.events)
    connection.context = None
    run_until(raw_server, lambda: draining.done)
    draining.pass_time(2 * SECONDS)
    assert connection.connected


def test_a_context_that_is_removed_meanwhile_is_drained(raw_server: RawServer) -> None:
    raw_server.add_context("a")
    connection, _ = join(raw_server, Recorder(), Recorder())
    connection.context = "a"
    draining = Draining(raw_server, context="a")
    raw_server.add_task(raw_server.remove_context, 0.0, ("a",))
    run_until(raw_server, lambda: draining.done)
    assert connection.lost


def test_two_drains_are_each_done_once(raw_server: RawServer) -> None:
    connection, _ = join(raw_server, caller := Recorder(), Recorder())
    first, second = Draining(raw_server), Draining(raw_server, 2 * SECONDS)
    first.pass_time(1.0)
    connection.close()
    first.pass_time(3 * SECONDS)
    assert len(first.done) == len(second.done) == 1
    assert caller.events.count("connection_lost") == 1


def test_the_loop_may_be_ended_from_done(raw_server: RawServer) -> None:
    join(raw_server, caller := Recorder(), callee := Recorder())
    raw_server.drain(0.0, raw_server.doneflag.set)
    raw_server.listen_forever()
    assert caller.events[-1] == callee.events[-1] == "connection_lost"


def test_no_handler_hears_of_a_connection_that_is_not_made(raw_server: RawServer) -> None:
    """Neither of one that it starts, nor of one whose opening is not over."""
    callee, caller = Recorder(), Recorder(eof_received=lambda connection: True)
    port = listen(raw_server, callee, proxy_protocol=True)
    peer = socket.create_connection(("127.0.0.1", port))
    run_until(raw_server, lambda: raw_server.connections())
    target = raw_server.create_serversocket(0, "127.0.0.1")
    started = raw_server.start_connection(target.getsockname()[:2], caller)
    draining = Draining(raw_server)
    run_until(raw_server, lambda: started.connected)
    draining.pass_time(1.0)
    assert caller.events == ["connection_made", "drain"]
    # Who is not in yet is new.
    assert callee.events == ["opening_failed"]
    peer.settimeout(10.0)
    assert peer.recv(1) == b""
    peer.close()
    started.close()
    run_until(raw_server, lambda: draining.done)
    target.close()
