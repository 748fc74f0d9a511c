"""What is not for other threads says so when one calls it while the loop runs."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kit.joined import join
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RateLimit, RawServer, SingleSocket

# These may be called from any thread, or do nothing but tell what is so.
ANY_THREAD = {"external_add_task"}
TELLS = {
    "accounts", "check_thread", "connections", "has_room", "is_registered", "listeners",
    "rate_of", "report", "udp_sockets",
    "acknowledged", "fileno", "getsockname", "is_flushed", "socket", "top", "unacknowledged",
}  # fmt: skip
# What belongs to no running loop: sockets are made before one runs, too, and what is made is
# nobody's yet; names are looked up off the loop.
APART = {
    "create_multicastsocket", "create_serversocket", "create_udpsocket", "create_udpsockets",
    "create_unixserversocket", "install_sigint_handler", "install_watchdog", "start_look_up",
    "start_work",
}  # fmt: skip
# For RawServer's own parts, as their docstrings say.
OWN_PARTS = {
    "begin", "call_handler", "change", "context_failed", "could_not_connect", "disown",
    "disown_connection", "drop", "entered", "entering", "forget", "handler_failed", "hold",
    "lingering", "own", "own_connection", "read_first", "register", "register_later", "replace",
    "scan_for_timeouts", "unregister", "unwatch", "was_lost", "watch",
    "attempting", "came_in", "comes_from", "end", "hears_nothing", "limit_rate", "look", "lose",
    "made", "never_made", "ready", "stand_on", "watch_for_idleness", "wire",
}  # fmt: skip

ADDRESS = ("127.0.0.1", 9)


def of_the_server(raw_server: RawServer, sock: Any) -> dict[str, Callable[[], object]]:
    handler = Recorder()
    [connection] = raw_server.connections()[:1]
    return {
        "add_context": lambda: raw_server.add_context("new"),
        "add_task": lambda: raw_server.add_task(print),
        "async_start_connection": lambda: raw_server.async_start_connection(ADDRESS, handler),
        "close": raw_server.close,
        "drain": lambda: raw_server.drain(1.0),
        "listen_forever": raw_server.listen_forever,
        "listen_once": raw_server.listen_once,
        "remove_context": lambda: raw_server.remove_context("context"),
        "start_connection": lambda: raw_server.start_connection(ADDRESS, handler),
        "start_listening": lambda: raw_server.start_listening(sock, handler),
        "start_listening_multicast": lambda: raw_server.start_listening_multicast(sock, handler),
        "start_listening_udp": lambda: raw_server.start_listening_udp(sock, handler),
        "start_tls": lambda: raw_server.start_tls(connection, object()),
        "statistics": raw_server.statistics,
        "stop_listening": lambda: raw_server.stop_listening(sock),
        "stop_listening_multicast": lambda: raw_server.stop_listening_multicast(sock),
        "stop_listening_udp": lambda: raw_server.stop_listening_udp(sock),
        "wrap_pipe": lambda: raw_server.wrap_pipe(0, handler),
        "wrap_socket": lambda: raw_server.wrap_socket(sock, handler),
    }


def of_a_connection(connection: SingleSocket) -> dict[str, Callable[[], object]]:
    return {
        "close": connection.close,
        "close_when_flushed": connection.close_when_flushed,
        "pause_reading": connection.pause_reading,
        "reset": connection.reset,
        "resume_reading": connection.resume_reading,
        "sendfile": lambda: connection.sendfile(object(), 0, 1),
        "shutdown": connection.shutdown,
        "write": lambda: connection.write(b"x"),
        "write_last": lambda: connection.write_last(b"x"),
        "write_lent": lambda: connection.write_lent([b"x"]),
    }


def public_methods(kind: type) -> set[str]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name for name, _ in found if not name.startswith("_")}


def outcome_of(func: Callable[[], object]) -> object:
    """Call it in another thread; returns what it raises."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            func()
        except BaseException as error:
            raised.append(error)
        else:
            raised.append(None)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0]


def outcomes(raw_server: RawServer, calls: dict[str, Callable[[], object]]) -> dict[str, object]:
    """Make each call from another thread while a turn lasts."""
    found: dict[str, object] = {}
    task = lambda: found.update({name: outcome_of(call) for name, call in calls.items()})  # noqa: E731
    raw_server.add_task(task)
    raw_server.listen_once(0.0)
    assert found.keys() == calls.keys()
    return found


def test_every_method_of_the_server_says_so(raw_server: RawServer) -> None:
    raw_server.add_context("context")
    join(raw_server, Recorder(), Recorder())
    sock = raw_server.listeners()[0].serversocket
    calls = of_the_server(raw_server, sock)
    left = public_methods(RawServer) - calls.keys() - ANY_THREAD - TELLS - APART - OWN_PARTS
    assert not left, "say of these in which threads they may be called"
    found = outcomes(raw_server, calls)
    assert {name for name, error in found.items() if not isinstance(error, RuntimeError)} == set()
    assert "context" in raw_server.accounts()
    assert len(raw_server.listeners()) == 1


def test_every_method_of_a_connection_says_so(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    calls = of_a_connection(connection)
    left = public_methods(SingleSocket) - calls.keys() - TELLS - OWN_PARTS
    assert not left, "say of these in which threads they may be called"
    found = outcomes(raw_server, calls)
    assert {name for name, error in found.items() if not isinstance(error, RuntimeError)} == set()
    assert connection.connected
    assert other.received == 0


@pytest.mark.parametrize("name", ["rate", "context"])
def test_what_a_connection_belongs_to_is_not_set_from_elsewhere(
    raw_server: RawServer, name: str
) -> None:
    raw_server.add_context("context")
    connection, _ = join(raw_server, Recorder(), Recorder())
    value = "context" if name == "context" else RateLimit(raw_server)
    found = outcomes(raw_server, {name: lambda: setattr(connection, name, value)})
    assert isinstance(found[name], RuntimeError)


def test_a_task_may_come_from_any_thread(raw_server: RawServer) -> None:
    ran: list[int] = []
    found = outcomes(
        raw_server,
        {"external_add_task": lambda: raw_server.external_add_task(ran.append, 0.0, (1,))},
    )
    assert found == {"external_add_task": None}
    run_until(raw_server, lambda: ran)


def test_while_the_loop_does_not_run_any_thread_may_call(raw_server: RawServer) -> None:
    connection, _ = join(raw_server, Recorder(), Recorder())
    assert outcome_of(lambda: connection.write(b"x")) is None
    assert outcome_of(lambda: raw_server.add_task(len, 0.0, ((),))) is None
    assert outcome_of(raw_server.statistics) is None
