"""2,000 connections do everything at random for a while, and every promise holds throughout."""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
from pathlib import Path

import pytest

from kit.certificates import Authority
from kit.loop import run_until
from rawserver import RawServer, SingleSocket
from rawserver.engine.opening import Opening
from rawserver.engine.throttle import Throttle
from rawserver.engine.tls import TlsClient, TlsServer
from rawserver.engine.tls_layer import TlsLayer
from rawserver.engine.write_stall import WriteStall
from soak.sides import Side
from soak.soak import Soak

IN_CI = os.environ.get("CI", "").lower() == "true"
SECONDS = float(os.environ.get("SOAK_SECONDS", 55.0 if IN_CI else 3.0))
# A connection of which both ends are here has two descriptors.
CONNECTIONS = 2000 if IN_CI else 300
SPARE_DESCRIPTORS = 300
# After the first third all has happened that makes the process grow: buffers of many sizes, the
# allocator's arenas. From then on it keeps what it has, give or take.
MOST_GROWTH_BYTES = 64 * 1024 * 1024
# By then each of what happens only now and then has happened.
LEAST_TICKS = 130


def descriptors() -> set[str]:
    return set(os.listdir("/dev/fd"))


def memory() -> int:
    """Return the bytes of memory that the process has now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def room_for(connections: int) -> int:
    """Raise the limit of descriptors, as far as that may be; returns for how many it is enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * connections + SPARE_DESCRIPTORS
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(connections, (soft - SPARE_DESCRIPTORS) // 2)


def run_for(raw_server: RawServer, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        raw_server.listen_once(0.05)


def left() -> dict[str, int]:
    """Count what may not be left over."""
    kinds = SingleSocket, Side, TlsLayer, Throttle, Opening, WriteStall
    gc.collect()
    found = [type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, kinds)]
    return {name: found.count(name) for name in set(found)}


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are counted in /dev/fd")
@pytest.mark.timeout(SECONDS * 2 + 90)
def test_in_a_soak_every_promise_holds_and_nothing_is_left(tmp_path: Path) -> None:
    seed = int(os.environ.get("SOAK_SEED", int.from_bytes(os.urandom(4))))
    print(f"SOAK_SEED={seed} SOAK_SECONDS={SECONDS:g}")
    authority = Authority(tmp_path)
    identity = authority.issue("127.0.0.1")
    tls = TlsServer(*identity), TlsClient(authorities=authority.path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    before_all, before = left(), descriptors()
    try:
        soak = Soak(seed, room_for(CONNECTIONS), tmp_path, tls)
        soak_and_check(soak)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert descriptors() == before
    del soak
    assert left() == before_all


def soak_and_check(soak: Soak) -> None:
    raw_server = soak.raw_server
    raw_server.add_task(soak.tick)
    raw_server.add_task(soak.check)
    run_for(raw_server, SECONDS / 3)
    grown = memory()
    run_for(raw_server, SECONDS * 2 / 3)
    run_until(raw_server, lambda: soak.ticks >= LEAST_TICKS, 60.0)
    grown = memory() - grown
    print(f"{dict(soak.told)}\n{dict(soak.done)}")
    print(f"{soak.most_live} ends at most, {soak.ticks} ticks, grew by {grown} bytes")
    soak.calm_down()
    run_until(raw_server, lambda: not soak.exhausted)
    over: list[bool] = []
    raw_server.drain(2.0, lambda: over.append(True))
    run_until(raw_server, lambda: over and not soak.callers and not soak.sides)
    run_for(raw_server, raw_server.config.linger_timeout + 0.3)
    soak.check()
    assert raw_server.connections() == []
    assert raw_server._contexts.all_things() == []
    assert len(raw_server._timeouts) == 0
    assert list(raw_server._registered.values()) == [raw_server._mailbox]
    assert raw_server.half_open_limit.half_open == raw_server.half_open_limit.waiting == 0
    assert raw_server.account.connections == 0
    assert not soak.draining
    raw_server.doneflag.set()
    raw_server.listen_forever()
    soak.file.close()
    assert not soak.reports, soak.reports[0]
    assert grown < MOST_GROWTH_BYTES, "memory is not flat"
    told_and_done(soak)


def told_and_done(soak: Soak) -> None:
    """Check that the soak was one: all that it means to do has happened."""
    told, done = soak.told, soak.done
    made = told["connection_made"] + told["external_connection_made"]
    assert told["connection_lost"] == made
    assert min(told[name] for name in ("data_came_in", "eof_received", "opening_failed")) > 0
    assert min(done[name] for name in ("fault", "flood", "move", "rate", "reset")) > 0
    assert min(done[name] for name in ("drain", "exhaustion", "remove_context")) > 0
