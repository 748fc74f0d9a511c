from dataclasses import asdict
from typing import Any

import pytest

from kit.joined import join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Limits, RawServer, Statistics, Traffic


def total(parts: list[Traffic]) -> dict[str, int]:
    return {name: sum(asdict(part)[name] for part in parts) for name in asdict(Traffic())}


def consistent(figures: Statistics) -> Statistics:
    """Check what must be so while no context was removed and nothing moved."""
    assert total(list(figures.contexts.values())) == asdict(figures.traffic)
    return figures


def test_a_loop_that_did_nothing_has_nothing(raw_server: RawServer) -> None:
    figures = raw_server.statistics()
    assert figures.traffic == Traffic()
    assert figures.contexts == {None: Traffic()}
    assert figures.listeners == []
    assert figures.refused == {}
    assert (figures.tasks, figures.turns, figures.half_open) == (0, 0, 0)


def test_bytes_are_those_that_passed_whether_connections_live_or_went(
    raw_server: RawServer,
) -> None:
    caller, callee = Recorder(), Recorder()
    connection, other = join(raw_server, caller, callee)
    connection.write(b"x" * 1000)
    other.write(b"y" * 50)
    run_until(raw_server, lambda: len(callee.data) == 1000 and len(caller.data) == 50)
    expected = Traffic(connections=2, connections_ever=2, received=1050, sent=1050)
    figures = consistent(raw_server.statistics())
    assert figures.traffic == expected
    (listener,) = figures.listeners
    assert listener.traffic == Traffic(1, 1, 1000, 50)
    assert listener.address[0] == "127.0.0.1"
    connection.close()
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    figures = consistent(raw_server.statistics())
    assert figures.traffic == Traffic(0, 2, 1050, 1050)
    assert figures.listeners[0].traffic == Traffic(0, 1, 1000, 50)


def test_what_waits_is_that_of_live_connections(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    data = bytes(8 << 20)
    connection.write(data)
    figures = consistent(raw_server.statistics())
    assert figures.traffic.buffered > 0
    assert figures.traffic.sent + figures.traffic.buffered == len(data)
    connection.close()
    figures = consistent(raw_server.statistics())
    assert figures.traffic.buffered == 0


def test_within_connection_lost_it_is_counted_no_more(raw_server: RawServer) -> None:
    seen: list[Statistics] = []
    caller = Recorder(connection_lost=lambda _: seen.append(raw_server.statistics()))
    connection, other = join(raw_server, caller, Recorder())
    connection.close()
    assert raw_server.statistics().traffic.connections == 1
    run_until(raw_server, lambda: seen)
    assert consistent(seen[0]).traffic.connections <= 1
    run_until(raw_server, lambda: other.lost)


def test_a_removed_context_has_no_figures_and_its_bytes_stay_in_the_whole(
    raw_server: RawServer,
) -> None:
    raw_server.add_context("a")
    connection, other = join(raw_server, Recorder(), callee := Recorder())
    connection.write(b"x" * 10)
    run_until(raw_server, lambda: len(callee.data) == 10)
    connection.context = "a"
    connection.write(b"x" * 5)
    run_until(raw_server, lambda: len(callee.data) == 15)
    figures = consistent_but_for_moves(raw_server.statistics())
    assert figures.contexts["a"] == Traffic(1, 1, 0, 5)
    assert figures.contexts[None] == Traffic(1, 2, 15, 10)
    raw_server.remove_context("a")
    run_until(raw_server, lambda: other.lost)
    figures = raw_server.statistics()
    assert "a" not in figures.contexts
    assert figures.traffic == Traffic(0, 2, 15, 15)
    raw_server.add_context("a")
    assert raw_server.statistics().contexts["a"] == Traffic()


def consistent_but_for_moves(figures: Statistics) -> Statistics:
    """One that moved came to two contexts; all else is as `consistent` says."""
    parts = total(list(figures.contexts.values()))
    whole = asdict(figures.traffic)
    assert parts.pop("connections_ever") >= whole.pop("connections_ever")
    assert parts == whole
    return figures


def test_moving_to_and_fro_counts_no_byte_twice(raw_server: RawServer) -> None:
    raw_server.add_context("a")
    connection, _ = join(raw_server, Recorder(), callee := Recorder())
    for index in range(6):
        connection.context = None if index % 2 else "a"
        connection.write(b"x" * (1 << index))
        run_until(raw_server, lambda index=index: len(callee.data) == (2 << index) - 1)
        consistent_but_for_moves(raw_server.statistics())
    figures = raw_server.statistics()
    assert figures.contexts["a"].sent == 1 + 4 + 16
    assert figures.contexts[None].sent == 2 + 8 + 32
    connection.close()
    consistent_but_for_moves(raw_server.statistics())


def test_one_that_moves_within_connection_lost_counts_in_neither(raw_server: RawServer) -> None:
    raw_server.add_context("a")

    def move(connection: Any) -> None:
        connection.context = "a"

    caller = Recorder(connection_lost=move)
    connection, other = join(raw_server, caller, Recorder())
    connection.close()
    run_until(raw_server, lambda: other.lost and "connection_lost" in caller.events)
    figures = consistent(raw_server.statistics())
    assert figures.contexts["a"] == Traffic()
    assert figures.traffic == Traffic(0, 2, 0, 0)


def test_those_who_were_refused_are_counted_by_the_reason_over_all_listeners(
    raw_server: RawServer,
) -> None:
    raw_server.add_context("full", max_connections=0)
    ports = [
        listen(raw_server, Recorder(), limits=Limits(total=0)),
        listen(raw_server, Recorder(), limits=Limits(total=0)),
        listen(raw_server, Recorder(), "full"),
    ]
    for port in ports:
        raw_server.start_connection(("127.0.0.1", port), Recorder())
    run_until(raw_server, lambda: sum(raw_server.statistics().refused.values()) == 3)
    figures = raw_server.statistics()
    assert figures.refused == {"total": 2, "context": 1}
    assert [one.refused for one in figures.listeners] == [{"total": 1}] * 2 + [{"context": 1}]
    assert all(one.traffic == Traffic() for one in figures.listeners)


def test_tasks_that_are_late_are_told_from_those_that_wait(raw_server: RawServer) -> None:
    raw_server.add_task(print, 1000.0)
    raw_server.add_task(print, 0.0)
    figures = raw_server.statistics()
    assert (figures.tasks, figures.tasks_due) == (2, 1)


def test_connections_in_the_making_are_not_counted_as_connections(
    raw_server: RawServer,
) -> None:
    port = listen(raw_server, Recorder())
    connection = raw_server.start_connection(("127.0.0.1", port), Recorder())
    assert connection in raw_server.connections()
    figures = consistent(raw_server.statistics())
    assert figures.traffic == Traffic()
    run_until(raw_server, lambda: raw_server.statistics().traffic.connections == 2)
    assert raw_server.statistics().half_open == 0


def test_another_thread_may_not_ask_while_it_runs(raw_server: RawServer) -> None:
    raw_server.thread = -1
    with pytest.raises(RuntimeError):
        raw_server.statistics()
    raw_server.thread = None
