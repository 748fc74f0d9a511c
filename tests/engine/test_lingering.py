import socket
import threading

import pytest

from kit.joined import join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Config, RawServer, SingleSocket

ANSWER = b"x" * 300_000
# More than the answering side reads before it has answered.
QUESTION = b"?" * 3_000_000


class Hasty(Recorder):
    """Answers the first bytes of a question, and closes."""

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        if not self.data:
            connection.write(ANSWER)
            connection.close_when_flushed()
        super().data_came_in(connection, data)


def server(linger_timeout: float) -> RawServer:
    return RawServer(config=Config(linger_timeout=linger_timeout))


def registered(raw_server: RawServer) -> int:
    return len(raw_server._registered)


def test_who_still_sends_receives_all_that_was_written_to_him() -> None:
    raw_server = server(20.0)
    callee = Hasty()
    port = listen(raw_server, callee)
    received: list[int] = []

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(QUESTION)
            count = 0
            while data := sock.recv(65536):
                count += len(data)
            received.append(count)

    thread = threading.Thread(target=ask)
    thread.start()
    run_until(raw_server, lambda: not thread.is_alive())
    thread.join()
    assert received == [len(ANSWER)]
    assert callee.events[-1] == "connection_lost"
    # With the peer's end it is over, long before its time-out.
    run_until(raw_server, lambda: registered(raw_server) == 2)  # the listener and the wake-up
    raw_server.close()


def test_the_peer_that_never_closes_is_not_waited_for_longer_than_its_time() -> None:
    raw_server = server(0.01)
    callee = Recorder()
    caller = Recorder(eof_received=lambda connection: True)
    connection, other = join(raw_server, caller, callee)
    other.close_when_flushed()
    run_until(raw_server, lambda: "eof_received" in caller.events)
    run_until(raw_server, lambda: registered(raw_server) == 3)
    assert callee.events[-1] == "connection_lost"
    assert connection.connected
    raw_server.close()


@pytest.mark.parametrize("by_context", [True, False])
def test_it_ends_with_its_context_and_with_the_loop(by_context: bool) -> None:
    raw_server = server(1000.0)
    raw_server.add_context("mine")
    callee = Recorder()
    caller = Recorder(eof_received=lambda connection: True)
    _, other = join(raw_server, caller, callee)
    other.context = "mine"
    other.close_when_flushed()
    run_until(raw_server, lambda: "eof_received" in caller.events)
    assert registered(raw_server) == 4
    if by_context:
        raw_server.remove_context("mine")
        assert registered(raw_server) == 3
    raw_server.close()
    assert registered(raw_server) == 1


def test_where_the_peer_has_ended_its_side_nothing_lingers() -> None:
    raw_server = server(1000.0)
    callee = Recorder(eof_received=lambda connection: True)
    connection, other = join(raw_server, Recorder(), callee)
    connection.shutdown()
    run_until(raw_server, lambda: "eof_received" in callee.events)
    other.close_when_flushed()
    assert registered(raw_server) == 3
    raw_server.close()


def test_a_reset_ends_it() -> None:
    raw_server = server(1000.0)
    callee = Recorder()
    port = listen(raw_server, callee)
    sock = socket.create_connection(("127.0.0.1", port))
    run_until(raw_server, lambda: callee.connections)
    callee.connection.close_when_flushed()
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert registered(raw_server) == 3
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    run_until(raw_server, lambda: registered(raw_server) == 2)
    raw_server.close()
