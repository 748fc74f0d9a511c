"""A fault is reported, goes to its context, ends its connection, and costs nobody else anything."""

import pytest

from kit.joined import Joiner, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket, Where
from rawserver.engine.tls import TlsClient, TlsServer


class Context:
    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def got_exception(self, error: BaseException, where: Where) -> None:
        self.errors.append(error)


def fail(connection: SingleSocket) -> None:
    raise LookupError("a fault")


def test_a_fault_ends_its_own_connection_and_no_other(
    faulty_server: RawServer, faults: list[str]
) -> None:
    context, other_context = Context(), Context()
    faulty_server.add_context(context)
    faulty_server.add_context(other_context)
    bad, good = Recorder(data_came_in=fail), Recorder()
    to_bad = faulty_server.start_connection(
        ("127.0.0.1", listen(faulty_server, bad, context)), Recorder()
    )
    to_good = faulty_server.start_connection(
        ("127.0.0.1", listen(faulty_server, good, other_context)), Recorder()
    )
    to_bad.write(b"hello")
    run_until(faulty_server, lambda: to_bad.lost)
    to_good.write(b"hello")
    run_until(faulty_server, lambda: good.data == b"hello")
    assert [str(error) for error in context.errors] == ["a fault"]
    assert bad.connection.error is context.errors[0]
    assert not other_context.errors
    assert not to_good.lost
    assert len(faults) == 1
    assert "Traceback" in faults[0]
    assert "in fail" in faults[0]


def test_a_connection_that_was_handed_on_tells_the_context_that_has_it(
    faulty_server: RawServer,
) -> None:
    first, second = Context(), Context()
    faulty_server.add_context(first)
    faulty_server.add_context(second)

    def hand_on(connection: SingleSocket) -> None:
        connection.context = second
        connection.handler = Recorder(data_came_in=fail)

    port = listen(faulty_server, Recorder(external_connection_made=hand_on), first)
    faulty_server.start_connection(("127.0.0.1", port), Recorder()).write(b"hello")
    run_until(faulty_server, lambda: second.errors)
    assert not first.errors


def test_a_fault_of_a_task_goes_to_its_context(faulty_server: RawServer, faults: list[str]) -> None:
    context = Context()
    ran: list[int] = []
    faulty_server.add_context(context)
    faulty_server.add_task(lambda: 1 // 0, 0.0, (), context)
    faulty_server.add_task(ran.append, 0.0, (1,), context)
    faulty_server.external_add_task(lambda: 2 // 0, 0.0, (), context)
    run_until(faulty_server, lambda: len(context.errors) == 2)
    assert ran == [1]
    assert len(faults) == 2


def test_a_fault_in_connection_failed_goes_to_its_context(faulty_server: RawServer) -> None:
    class Fails(Recorder):
        def connection_failed(self, address: object, error: BaseException) -> None:
            raise LookupError("a fault")

    context = Context()
    faulty_server.add_context(context)
    faulty_server.start_connection("/no/such/path", Fails(), context)
    run_until(faulty_server, lambda: context.errors)
    assert isinstance(context.errors[0], LookupError)


def test_a_fault_in_connection_flushed_ends_the_connection(
    faulty_server: RawServer, faults: list[str], join: Joiner
) -> None:
    caller = Recorder(connection_flushed=fail)
    connection, _ = join(faulty_server, caller, Recorder())
    while connection.write(b"x" * 100_000):
        pass
    run_until(faulty_server, lambda: "connection_lost" in caller.events)
    assert isinstance(connection.error, LookupError)
    assert len(faults) == 1


def test_a_fault_in_opening_failed_goes_to_its_context(
    faulty_server: RawServer, faults: list[str]
) -> None:
    class Fails(Recorder):
        def opening_failed(self, connection: SingleSocket, error: BaseException) -> None:
            raise LookupError("a fault")

    context = Context()
    faulty_server.add_context(context)
    port = listen(faulty_server, Fails(), context, proxy_protocol=True)
    caller = Recorder()
    faulty_server.start_connection(("127.0.0.1", port), caller).write(b"no header")
    run_until(faulty_server, lambda: context.errors)
    assert isinstance(context.errors[0], LookupError)
    assert len(faults) == 1
    run_until(faulty_server, lambda: caller.events[-1] == "connection_lost")


def test_a_fault_in_tls_started_ends_the_connection(
    faulty_server: RawServer, faults: list[str], tls_server: TlsServer, tls_client: TlsClient
) -> None:
    caller, callee = Recorder(tls_started=fail), Recorder()
    connection, other = Joiner(None, throttled=False)(faulty_server, caller, callee)
    faulty_server.start_tls(connection, tls_client, server_name="localhost")
    faulty_server.start_tls(other, tls_server)
    run_until(faulty_server, lambda: "connection_lost" in callee.events)
    assert isinstance(connection.error, LookupError)
    assert caller.events == ["connection_made", "tls_started", "connection_lost"]
    assert len(faults) == 1


def test_a_loop_that_is_told_to_stop_by_an_exception_closes_everything(
    faulty_server: RawServer, join: Joiner
) -> None:
    caller, callee = Recorder(), Recorder()
    join(faulty_server, caller, callee)

    def leave() -> None:
        raise SystemExit(3)

    faulty_server.add_task(leave)
    with pytest.raises(SystemExit, match="3"):
        faulty_server.listen_forever()
    assert caller.events[-1] == callee.events[-1] == "connection_lost"
