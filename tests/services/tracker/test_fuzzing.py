"""Anything at all is sent to a tracker by HTTP and UDP, and right clients get right answers.

RAWSERVER_FUZZ=20 has it tried twenty times as often.
"""

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.tracker_hosts import PORT, URLS, PeerHost, TrackerHost
from rawserver import RawServer, SingleSocket
from rawserver.services.tracker import Asker, Refused
from rawserver.simulation import World
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.udp_tracker_replies import UdpConnectReply, decode_udp_reply
from rawserver.wire.udp_tracker_requests import (
    encode_udp_announce,
    encode_udp_connect,
    encode_udp_scrape,
)

EXAMPLES = 60 * int(os.environ.get("RAWSERVER_FUZZ", "1"))
OTHER = b"o" * 20
TRACKER = ("192.0.2.1", PORT)

numbers = st.sampled_from([b"0", b"1", b"-1", b"65535", b"65536", b"9" * 18, b"9" * 19, b"x", b""])
names = st.sampled_from(
    [b"info_hash", b"peer_id", b"port", b"uploaded", b"downloaded", b"left", b"event", b"numwant",
     b"compact", b"key", b"no_peer_id", b"trackerid", b"ip", b"scrape", b"sort", b"unknown"]
)  # fmt: skip
values = (
    numbers
    | st.sampled_from([b"started", b"stopped", b"completed", b"paused", b"%41" * 20, b"a" * 20])
    | st.binary(max_size=40).map(lambda raw: quote(raw).encode())
)
fields = st.builds(lambda name, value: name + b"=" + value, names, values)
RIGHT = b"info_hash=" + OTHER + b"&port=1&peer_id="
queries = st.lists(fields, max_size=8).map(b"&".join) | st.builds(
    lambda number, left, more: RIGHT + b"%020d&left=%b&%b" % (number, left, more),
    st.integers(0, 30),
    numbers,
    fields,
)
paths = st.sampled_from(
    [b"/announce", b"/scrape", b"/KEY/announce", b"/", b"/file", b"/stats.json", b"/metrics",
     b"/reload", b"/favicon.ico", b"//announce", b"http://x/announce", b"*", b"/%2e%2e", b"/k/file"]
)  # fmt: skip
headers = st.sampled_from(
    [b"Host: x", b"Connection: close", b"Connection: keep-alive", b"Content-Length: 3",
     b"Transfer-Encoding: chunked", b"Accept-Encoding: gzip", b"X-Forwarded-For: 127.0.0.1",
     b"Upgrade: h2c", b"Expect: 100-continue", b"X: " + b"y" * 5000, b"Authorization: Bearer x"]
)  # fmt: skip
requests = st.builds(
    lambda method, path, query, version, more: (
        b"%b %b?%b HTTP/%b\r\n" % (method, path, query, version)
        + b"".join(line + b"\r\n" for line in more)
        + b"\r\n"
    ),
    st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"POST", b"BREW", b"get"]),
    paths,
    queries,
    st.sampled_from([b"1.1", b"1.1", b"1.0", b"0.9", b"2.0"]),
    st.lists(headers, max_size=3),
)
# What is sent by one connection: requests, rubbish, and requests that are cut or spoilt.
parts = st.lists(
    requests
    | st.binary(max_size=60)
    | st.builds(lambda whole, at: whole[: at % (len(whole) + 1)], requests, st.integers(0, 200))
    | st.builds(
        lambda whole, at, byte: whole[:at] + byte + whole[at:],
        requests, st.integers(0, 60), st.binary(min_size=1, max_size=2),
    ),
    min_size=1, max_size=6,
)  # fmt: skip
announces = st.builds(
    lambda info_hash, number, port, left, numwant, key, ip: AnnounceRequest(
        info_hash, b"%020d" % number, port, left=left, numwant=numwant, key=key, ip=ip
    ),
    st.just(OTHER) | st.binary(min_size=20, max_size=20),
    st.integers(0, 30),
    st.integers(0, 65535),
    st.sampled_from([0, 1, 2**63 - 1]),
    st.none() | st.integers(0, 2**31 - 1),
    st.binary(max_size=4),
    st.sampled_from(["", "127.0.0.1", "8.8.8.8"]),
)
# With what the connection ends, and the pause between two parts.
ends = st.sampled_from(["close", "reset", "shutdown", "stays", "stays"])
streams = st.tuples(parts, ends, st.sampled_from([0.0, 0.01, 0.3]))
# What is sent in a datagram, given a connection id that is right.
Datagram = Callable[[bytes], bytes]
plain: st.SearchStrategy[Datagram] = st.binary(max_size=200).map(lambda raw: lambda cid: raw)
asked: st.SearchStrategy[Datagram] = st.builds(
    lambda announce, tail: lambda cid: encode_udp_announce(cid, b"tran", announce) + tail,
    announces,
    st.binary(max_size=20),
)
scraped: st.SearchStrategy[Datagram] = st.integers(1, 74).map(
    lambda count: lambda cid: encode_udp_scrape(cid, b"tran", [OTHER] * count)
)
behind_an_id: st.SearchStrategy[Datagram] = st.binary(max_size=120).map(
    lambda raw: lambda c: c + raw
)
cut: st.SearchStrategy[Datagram] = st.builds(
    lambda make, length: lambda cid: make(cid)[:length], asked, st.integers(0, 120)
)
datagrams = st.lists(plain | asked | scraped | behind_an_id | cut, min_size=4, max_size=20)


