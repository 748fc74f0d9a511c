"""A storm: many connections do everything at random, and every promise holds throughout."""

from __future__ import annotations

import random
import socket

import pytest

from kit.joined import Joiner
from kit.loop import run_until
from rawserver import Config, Network, OsNetwork, Poller, RawServer, SingleSocket
from rawserver.engine.pollers import PollPoller, SelectPoller

CONNECTIONS = 24
# Enough that each kind of end happens to several connections with every seed.
STEPS = 600
CONTEXTS = ["red", "green", "blue"]
# The bytes of one direction: where one stands, what comes next is known.
PATTERN = bytes(range(251)) * 400


class Fault(Exception):
    """Raised by a handler on purpose."""


class Side:
    """One end of a connection: remembers what it was told and checks each call."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.events: list[str] = []
        self.connection: SingleSocket | None = None
        self.sent = self.received = 0
        self.paused = False
        self.buffer = bytearray(777) if storm.random.random() < 0.5 else None
        if self.buffer is not None:
            self.get_buffer = lambda connection: self.buffer
            self.buffer_filled = self._buffer_filled

    def note(self, name: str) -> Side:
        """Remember an event, which may come now and to this one."""
        storm = self.storm
        assert storm.calls_allowed, f"{name} from within a call of ours"
        assert "connection_lost" not in self.events, f"{name} after the end"
        assert "connection_failed" not in self.events, f"{name} after it failed"
        self.events.append(name)
        return self

    def external_connection_made(self, connection: SingleSocket) -> None:
        side = Side(self.storm)
        self.storm.sides.append(side)
        connection.handler = side
        side.connection = connection
        side.note("made").storm.act(side)

    def connection_made(self, connection: SingleSocket) -> None:
        assert connection is self.connection
        self.note("made").storm.act(self)

    def connection_failed(self, address: object, error: BaseException) -> None:
        assert not self.events
        self.note("connection_failed")

    def take(self, data: bytes) -> None:
        """Check bytes that came in against what the other side sends."""
        assert data
        assert not self.paused
        begin = self.received % len(PATTERN)
        expected = (PATTERN[begin:] + PATTERN * (1 + len(data) // len(PATTERN)))[: len(data)]
        assert data == expected, "bytes were lost, doubled or out of order"
        self.received += len(data)
        self.note("data").storm.act(self)

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        assert connection is self.connection
        self.take(data)

    def _buffer_filled(self, connection: SingleSocket, count: int) -> None:
        assert self.buffer is not None
        self.take(bytes(self.buffer[:count]))

    def connection_flushed(self, connection: SingleSocket) -> None:
        self.note("flushed").storm.act(self)

    def eof_received(self, connection: SingleSocket) -> bool:
        self.note("eof")
        return self.storm.random.random() < 0.5

    def connection_lost(self, connection: SingleSocket) -> None:
        assert not connection.connected
        assert connection.fileno() == -1
        assert "made" in self.events
        self.note("connection_lost")


class Storm:
    """What happens at random, from a seed."""

    def __init__(self, raw_server: RawServer, seed: int, join: Joiner | None) -> None:
        self.raw_server = raw_server
        self.join = join or Joiner(None, throttled=False)
        self.random = random.Random(seed)
        self.sides: list[Side] = []
        self.calls_allowed = True
        self.steps = 0
        for context in CONTEXTS:
            raw_server.add_context(context)
        serversocket = raw_server.create_serversocket(0, "127.0.0.1")
        self.port: int = serversocket.getsockname()[1]
        # Small, and so are those of the connections that come in: sends are cut short.
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            serversocket.setsockopt(socket.SOL_SOCKET, option, 8192)
        tls = self.join.tls
        raw_server.start_listening(
            serversocket, Side(self), tls=tls and tls[0], rate=self.join.rate(raw_server)
        )

    def start(self) -> None:
        side = Side(self)
        self.sides.append(side)
        context = self.random.choice([None, *CONTEXTS])
        tls = self.join.tls
        side.connection = self.raw_server.start_connection(
            ("127.0.0.1", self.port), side, context, connect_timeout=10.0, tls=tls and tls[1]
        )
        side.connection.rate = self.join.rate(self.raw_server)

    def act(self, side: Side) -> None:
        """Do one thing of all that can be done to a connection; nothing may call back."""
        self.steps += 1
        if self.steps > STEPS:
            return
        self.calls_allowed = False
        try:
            self.one_act(self.random.choice(self.sides) if self.random.random() < 0.3 else side)
        finally:
            self.calls_allowed = True
        if self.random.random() < 0.02:
            raise Fault

    def one_act(self, side: Side) -> None:
        connection = side.connection
        assert connection is not None
        chance = self.random.random()
        if chance < 0.60:
            self.write(side, connection)
        elif chance < 0.66:
            connection.pause_reading()
            side.paused = True
        elif chance < 0.80:
            connection.resume_reading()
            side.paused = False
        elif chance < 0.83:
            connection.close()
        elif chance < 0.86:
            connection.close_when_flushed()
        elif chance < 0.89:
            connection.shutdown()
        elif chance < 0.92:
            self.start()
        elif chance < 0.98:
            connection.context = self.random.choice([None, *CONTEXTS])
        else:
            context = self.random.choice(CONTEXTS)
            self.raw_server.remove_context(context)
            self.raw_server.add_context(context)

    def write(self, side: Side, connection: SingleSocket) -> None:
        count = self.random.choice([1, 10, 1000, 20000, 90000])
        begin = side.sent % len(PATTERN)
        data = (PATTERN[begin:] + PATTERN)[:count]
        before = connection.lost
        if connection.write(data) or not before:
            side.sent += count  # what is dropped at an end does not matter: nothing follows it


class OverPoll(OsNetwork):
    """As on a system without epoll or kqueue."""

    def make_poller(self) -> Poller:
        return PollPoller()


class OverSelect(OsNetwork):
    """As on a system that has nothing else."""

    def make_poller(self) -> Poller:
        return SelectPoller()


def rage(network: Network, seed: int, join: Joiner | None = None) -> None:
    """Run one storm to its end and check what is left."""
    reported: list[str] = []
    config = Config(read_size=5000, high_water_mark=50000, send_per_turn=30000)
    raw_server = RawServer(
        network=network, config=config, errorfunc=lambda level, text: reported.append(text)
    )
    storm = Storm(raw_server, seed, join)
    for _ in range(CONNECTIONS):
        storm.start()

    def prod() -> None:
        # Those that have nothing to answer to would stand still.
        raw_server.add_task(prod, 0.0005)
        for side in list(storm.sides):
            if side.connection is not None and storm.random.random() < 0.2:
                storm.act(side)

    raw_server.add_task(prod)
    run_until(raw_server, lambda: storm.steps > STEPS)
    raw_server.doneflag.set()
    raw_server.listen_forever()
    unexpected = [text for text in reported if "Fault" not in text]
    assert not unexpected, unexpected[0]
    ends = [side.events[-1] for side in storm.sides if side.events]
    assert set(ends) <= {"connection_lost", "connection_failed"}
    assert len(ends) == len(storm.sides) >= CONNECTIONS


@pytest.mark.parametrize("seed", range(8))
def test_in_a_storm_every_promise_holds(network: Network, seed: int) -> None:
    rage(network, seed)


@pytest.mark.parametrize("seed", range(20, 23))
def test_in_a_storm_over_other_layers_too(network: Network, seed: int, join: Joiner) -> None:
    rage(network, seed, join)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", [OverPoll, OverSelect])
def test_in_a_storm_over_another_poller_too(kind: type[OsNetwork], seed: int) -> None:
    rage(kind(), seed)
