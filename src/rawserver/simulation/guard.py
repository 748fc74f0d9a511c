"""Watches that nothing in a simulation touches the real world, which is never twice alike."""

from __future__ import annotations

import os
import random
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from types import FrameType, TracebackType
from typing import Any, NamedTuple

# Found at their modules by who calls them. What was taken from there before ("from time import
# monotonic") and what is written in C (datetime.now, OpenSSL) is out of reach.
_CLOCKS = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
    "process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime",
    "clock_gettime_ns", "sleep",
)  # fmt: skip
# Of the present moment if they are given so few arguments.
_CLOCKS_BY_DEFAULT = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}
_CHANCE = (
    "random", "uniform", "triangular", "randint", "choice", "randrange", "sample", "shuffle",
    "choices", "normalvariate", "lognormvariate", "expovariate", "vonmisesvariate",
    "gammavariate", "gauss", "betavariate", "binomialvariate", "paretovariate",
    "weibullvariate", "getrandbits", "randbytes", "seed",
    "_urandom",  # SystemRandom's, and so that of `secrets`
)  # fmt: skip
_SYSTEM_CHANCE = ("urandom", "getrandom")
_WAITS = ("select", "poll", "epoll", "kqueue")
# What the interpreter itself tells of (PEP 578): it cannot be gone round.
_EVENTS = frozenset({
    "socket.__new__", "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg",
    "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo",
    "socket.gethostname", "_thread.start_new_thread", "_thread.start_joinable_thread",
    "subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec",
    "time.sleep",
})  # fmt: skip
# They look at clocks for who watches a simulation, not for what happens in it; and modules of the
# standard library make their own generators when they are first imported.
_ALLOWED = frozenset({
    "_pytest", "bdb", "coverage", "cProfile", "hypothesis", "importlib", "logging", "pdb",
    "pluggy", "pytest", "pytest_timeout",
})  # fmt: skip
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_SITE_PACKAGES = (os.path.join(_STANDARD_LIBRARY, "site-packages"),
                  os.path.join(_STANDARD_LIBRARY, "dist-packages"))  # fmt: skip


class RealWorldError(RuntimeError):
    """Something in a simulation used a clock, chance, a socket or a thread of the machine."""


class _Patch(NamedTuple):
    holder: Any
    name: str
    real: Any
    guarded: Any


class _Watch:
    """Who is watched: one thread (0: none), for the guards that it entered."""

    def __init__(self) -> None:
        self.thread = 0
        self.guards: list[RealWorldGuard] = []
        self._patches: list[_Patch] = []
        self._hooked = False

    def begin(self, guard: RealWorldGuard) -> None:
        if self.guards and self.guards[-1].thread != get_ident():
            raise RuntimeError("a simulation runs in another thread of this process")
        if not self.guards:
            if not self._hooked:
                self._hooked = True
                self._patches = list(_make_patches())
                # It stays as long as the process, and costs a call for each event.
                sys.addaudithook(_heard)
            for patch in self._patches:
                setattr(patch.holder, patch.name, patch.guarded)
        guard.thread = self.thread = get_ident()
        self.guards.append(guard)

    def end(self) -> None:
        self.guards.pop()
        if not self.guards:
            self.thread = 0
            for patch in self._patches:
                setattr(patch.holder, patch.name, patch.real)

    def refuse(self, what: str, frame: FrameType | None) -> None:
        culprit = _culprit(frame)
        if culprit is None:
            return
        code = culprit.f_code
        error = RealWorldError(
            f"{what} reaches the real world from inside a simulation: "
            f"{code.co_filename}:{culprit.f_lineno}, in {code.co_name}"
        )
        guard = self.guards[-1]
        if guard.error is None:
            guard.error = error
        raise error


_watch = _Watch()


class RealWorldGuard:
    """While it is entered, touching the real world from this thread raises `RealWorldError`.

    The error names the line. Whoever catches it inside does not hide it: it is raised once more
    where the guard is left. It may be entered again while it is, and again later. Other threads
    are not watched.
    """

    def __init__(self) -> None:
        self.thread = 0
        self.error: RealWorldError | None = None

    def __enter__(self) -> RealWorldGuard:
        _watch.begin(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _watch.end()
        if self.error is None or self in _watch.guards:
            return
        error, self.error = self.error, None
        if raised is None or (isinstance(raised, Exception) and raised is not error):
            raise error from raised


@contextmanager
def real_world_allowed() -> Iterator[None]:
    """Let the block touch the real world: what it does is not part of the simulation."""
    thread, _watch.thread = _watch.thread, 0
    try:
        yield
    finally:
        _watch.thread = thread


def _culprit(frame: FrameType | None) -> FrameType | None:
    """Return who is to be named; None if whoever called may."""
    first = frame
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _ALLOWED:
            return None
        name = frame.f_code.co_filename
        of_library = name.startswith((_STANDARD_LIBRARY, "<frozen "))
        if not of_library or name.startswith(_SITE_PACKAGES):
            return frame
        frame = frame.f_back
    return first


def _heard(event: str, args: tuple[Any, ...]) -> None:
    if _watch.thread and event in _EVENTS and _watch.thread == get_ident():
        _watch.refuse(event, sys._getframe(1))


def _make_patches() -> Iterator[_Patch]:
    for holder, names in (
        (time, _CLOCKS),
        (random, _CHANCE),
        (os, _SYSTEM_CHANCE),
        (select, _WAITS),
        # It is told of when there are two already, of which one would be left over.
        (socket, ("socketpair",)),
    ):
        for name in names:
            # Not every version of Python and not every system has all of them.
            real = getattr(holder, name, None)
            if real is not None:
                guarded = _guarded(f"{holder.__name__}.{name}()", real)
                yield _Patch(holder, name, real, guarded)
    for name, most in _CLOCKS_BY_DEFAULT.items():
        real = getattr(time, name)
        yield _Patch(time, name, real, _guarded(f"time.{name}()", real, most))
    # Python 3.11 tells of no thread by an event.
    real = threading.Thread.start
    yield _Patch(threading.Thread, "start", real, _guarded("threading.Thread.start()", real))
    yield _Patch(random.Random, "seed", random.Random.seed, _guarded_seed())


def _guarded(what: str, real: Callable[..., Any], most: int | None = None) -> Callable[..., Any]:
    """Return a function that refuses calls of the watched thread, those of at most so many args."""

    def guarded(*args: Any, **more: Any) -> Any:
        if _watch.thread == get_ident() and (most is None or len(args) <= most):
            _watch.refuse(what, sys._getframe(1))
        return real(*args, **more)

    return guarded


def _guarded_seed() -> Callable[..., None]:
    real = random.Random.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None and _watch.thread == get_ident():
            _watch.refuse("random.Random without a seed", sys._getframe(1))
        real(self, a, version)

    return seed
