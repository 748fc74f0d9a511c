"""The eight behaviours that BitTorrent's RawServer came with in 2001, as it tested them itself.

Two are told more plainly here: a connection that we close is told as lost too, and one that is
refused is told as failed and not as lost.
"""

from collections.abc import Iterator

import pytest

from kit.joined import free_port, join
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Config, IdleTimeout, Network, RawServer, SingleSocket

IDLE_SECONDS = 0.1


@pytest.fixture
def impatient_server(network: Network) -> Iterator[RawServer]:
    config = Config(idle_timeout=IDLE_SECONDS, timeout_check_interval=0.01)
    raw_server = RawServer(config=config, network=network)
    yield raw_server
    raw_server.close()


def exchange(raw_server: RawServer) -> tuple[Recorder, Recorder, SingleSocket, SingleSocket]:
    caller, callee = Recorder(), Recorder()
    connection, other = join(raw_server, caller, callee)
    connection.write(b"aaa")
    other.write(b"bbb")
    run_until(raw_server, lambda: callee.data == b"aaa" and caller.data == b"bbb")
    return caller, callee, connection, other


def test_starting_side_close(raw_server: RawServer) -> None:
    caller, callee, connection, _ = exchange(raw_server)
    connection.write(b"ccc")
    connection.close_when_flushed()
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert callee.data == b"aaaccc"
    assert caller.events[-1] == "connection_lost"


def test_receiving_side_close(raw_server: RawServer) -> None:
    caller, callee, _, other = exchange(raw_server)
    other.write(b"ddd")
    other.close_when_flushed()
    run_until(raw_server, lambda: "connection_lost" in caller.events)
    assert caller.data == b"bbbddd"
    assert callee.events[-1] == "connection_lost"


def test_connection_refused(raw_server: RawServer) -> None:
    caller = Recorder()
    address = ("127.0.0.1", free_port(raw_server))
    raw_server.start_connection(address, caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_failed"]
    assert caller.failures[0][0] == address


def test_both_close(raw_server: RawServer) -> None:
    caller, callee, connection, other = exchange(raw_server)
    connection.close()
    other.close()
    for _ in range(3):
        raw_server.listen_once(0.0)
    assert caller.events.count("connection_lost") == 1
    assert callee.events.count("connection_lost") == 1


def test_normal(raw_server: RawServer) -> None:
    order: list[str] = []
    for name, delay in (("d", 0.04), ("c", 0.03), ("a", 0.01), ("b", 0.02)):
        raw_server.add_task(order.append, delay, (name,))
    raw_server.add_task(raw_server.doneflag.set, 0.05)
    raw_server.listen_forever()
    assert order == ["a", "b", "c", "d"]


def test_catch_exception(faulty_server: RawServer, faults: list[str]) -> None:
    ran: list[int] = []
    faulty_server.add_task(lambda: 4 // 0, 0.01)
    faulty_server.add_task(ran.append, 0.02, (1,))
    run_until(faulty_server, lambda: ran)
    assert len(faults) == 1
    assert "ZeroDivisionError" in faults[0]


def test_closes_if_not_hit(impatient_server: RawServer) -> None:
    caller, callee = Recorder(), Recorder()
    connection, other = join(impatient_server, caller, callee)
    began = impatient_server.network.time()
    run_until(impatient_server, lambda: connection.lost and other.lost)
    assert impatient_server.network.time() - began > IDLE_SECONDS * 0.8
    assert isinstance(connection.error or other.error, IdleTimeout)
    run_until(impatient_server, lambda: "connection_lost" in caller.events)
    run_until(impatient_server, lambda: "connection_lost" in callee.events)


@pytest.mark.parametrize("side", [0, 1])
def test_does_not_close_if_hit(impatient_server: RawServer, side: int) -> None:
    """Bytes of either direction alone are enough for both ends."""
    ends = join(impatient_server, Recorder(), Recorder())
    hits: list[float] = []

    def hit() -> None:
        hits.append(impatient_server.network.time())
        ends[side].write(b"x")
        if len(hits) < 15:
            impatient_server.add_task(hit, IDLE_SECONDS / 5)

    hit()
    run_until(impatient_server, lambda: len(hits) == 15)
    assert hits[-1] - hits[0] > 2 * IDLE_SECONDS
    assert not ends[0].lost
    assert not ends[1].lost
    run_until(impatient_server, lambda: ends[0].lost and ends[1].lost)
