"""Who waits too long is ended, and nobody else; how a server uses it: test_server_connection.py."""

from typing import Any

from kit.fake_connection import FakeConnection
from kit.fake_loop import FakeLoop
from rawserver.http.request_deadlines import LOOK_SECONDS, RequestDeadlines


class Client:
    def __init__(self, waiting_since: float | None) -> None:
        self.waiting_since = waiting_since
        self.connection: Any = FakeConnection()


def test_who_waits_too_long_is_ended() -> None:
    loop: Any = FakeLoop()
    deadlines = RequestDeadlines(loop, 15.0)
    clients: list[Any] = [Client(0.0), Client(5.0), Client(None)]
    for client in clients:
        deadlines.add(client)
    loop.run(15.0 - LOOK_SECONDS)
    assert not any(client.connection.lost for client in clients)
    loop.run(2 * LOOK_SECONDS)
    assert [client.connection.lost for client in clients] == [True, False, False]
    loop.run(100.0)
    assert [client.connection.lost for client in clients] == [True, True, False]


def test_without_connections_there_is_no_task() -> None:
    loop: Any = FakeLoop()
    deadlines = RequestDeadlines(loop, 15.0)
    clients: list[Any] = [Client(0.0), Client(0.0)]
    for client in clients:
        deadlines.add(client)
    assert len(loop.waiting) == 1
    for client in clients:
        deadlines.remove(client)
        deadlines.remove(client)
    assert not loop.waiting
