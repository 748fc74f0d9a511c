from typing import Any

import pytest

from kit.joined import free_port, join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket


class OldHandler(Recorder):
    """As in BitTorrent 4.2: `connection_made` is for those that come in."""

    def connection_started(self, connection: SingleSocket) -> None:
        self._note("connection_started", connection)

    def connection_made(self, connection: SingleSocket) -> None:
        self._note("connection_made", connection)


def test_what_it_started_is_told_by_the_old_name_and_is_its_own_from_then_on(
    raw_server: RawServer,
) -> None:
    callee = Recorder()
    handler = OldHandler(connection_started=lambda connection: connection.write(b"hello"))
    address = ("127.0.0.1", listen(raw_server, callee))
    connection = raw_server.async_start_connection(address, handler)
    assert connection
    assert not handler.events
    run_until(raw_server, lambda: callee.data)
    assert handler.events == ["connection_started"]
    assert connection.handler is handler
    callee.connection.write(b"and you")
    run_until(raw_server, lambda: handler.data == b"and you")
    callee.connection.close()
    run_until(raw_server, lambda: handler.events[-1] == "connection_lost")


def test_a_handler_without_it_hears_connection_made(raw_server: RawServer) -> None:
    handler = Recorder()
    raw_server.async_start_connection(("127.0.0.1", listen(raw_server, Recorder())), handler)
    run_until(raw_server, lambda: handler.events)
    assert handler.events == ["connection_made"]


@pytest.mark.parametrize("handler", [object(), None])
def test_a_handler_that_has_nothing_is_not_called(raw_server: RawServer, handler: Any) -> None:
    port = listen(raw_server, Recorder())
    connection = raw_server.async_start_connection(("127.0.0.1", port), handler)
    refused = raw_server.async_start_connection(("127.0.0.1", free_port(raw_server)), handler)
    run_until(raw_server, lambda: connection.connected and refused.lost)


def test_that_it_failed_is_passed_on(raw_server: RawServer) -> None:
    handler = OldHandler()
    address = ("127.0.0.1", free_port(raw_server))
    raw_server.async_start_connection(address, handler, connect_timeout=5.0, urgent=True)
    run_until(raw_server, lambda: handler.events)
    assert handler.events == ["connection_failed"]
    assert handler.failures[0][0] == address
    assert isinstance(handler.failures[0][1], ConnectionRefusedError)


def test_a_fault_in_it_ends_its_connection_and_goes_to_its_context() -> None:
    class Context:
        def __init__(self) -> None:
            self.faults: list[BaseException] = []

        def got_exception(self, error: BaseException, *where: object) -> None:
            self.faults.append(error)

    raw_server = RawServer(noisy=False)
    join(raw_server, Recorder(), Recorder())
    context = Context()
    raw_server.add_context(context)
    handler = OldHandler(connection_started=lambda connection: 1 / 0)
    port = listen(raw_server, Recorder())
    raw_server.async_start_connection(("127.0.0.1", port), handler, context)
    run_until(raw_server, lambda: handler.events[-1:] == ["connection_lost"])
    assert [type(fault) for fault in context.faults] == [ZeroDivisionError]
    raw_server.close()


def test_others_may_replace_it_before_the_connection_is_made(raw_server: RawServer) -> None:
    old, new = OldHandler(), Recorder()
    address = ("127.0.0.1", listen(raw_server, Recorder()))
    raw_server.async_start_connection(address, old).handler = new
    run_until(raw_server, lambda: new.events)
    assert new.events == ["connection_made"]
    assert not old.events