class Hostile:
    """Sends streams and datagrams; it notes what the tracker sends to who has proven nothing."""

    def __init__(self, world: World, number: int, streams: list[Any], datagrams: list[Any]) -> None:
        self._streams, self._datagrams = streams, datagrams
        self.host = world.add_host(f"hostile {number}", f"198.18.0.{number}")
        self.unproven_sent = self.unproven_got = 0
        self._proven = False
        self.host.boot(self._begin)

    def _begin(self, raw_server: RawServer) -> None:
        for stream in self._streams:
            raw_server.start_connection(TRACKER, Stream(raw_server, *stream))
        sock = raw_server.create_udpsocket(0, "0.0.0.0")
        self._socket = raw_server.start_listening_udp(sock, self)
        for make in self._datagrams:
            self._send(make(b"no id..."))
        self._send(encode_udp_connect(b"tran"))

    def _send(self, data: bytes) -> None:
        if not self._proven:
            self.unproven_sent += len(data)
        self._socket.write_to(data, TRACKER)

    def data_came_in(self, address: Any, data: bytes) -> None:
        if self._proven:
            return
        self.unproven_got += len(data)
        reply = decode_udp_reply(data)
        assert isinstance(reply, UdpConnectReply)
        self._proven = True
        for make in self._datagrams:
            self._socket.write_to(make(reply.connection_id), TRACKER)


class Stream:
    """One connection: parts one after the other, and an end of some kind."""

    def __init__(self, raw_server: RawServer, parts: list[bytes], end: str, pause: float) -> None:
        self._raw_server = raw_server
        self._parts, self._end, self._pause = list(parts), end, pause

    def connection_made(self, connection: SingleSocket) -> None:
        self._go_on(connection)

    def _go_on(self, connection: SingleSocket) -> None:
        if connection.lost:
            return
        if self._parts:
            connection.write(self._parts.pop(0))
            self._raw_server.add_task(self._go_on, self._pause, (connection,))
        elif self._end != "stays":
            getattr(connection, self._end)()

    def connection_failed(self, address: object, error: BaseException) -> None:
        pass

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        pass

    def connection_lost(self, connection: SingleSocket) -> None:
        pass


def no_more_of_some(announce: AnnounceRequest, asker: Asker) -> str | None:
    """A gate, so that all goes the long way."""
    if announce.peer_id.endswith(b"7"):
        raise Refused("not you", 60)
    return "a warning"


@pytest.mark.parametrize("gates", [[], [no_more_of_some]], ids=["short", "long"])
@given(
    sent=st.lists(
        st.tuples(st.lists(streams, min_size=2, max_size=6), datagrams), min_size=1, max_size=2
    ),
    seed=st.integers(0, 2**32),
)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_whatever_is_sent_right_clients_get_right_answers(
    gates: list[Any], sent: list[Any], seed: int
) -> None:
    world = World(seed)
    served = TrackerHost(world)
    served.tracker.gates += gates
    peers = [
        PeerHost(world, 100 + number, f"198.51.100.{number + 1}", URLS[number % 2])
        for number in range(4)
    ]
    world.run(seconds=1.0)
    hostile = [Hostile(world, number + 1, *what) for number, what in enumerate(sent)]
    for count in (2, 3, 4):
        world.run(seconds=0.2)
        for peer in peers:
            peer.announce()
        answered = lambda count=count: all(len(one.responses) == count for one in peers)  # noqa: E731
        assert world.run(condition=answered, seconds=3.0), "a right client was not answered"
        for peer in peers:
            assert peer.told == {one.ip for one in peers if one is not peer}
            assert peer.responses[-1].incomplete == len(peers)
    # Nobody is sent more than he sent before he has proven where he is.
    assert all(one.unproven_got <= one.unproven_sent for one in hostile)
    world.run(seconds=40.0)
    assert served.tracker.raw_server.statistics().traffic.connections == 0
    served.tracker.registry.expire(served.tracker.raw_server.network.time())
    served.assert_well()
