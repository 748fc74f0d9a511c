import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.joined import listen
from kit.recorder import Recorder
from rawserver import RawServer
from rawserver.engine.asyncio_selector import RawServerSelector, descriptor_of

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@pytest.fixture
def selector(raw_server: RawServer) -> Iterator[RawServerSelector]:
    made = RawServerSelector(raw_server)
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def test_readiness_is_shown_until_it_is_dealt_with(selector: RawServerSelector, pair: Pair) -> None:
    ours, theirs = pair
    key = selector.register(ours, READ, "data")
    assert selector.select(0) == []
    theirs.send(b"x")
    assert selector.select(5) == [(key, READ)]
    assert selector.select(5) == [(key, READ)]
    ours.recv(1)
    assert selector.select(0) == []


def test_only_what_was_asked_for_is_shown_of_a_hang_up(
    selector: RawServerSelector, pair: Pair
) -> None:
    ours, theirs = pair
    reading = selector.register(ours, READ)
    theirs.close()
    assert selector.select(5) == [(reading, READ)]
    writing = selector.modify(ours, WRITE)
    assert selector.select(5) == [(writing, WRITE)]
    both = selector.modify(ours, READ | WRITE)
    assert selector.select(5) == [(both, READ | WRITE)]


def test_a_negative_time_does_not_wait(selector: RawServerSelector) -> None:
    assert selector.select(-1) == []


def test_a_select_runs_the_raw_servers_tasks_and_returns_for_them(
    selector: RawServerSelector,
) -> None:
    ran: list[str] = []
    selector.raw_server.add_task(ran.append, 0.01, ("task",))
    before = time.monotonic()
    while not ran:
        assert selector.select(30) == []
    assert time.monotonic() - before < 10


def test_a_select_runs_handlers(selector: RawServerSelector) -> None:
    handler, caller = Recorder(), Recorder()
    port = listen(selector.raw_server, handler)
    selector.raw_server.start_connection(("127.0.0.1", port), caller)
    deadline = time.monotonic() + 20
    while not handler.connections or not caller.connections:
        assert time.monotonic() < deadline
        assert selector.select(1) == []


def test_another_thread_wakes_a_select(selector: RawServerSelector) -> None:
    ran: list[str] = []
    add = selector.raw_server.external_add_task
    thread = threading.Thread(target=add, args=(ran.append, 0.0, ("task",)))
    thread.start()
    while not ran:
        assert selector.select(None) == []
    thread.join()


def test_what_a_handler_unregisters_is_not_shown(selector: RawServerSelector, pair: Pair) -> None:
    ours, theirs = pair
    selector.register(ours, READ)
    mine, far = socket.socketpair()
    handler = Recorder(data_came_in=lambda connection: selector.unregister(ours))
    selector.raw_server.wrap_socket(mine, handler)
    # Pollers show first what was ready first: it is noted when the handler is called.
    theirs.send(b"x")
    far.send(b"x")
    with far:
        assert selector.select(5) == []
        assert handler.data == b"x"


def test_a_file_registered_in_the_turn_is_not_given_the_events_of_one_before(
    selector: RawServerSelector, pair: Pair
) -> None:
    ours, theirs = pair
    selector.register(ours, READ)
    theirs.send(b"x")
    fresh, far = socket.socketpair()

    def take_the_descriptor() -> None:
        selector.unregister(ours)
        os.dup2(fresh.fileno(), ours.fileno())
        selector.register(ours, READ)

    # A task runs between the poll and what was polled.
    selector.raw_server.add_task(take_the_descriptor)
    with fresh, far:
        assert selector.select(5) == []
        assert selector.select(0) == []
        far.send(b"y")
        assert [events for _, events in selector.select(5)] == [READ]


def test_a_turn_by_somebody_else_loses_nothing(selector: RawServerSelector, pair: Pair) -> None:
    ours, theirs = pair
    key = selector.register(ours, READ)
    theirs.send(b"x")
    selector.raw_server.listen_once(5)
    selector.raw_server.listen_once(5)
    assert selector.select(5) == [(key, READ)]


