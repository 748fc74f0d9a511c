"""Two processes of `rawserver tracker` on one port, with a real Redis server between them."""

import http.client
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.peers.ours import Ours
from interop.peers.program import wait_for
from interop.peers.redis_server import RedisServer
from interop.test_redis import announce_path
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.bencode import decode
from rawserver.wire.udp_tracker_replies import (
    UdpAnnounceReply,
    UdpConnectReply,
    UdpReply,
    decode_udp_reply,
)
from rawserver.wire.udp_tracker_requests import encode_udp_announce, encode_udp_connect

HASH = bytes(range(20))
# Each comes from a port of its own: that all are given to one process is as good as impossible.
# It is odd, so that what each has answered differs.
MANY = 25
TID = b"tran"


@pytest.fixture
def store() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


class Workers:
    """The command, and what two processes of it say."""

    def __init__(self, command: Ours, port: int) -> None:
        self.command = command
        self.port = port

    def get(self, path: str) -> bytes:
        """Ask by a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", f"/{path}", headers={"Connection": "close"})
        body = connection.getresponse().read()
        connection.close()
        return body

    def announce(self, number: int, **fields: Any) -> Any:
        return decode(self.get(announce_path(number, **fields)))

    def num_announces(self) -> int:
        """Return how many the process that is asked has answered by HTTP."""
        count = json.loads(self.get("stats.json"))["fronts"]["http"]["announces"]
        assert isinstance(count, int)
        return count

    def pids(self) -> list[int]:
        pid = self.command.process.pid
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


@pytest.fixture
def workers(store: RedisServer, ours: Callable[..., Ours], tmp_path: Path) -> Workers:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    (tmp_path / "denied").write_text(f"{(b'd' * 20).hex()}\n")
    command = ours(
        "tracker", "--http", f"127.0.0.1:{port}", "--workers", "2", "--store", store.url,
        "--deny-hashes", "denied", "--access-log", "log",
    )  # fmt: skip
    command.wait_event("ready")
    wait_for(lambda: sockets_at(port, "tcp") == sockets_at(port, "udp") == 2, "both listen")
    # The third is who asks.
    wait_for(lambda: store.ask("CLIENT", "LIST").count(b"\n") == 3, "both are connected")
    return Workers(command, port)


def sockets_at(port: int, protocol: str) -> int:
    """Count those that are bound to a port and have no peer, as Linux lists them."""
    lines = Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(at[1].endswith(f":{port:04X}") and at[3] in ("0A", "07") for at in fields)


def udp_ask(sock: socket.socket, datagram: bytes) -> UdpReply:
    sock.send(datagram)
    return decode_udp_reply(sock.recv(2000), 4)


def test_the_peers_of_one_are_seen_by_the_other(workers: Workers, tmp_path: Path) -> None:
    for number in range(1, MANY + 1):
        workers.announce(number)
    counted = [workers.num_announces() for _ in range(MANY)]
    assert len(set(counted)) == 2, "each has answered some"
    assert sum(set(counted)) == MANY
    for _ in range(MANY):
        reply = workers.announce(1, numwant=200)
        assert (reply[b"incomplete"], len(reply[b"peers"])) == (MANY, 6 * (MANY - 1))

    # SIGHUP reaches both.
    (tmp_path / "denied").write_text(f"{HASH.hex()}\n")
    (tmp_path / "log").rename(tmp_path / "log.1")
    workers.command.process.send_signal(signal.SIGHUP)
    wait_for(
        lambda: all(b"failure reason" in workers.announce(1) for _ in range(MANY)),
        "the list is read again by both",
    )
    workers.command.process.send_signal(signal.SIGTERM)
    assert workers.command.process.wait(30) == 0
    lines = [
        line for name in ("log", "log.1") for line in (tmp_path / name).read_text().splitlines()
    ]
    assert len(lines) > 3 * MANY
    assert all(line.startswith("127.0.0.1 - - [") and line.endswith('"') for line in lines)


def test_an_id_of_one_is_known_to_the_other(workers: Workers) -> None:
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(MANY)]
    for sock in sockets:
        sock.settimeout(10)
        sock.connect(("127.0.0.1", workers.port))
    connected = udp_ask(sockets[0], encode_udp_connect(TID))
    assert isinstance(connected, UdpConnectReply)
    for number, sock in enumerate(sockets):
        request = AnnounceRequest(HASH, number.to_bytes(20, "big"), 1000 + number, left=1)
        datagram = encode_udp_announce(connected.connection_id, TID, request)
        reply = udp_ask(sock, datagram)
        assert isinstance(reply, UdpAnnounceReply)
        sock.close()
    # And HTTP sees who came by UDP.
    wait_for(lambda: workers.announce(99)[b"incomplete"] == MANY + 1, "all are counted")


def test_one_that_is_killed_is_replaced_and_knows_the_peers(
    workers: Workers, store: RedisServer
) -> None:
    workers.announce(1)
    wait_for(lambda: store.ask("DBSIZE"), "the store knows the first")
    before = workers.pids()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: len(workers.pids()) == 2 and workers.pids() != before, "another is there")
    wait_for(lambda: workers.announce(2)[b"incomplete"] == 2, "the peers are known")
    workers.command.process.send_signal(signal.SIGINT)
    assert workers.command.process.wait(30) == 0
