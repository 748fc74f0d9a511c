"""The real world is out of reach for a simulation, and for nobody else."""

import inspect
import logging
import os
import random
import secrets
import select
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.engine import OsNetwork
from rawserver.simulation.guard import RealWorldError, RealWorldGuard, real_world_allowed
from rawserver.simulation.world import World

FORBIDDEN: list[Callable[[], object]] = [
    lambda: time.time(),
    lambda: time.monotonic(),
    lambda: time.perf_counter_ns(),
    lambda: time.sleep(0),
    lambda: time.localtime(),
    lambda: time.strftime("%H"),
    lambda: random.random(),
    lambda: random.shuffle([1, 2]),
    lambda: random.seed(5),
    lambda: random.Random(),
    lambda: random.Random(5).seed(),
    lambda: random.SystemRandom().random(),
    lambda: os.urandom(1),
    lambda: secrets.token_bytes(1),
    lambda: uuid.uuid4(),
    lambda: select.select([], [], [], 0),
    lambda: socket.socket(),
    lambda: socket.socketpair(),
    lambda: socket.getaddrinfo("127.0.0.1", 80),
    lambda: threading.Thread(target=int).start(),
    lambda: threading.Timer(0, int).start(),
    lambda: subprocess.run([sys.executable, "-c", ""]),
    lambda: os.system("true"),
    lambda: OsNetwork().make_wakeup(),
]


def left(guard: RealWorldGuard, call: Callable[[], object]) -> None:
    with guard:
        call()


@pytest.mark.parametrize("call", FORBIDDEN, ids=lambda call: str(call.__code__.co_firstlineno))
def test_the_real_world_is_refused_and_the_line_named(call: Callable[[], object]) -> None:
    with pytest.raises(RealWorldError, match="reaches the real world") as caught:
        left(RealWorldGuard(), call)
    if call is not FORBIDDEN[-1]:  # the last one is the engine's own
        line = call.__code__.co_firstlineno
        assert f"{__file__}:{line}, in <lambda>" in str(caught.value)


def test_what_is_known_beforehand_is_allowed() -> None:
    with RealWorldGuard():
        chance = random.Random(5)
        chance.seed(7)
        chance.shuffle([1, 2, 3])
        assert time.gmtime(0).tm_year == 1970
        assert time.strftime("%Y", time.gmtime(0)) == "1970"
        threading.Event().set()
        logging.getLogger(__name__).debug("a record has a time")
        logging.getLogger(__name__).error("at %s", "any level")


def test_everything_is_as_it_was_afterwards() -> None:
    modules = (time, random, os, select, socket, random.Random, threading.Thread)
    before = [dict(vars(module)) for module in modules]
    with RealWorldGuard():
        assert [dict(vars(module)) for module in modules] != before
    assert [dict(vars(module)) for module in modules] == before
    socket.socket().close()
    assert time.monotonic() <= time.monotonic()
    assert random.Random().random() != random.Random().random()


def test_who_hides_the_error_hides_nothing() -> None:
    guard = RealWorldGuard()

    def hide() -> None:
        try:
            time.time()
        except RealWorldError:
            line.append(inspect.currentframe().f_lineno - 2)  # type: ignore[union-attr]

    line: list[int] = []
    with pytest.raises(RealWorldError) as caught:
        left(guard, hide)
    assert f":{line[0]}, in hide" in str(caught.value)
    left(guard, int)


def test_another_error_is_its_consequence() -> None:
    def fail() -> None:
        try:
            time.time()
        except RealWorldError:
            raise LookupError("what the time is") from None

    with pytest.raises(RealWorldError) as caught:
        left(RealWorldGuard(), fail)
    assert isinstance(caught.value.__cause__, LookupError)


def test_it_may_be_entered_while_it_is() -> None:
    guard, other = RealWorldGuard(), RealWorldGuard()
    with guard:
        with other, guard:
            pass
        with pytest.raises(RealWorldError):
            left(other, time.time)
    time.time()


def test_an_error_is_raised_where_the_outermost_is_left() -> None:
    guard = RealWorldGuard()
    seen = []

    def inner() -> None:
        with guard:
            try:
                time.time()
            except RealWorldError:
                seen.append("refused")
        seen.append("went on")

    with pytest.raises(RealWorldError):
        left(guard, inner)
    assert seen == ["refused", "went on"]


def test_other_threads_go_on() -> None:
    go, seen = threading.Event(), []

    def outside() -> None:
        go.wait(10)
        seen.append(time.time())
        socket.socket().close()
        inner = threading.Thread(target=lambda: seen.append(random.random()))
        inner.start()
        inner.join()
        try:
            with RealWorldGuard():
                pass
        except RuntimeError as error:
            seen.append(str(error))

    thread = threading.Thread(target=outside)
    thread.start()
    with RealWorldGuard():
        go.set()
        thread.join(10)
    assert len(seen) == 3
    assert "another thread" in seen[2]


def test_what_is_not_part_of_it_may_be_let_through() -> None:
    with RealWorldGuard():
        with real_world_allowed():
            time.time()
            socket.socket().close()
        with pytest.raises(RealWorldError):
            left(RealWorldGuard(), time.time)


@given(st.data())
def test_hypothesis_may_be_asked_inside(data: st.DataObject) -> None:
    with RealWorldGuard():
        assert 0 <= data.draw(st.integers(0, 9)) <= 9


def test_a_world_that_has_one_is_watched_while_it_runs() -> None:
    world = World(1)
    world.guard = RealWorldGuard()
    world.schedule(1.0, lambda: time.time())
    with pytest.raises(RealWorldError, match=r"time\.time\(\)"):
        world.run()
    world.schedule(1.0, lambda: None)
    world.run()
    assert time.time()


def test_a_fault_that_raw_server_caught_and_reported_is_raised_all_the_same() -> None:
    world = World(1)
    world.guard = RealWorldGuard()
    host = world.add_host("a", "192.0.2.1")
    host.boot(lambda raw_server: raw_server.add_task(lambda: time.time(), 1.0))
    with pytest.raises(RealWorldError, match=r"test_guard\.py:\d+, in <lambda>"):
        world.run(seconds=2.0)
    assert "time.time()" in host.reports[0][2]


def test_work_off_the_loop_is_watched_too() -> None:
    world = World(1)
    world.guard = RealWorldGuard()
    told: list[object] = []
    host = world.add_host("a", "192.0.2.1")
    host.boot(
        lambda raw_server: raw_server.start_work(
            lambda: os.urandom(4), (), lambda result, error: told.append(error)
        )
    )
    with pytest.raises(RealWorldError, match=r"os\.urandom\(\)"):
        world.run(seconds=2.0)
    assert isinstance(told[0], RealWorldError)
