"""What the figures say is what happened."""

from __future__ import annotations

from kit.clock import pass_time
from kit.joined import Joiner, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket, Traffic


def lost(handler: Recorder) -> bool:
    return handler.events[-1:] == ["connection_lost"]


def test_bytes_are_those_of_the_connections_that_are_and_that_were(
    raw_server: RawServer, join: Joiner
) -> None:
    for count in (1000, 70_000):
        caller, callee = Recorder(), Recorder()
        connection, _ = join(raw_server, caller, callee)
        connection.write(b"x" * count)
        run_until(raw_server, lambda callee=callee, count=count: len(callee.data) == count)
        if count == 1000:
            connection.close()
            run_until(raw_server, lambda callee=callee: lost(callee))
    statistics = raw_server.statistics()
    assert statistics.traffic == Traffic(2, 4, 71_000, 71_000, 0)
    assert [one.traffic for one in statistics.listeners] == [
        Traffic(0, 1, 1000, 0, 0), Traffic(1, 1, 70_000, 0, 0),
    ]  # fmt: skip
    assert statistics.contexts == {None: statistics.traffic}


def test_a_context_has_what_passed_while_the_connection_was_its(raw_server: RawServer) -> None:
    for context in ("first", "second"):
        raw_server.add_context(context)
    caller, callee = Recorder(), Recorder()
    port = listen(raw_server, callee, "first")
    connection = raw_server.start_connection(("127.0.0.1", port), caller)
    connection.write(b"x" * 10)
    run_until(raw_server, lambda: len(callee.data) == 10)
    callee.connection.context = "second"
    connection.write(b"x" * 7)
    run_until(raw_server, lambda: len(callee.data) == 17)
    contexts = raw_server.statistics().contexts
    assert contexts["first"] == Traffic(0, 1, 10, 0, 0)
    assert contexts["second"] == Traffic(1, 1, 7, 0, 0)
    assert contexts[None] == Traffic(1, 1, 0, 17, 0)
    raw_server.remove_context("second")
    assert set(raw_server.statistics().contexts) == {None, "first"}
    assert raw_server.statistics().traffic.connections == 1


def test_what_waits_to_be_sent_is_told(raw_server: RawServer, join: Joiner) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    while connection.write(b"x" * 100_000):
        pass
    assert raw_server.statistics().traffic.buffered == connection.buffered > 0


def test_attempts_and_openings_are_told(raw_server: RawServer) -> None:
    callee = Recorder()
    port = listen(raw_server, callee, proxy_protocol=True)
    caller = Recorder()
    raw_server.start_connection(("127.0.0.1", port), caller)
    assert raw_server.statistics().waiting_to_connect == 1
    run_until(raw_server, lambda: raw_server.statistics().listeners[0].opening == 1)
    statistics = raw_server.statistics()
    assert statistics.half_open == statistics.waiting_to_connect == 0
    assert statistics.traffic.connections == 1
    assert statistics.listeners[0].traffic == Traffic()
    assert statistics.listeners[0].address[1] == port


def test_tasks_and_those_that_are_late_are_told(clocked_server: RawServer) -> None:
    before = clocked_server.statistics().tasks
    for delay in (1.0, 1.0, 50.0):
        clocked_server.add_task(len, delay, ((),))
    clocked_server.network.ahead += 2.0
    statistics = clocked_server.statistics()
    assert statistics.tasks == before + 3
    assert statistics.tasks_due == 2
    clocked_server.listen_once(0.0)
    assert clocked_server.statistics().tasks_due == 0


def test_the_longest_call_is_named(clocked_server: RawServer) -> None:
    def slow() -> None:
        clocked_server.network.ahead += 3.0

    def slower(connection: SingleSocket) -> None:
        clocked_server.network.ahead += 4.0

    for _ in range(2):  # after a turn that was slow, calls are measured
        clocked_server.add_task(slow)
        clocked_server.listen_once(0.0)
    statistics = clocked_server.statistics()
    assert 3.0 <= statistics.longest_call_seconds < 4.0
    assert statistics.longest_call.endswith("slow")
    callee = Recorder(data_came_in=slower)
    port = listen(clocked_server, callee)
    connection = clocked_server.start_connection(("127.0.0.1", port), Recorder())
    for count in (1, 2):
        connection.write(b"x")
        run_until(clocked_server, lambda count=count: len(callee.data) == count)
    statistics = clocked_server.statistics()
    assert 4.0 <= statistics.longest_call_seconds < 5.0
    assert "Recorder" in statistics.longest_call
    assert 4.0 <= statistics.longest_turn_seconds < 5.0


def test_how_busy_the_loop_is(clocked_server: RawServer) -> None:
    def work() -> None:
        clocked_server.network.ahead += 0.5
        clocked_server.add_task(work, 0.5)

    clocked_server.add_task(work)
    pass_time(clocked_server, 60.0, step=0.1)
    statistics = clocked_server.statistics()
    assert 0.3 < statistics.busy < 0.7
    assert statistics.turns > 100
    assert 15.0 < statistics.busy_seconds < 45.0