def test_the_raw_servers_own_descriptors_are_refused(
    selector: RawServerSelector, pair: Pair
) -> None:
    ours, theirs = pair
    handler = Recorder()
    connection = selector.raw_server.wrap_socket(ours, handler)
    connection.pause_reading()
    with pytest.raises(KeyError, match="the RawServer's own"):
        selector.register(ours.fileno(), READ)
    connection.resume_reading()
    theirs.send(b"x")
    selector.select(5)
    assert handler.data == b"x"


def test_a_regular_file_cannot_be_polled(selector: RawServerSelector, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        if hasattr(selectors, "EpollSelector"):
            with pytest.raises(PermissionError):
                selector.register(file, READ)
        assert len(selector.get_map()) == 0


def test_a_descriptor_that_went_to_a_regular_file_can_be_unregistered(
    selector: RawServerSelector, pair: Pair, tmp_path: Path
) -> None:
    ours, _ = pair
    selector.register(ours, READ)
    with (tmp_path / "file").open("wb") as file:
        os.dup2(file.fileno(), ours.fileno())
    selector.unregister(ours)
    assert selector.select(0) == []


def test_a_closed_file_can_be_unregistered_by_itself(
    selector: RawServerSelector, pair: Pair
) -> None:
    ours, _ = pair
    key = selector.register(ours, READ)
    ours.close()
    assert selector.get_key(ours) == key
    assert selector.unregister(ours) == key
    with pytest.raises(ValueError, match="descriptor -1"):
        selector.unregister(ours)


def test_what_cannot_be_modified_is_watched_no_more(
    selector: RawServerSelector, pair: Pair
) -> None:
    ours, _ = pair
    selector.register(ours, READ)
    descriptor = ours.fileno()
    ours.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        selector.modify(descriptor, WRITE)
    assert len(selector.get_map()) == 0


@pytest.mark.parametrize("events", [0, 4, -1])
def test_there_are_two_events(selector: RawServerSelector, pair: Pair, events: int) -> None:
    with pytest.raises(ValueError, match="no such events"):
        selector.register(pair[0], events)
    selector.register(pair[0], READ)
    with pytest.raises(ValueError, match="no such events"):
        selector.modify(pair[0], events)


@pytest.mark.parametrize("fileobj", [-1, "name", None, object()])
def test_what_has_no_descriptor_is_refused(fileobj: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        descriptor_of(fileobj)  # type: ignore[arg-type]


def test_a_closed_selector_says_so_and_the_raw_server_goes_on(
    raw_server: RawServer, pair: Pair
) -> None:
    selector = RawServerSelector(raw_server)
    ours, theirs = pair
    selector.register(ours, READ)
    selector.close()
    selector.close()
    with pytest.raises(RuntimeError, match="closed"):
        selector.select(0)
    with pytest.raises(RuntimeError, match="closed"):
        selector.register(ours, READ)
    with pytest.raises(RuntimeError, match="closed"):
        selector.get_key(ours)
    handler = Recorder()
    raw_server.wrap_socket(ours, handler)
    theirs.send(b"x")
    raw_server.listen_once(5)
    assert handler.data == b"x"


def test_the_raw_servers_end_comes_first_or_last(pair: Pair) -> None:
    raw_server = RawServer()
    selector = RawServerSelector(raw_server)
    selector.register(pair[0], READ)
    raw_server.close()
    assert len(selector.get_map()) == 0
    with pytest.raises(RuntimeError, match="ended"):
        selector.select(0)
    selector.close()


def test_a_select_within_a_turn_is_refused(selector: RawServerSelector) -> None:
    refused: list[BaseException] = []

    def nest() -> None:
        try:
            selector.select(0)
        except RuntimeError as error:
            refused.append(error)

    selector.raw_server.add_task(nest)
    selector.select(0)
    assert [str(error) for error in refused] == ["the loop runs already"]


def test_a_done_flag_ends_no_select(selector: RawServerSelector, pair: Pair) -> None:
    selector.raw_server.doneflag.set()
    key = selector.register(pair[0], WRITE)
    assert selector.select(5) == [(key, WRITE)]
