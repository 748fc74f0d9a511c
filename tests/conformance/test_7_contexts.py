"""`remove_context` ends everything that the context owned, at once."""

import threading

import pytest

from kit.joined import Joiner, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer


def test_everything_of_the_context_ends_and_nothing_else(raw_server: RawServer) -> None:
    raw_server.add_context("mine")
    raw_server.add_context("other")
    ran: list[str] = []
    handlers = {"mine": Recorder(), "other": Recorder()}
    callers: list[Recorder] = []
    ports = {}
    for context, handler in handlers.items():
        ports[context] = listen(raw_server, handler, context)
        callers.append(Recorder())
        raw_server.start_connection(("127.0.0.1", ports[context]), callers[-1])
        raw_server.add_task(ran.append, 0.02, (context,), context)
    run_until(raw_server, lambda: all(handler.connections for handler in handlers.values()))
    attempt, look_up = Recorder(), Recorder()
    raw_server.start_connection(("127.0.0.1", ports["other"]), attempt, "mine")
    raw_server.start_connection(("localhost", ports["other"]), look_up, "mine")
    raw_server.remove_context("mine")
    assert handlers["mine"].connection.lost
    refused = Recorder()
    raw_server.start_connection(("127.0.0.1", ports["mine"]), refused)
    run_until(raw_server, lambda: callers[0].events[-1] == "connection_lost")
    run_until(raw_server, lambda: refused.failures and attempt.failures and look_up.failures)
    run_until(raw_server, lambda: ran)
    assert handlers["mine"].events[-1] == "connection_lost"
    assert attempt.events == look_up.events == ["connection_failed"]
    assert ran == ["other"]
    assert not handlers["other"].connection.lost
    assert handlers["other"].events == ["external_connection_made"]


def test_what_work_found_out_is_dropped(raw_server: RawServer) -> None:
    raw_server.add_context("mine")
    gate = threading.Event()
    answers: list[str] = []
    raw_server.start_work(gate.wait, (10.0,), lambda *_: answers.append("mine"), "mine")
    raw_server.remove_context("mine")
    gate.set()
    for _ in range(20):  # more than there are threads: the first has ended by then
        raw_server.start_work(int, (), lambda *_: answers.append("none"))
    run_until(raw_server, lambda: answers.count("none") == 20)
    assert "mine" not in answers


def test_a_task_from_a_thread_for_a_context_that_is_gone_is_dropped(raw_server: RawServer) -> None:
    ran: list[str] = []
    raw_server.add_context("mine")
    raw_server.external_add_task(ran.append, 0.0, ("mine",), "mine")
    raw_server.external_add_task(ran.append, 0.0, ("none",))
    raw_server.remove_context("mine")
    run_until(raw_server, lambda: ran)
    assert ran == ["none"]


def test_a_context_may_be_removed_within_its_own_handler(raw_server: RawServer) -> None:
    raw_server.add_context("mine")
    callee = Recorder(data_came_in=lambda connection: raw_server.remove_context("mine"))
    caller = Recorder()
    port = listen(raw_server, callee, "mine")
    connection = raw_server.start_connection(("127.0.0.1", port), caller)
    connection.write(b"hello")
    run_until(raw_server, lambda: "connection_lost" in caller.events)
    assert callee.events == ["external_connection_made", "data_came_in", "connection_lost"]


def test_within_a_task_those_that_are_due_in_the_same_turn_do_not_run(
    raw_server: RawServer,
) -> None:
    ran: list[str] = []
    raw_server.add_context("mine")
    raw_server.add_task(raw_server.remove_context, 0.0, ("mine",))
    raw_server.add_task(ran.append, 0.0, ("mine",), "mine")
    raw_server.add_task(ran.append, 0.0, ("none",))
    raw_server.listen_once(0.0)
    assert ran == ["none"]


def test_a_connection_that_was_given_away_stays(raw_server: RawServer, join: Joiner) -> None:
    raw_server.add_context("mine")
    raw_server.add_context("other")
    callee = Recorder()
    _, other = join(raw_server, Recorder(), callee)
    other.context = "mine"
    other.context = "other"
    raw_server.remove_context("mine")
    assert not other.lost
    raw_server.remove_context("other")
    assert other.lost


def test_a_context_that_is_gone_owns_nothing_new(raw_server: RawServer, join: Joiner) -> None:
    raw_server.add_context("mine")
    raw_server.remove_context("mine")
    raw_server.remove_context("mine")
    _, other = join(raw_server, Recorder(), Recorder())
    with pytest.raises(ValueError, match="removed"):
        other.context = "mine"
    assert other.context is None
    assert not other.lost
