"""Random programs of socket calls come to the same on Linux's loopback and on the simulated one.

What may differ: which ports are chosen and so which of them are in use, how much a buffer holds,
which no program here fills, and what waits for timers.
"""

import random
import select
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.socket_program import (
    DATAGRAM,
    DATAGRAMS,
    NOBODY,
    STREAM,
    STREAMS,
    Call,
    Machine,
    program_of,
)
from rawserver import OsNetwork
from rawserver.simulation import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that is simulated")

LENGTH = 60
PROGRAMS = 60
# A busy machine may deliver late what mostly arrives before a call returns: what differs by that
# does not differ again and again.
TRIES = 4


def polled(sock: Any) -> int:
    poller = select.poll()
    poller.register(sock.fileno(), select.POLLIN | select.POLLOUT)
    found = poller.poll(0)
    return found[0][1] if found else 0


def on_linux(program: list[Call], directory: Path) -> list[Any]:
    directory.mkdir()
    return Machine(OsNetwork(), polled, nobody_of(program), str(directory)).run(program)


def simulated(program: list[Call], seed: int) -> list[Any]:
    host = World(seed).add_host("host")
    nobody = nobody_of(program)
    return Machine(host.network, lambda sock: sock.poll_events(), nobody).run(program)


def nobody_of(program: list[Call]) -> Any:
    _, _, (family, _) = program[0]
    return NOBODY[family]


def compare(program: list[Call], seed: int, tmp_path: Path) -> None:
    ours = simulated(program, seed)
    for attempt in range(TRIES):
        theirs = on_linux(program, tmp_path / f"{seed}-{attempt}")
        if ours == theirs:
            return
    at = next(i for i, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other)
    before = [f"{call} -> {result}" for call, result in zip(program[:at], ours[:at], strict=True)]
    assert ours[at] == theirs[at], "\n".join([f"seed {seed}", *before, str(program[at])])


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("part", range(4))
def test_streams(part: int, family: int, tmp_path: Path) -> None:
    for seed in range(part * PROGRAMS, (part + 1) * PROGRAMS):
        compare(program_of(random.Random(seed), STREAM, family, LENGTH, STREAMS), seed, tmp_path)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_datagrams(family: int, tmp_path: Path) -> None:
    for seed in range(PROGRAMS):
        program = program_of(random.Random(seed), DATAGRAM, family, LENGTH, DATAGRAMS)
        compare(program, seed, tmp_path)


def test_unix_sockets(tmp_path: Path) -> None:
    for seed in range(PROGRAMS):
        program = program_of(random.Random(seed), STREAM, socket.AF_UNIX, LENGTH, STREAMS)
        compare(program, seed, tmp_path)
