"""A turn's datagrams at once; and the whole of it over the real network and a simulated one."""

from collections.abc import Callable
from typing import Any

import pytest

from kit.loop import run_until
from kit.tracker_desk import GETTER, HASH, SEED
from kit.udp_desk import TID, UdpAsker, UdpDesk
from rawserver import RawServer
from rawserver.services.tracker import Asker, Tracker
from rawserver.services.tracker.udp_front import UdpFront
from rawserver.simulation import World
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.compact_peers import Peer
from rawserver.wire.udp_tracker_replies import (
    UdpAnnounceReply,
    UdpConnectReply,
    UdpReply,
    UdpScrapeReply,
    decode_udp_reply,
)
from rawserver.wire.udp_tracker_requests import (
    encode_udp_announce,
    encode_udp_connect,
    encode_udp_scrape,
)

SEEDING = AnnounceRequest(HASH, SEED, 6881)
GETTING = AnnounceRequest(HASH, GETTER, 6882, left=100)


def tracker_of(desk: UdpDesk, **options: Any) -> Tracker:
    return Tracker(desk, **options)  # type: ignore[arg-type]


def pass_all(announce: AnnounceRequest, asker: Asker) -> None:
    """A gate that is open; with it an announce goes the long way."""


@pytest.mark.parametrize("gates", [[], [pass_all]], ids=["short", "long"])
def test_a_turn_is_answered_at_once_in_order_without_those_that_get_nothing(
    gates: list[Any],
) -> None:
    desk = UdpDesk()
    asker = UdpAsker(tracker_of(desk, gates=gates)).connect()
    cid, before = asker.connection_id, desk.writes
    answers = asker.send(
        encode_udp_announce(cid, b"1   ", SEEDING),
        encode_udp_announce(bytes(8), b"2   ", SEEDING),
        encode_udp_connect(b"3   "),
        b"rubbish",
        encode_udp_announce(cid, b"5   ", GETTING),
        encode_udp_scrape(cid, b"6   ", [HASH]),
        cid + b"\0\0\0\7" + b"7   ",
    )
    assert desk.writes == before + 1
    assert [(answer[3], answer[4:8]) for answer in answers] == [
        (1, b"1   "), (0, b"3   "), (1, b"5   "), (2, b"6   "), (3, b"7   "),
    ]  # fmt: skip


@pytest.mark.parametrize("gates", [[], [pass_all]], ids=["short", "long"])
def test_each_is_answered_at_his_own_address(gates: list[Any]) -> None:
    desk = UdpDesk()
    tracker = tracker_of(desk, gates=gates)
    askers = [UdpAsker(tracker, f"203.0.113.{number}").connect() for number in range(1, 11)]
    del desk.sent[:]
    assert desk.front is not None
    desk.front.packed_datagrams_came_in(
        desk,  # type: ignore[arg-type]
        [asker.address for asker in askers],
        [encode_udp_announce(asker.connection_id, TID, GETTING) for asker in askers],
    )
    # All have one peer id and no key: the first has it.
    assert [to for to, _ in desk.sent] == [asker.address for asker in askers]
    assert [answer[3] for _, answer in desk.sent] == [1] + [3] * 9


def test_a_gate_that_fails_for_one_does_not_fail_the_others() -> None:
    def gate(announce: AnnounceRequest, asker: Asker) -> None:
        if not announce.left:
            raise LookupError("a fault of ours")

    desk = UdpDesk()
    tracker = tracker_of(desk, gates=[gate])
    asker = UdpAsker(tracker).connect()
    answers = asker.send(
        encode_udp_announce(asker.connection_id, b"1   ", GETTING),
        encode_udp_announce(asker.connection_id, b"2   ", SEEDING),
        encode_udp_announce(asker.connection_id, b"3   ", GETTING),
    )
    assert [answer[4:8] for answer in answers] == [b"1   ", b"3   "]
    assert [str(fault) for fault in desk.faults] == ["a fault of ours"]
    assert tracker.counters.udp.dropped == 1


def test_processes_with_one_secret_know_each_others_ids() -> None:
    connected = []
    for secret in (b"s" * 32, b"s" * 32, b"t" * 32):
        desk = UdpDesk()
        tracker = tracker_of(desk)
        desk.front = UdpFront(tracker, tracker.counters.udp, secret)
        connected.append(UdpAsker(tracker).connect())
    one, same, other = connected
    datagram = encode_udp_announce(one.connection_id, TID, GETTING)
    assert len(same.send(datagram)) == 1
    assert other.send(datagram) == []


def test_a_new_interval_is_told_at_once() -> None:
    desk = UdpDesk()
    tracker = tracker_of(desk)
    UdpAsker(tracker, "203.0.113.1").connect().announce(SEEDING)
    asker = UdpAsker(tracker).connect()
    assert asker.announce(GETTING).interval > 1000
    tracker.interval = tracker_of(desk, interval=100).interval
    assert 90 <= asker.announce(GETTING).interval <= 100


# Over networks.


class Client:
    """Asks over a socket, and keeps what comes back."""

    def __init__(self, raw_server: RawServer, bind: str, tracker: tuple[str, int]) -> None:
        self.replies: list[UdpReply] = []
        self._address_length = 16 if ":" in bind else 4
        sock = raw_server.create_udpsocket(0, bind)
        self._socket = raw_server.start_listening_udp(sock, self)
        self._tracker = tracker

    def send(self, datagram: bytes) -> None:
        self._socket.write_to(datagram, self._tracker)

    def data_came_in(self, address: Any, data: bytes) -> None:
        self.replies.append(decode_udp_reply(data, self._address_length))


def session(client: Client, request: AnnounceRequest, until: Callable[[int], None]) -> list[Any]:
    """Connect, announce and scrape; `until(count)` waits for so many replies."""
    client.send(encode_udp_connect(TID))
    until(1)
    reply = client.replies[0]
    assert isinstance(reply, UdpConnectReply)
    client.send(encode_udp_announce(reply.connection_id, TID, request, "/announce"))
    until(2)
    client.send(encode_udp_scrape(reply.connection_id, TID, [HASH]))
    until(3)
    return client.replies


@pytest.mark.parametrize(
    ("bind", "ip"),
    [("127.0.0.1", "127.0.0.1"), ("", "127.0.0.1"), ("", "::1"), ("::1", "::1")],
)
def test_it_answers_over_the_network(raw_server: RawServer, bind: str, ip: str) -> None:
    tracker = Tracker(raw_server)
    try:
        tracker.listen_udp(0, bind)
        clients = [Client(raw_server, ip, (ip, tracker.udp_port)) for _ in range(2)]
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    for client, request in zip(clients, (SEEDING, GETTING), strict=True):
        _, announced, scraped = session(
            client,
            request,
            lambda count, client=client: run_until(
                raw_server, lambda: len(client.replies) >= count
            ),
        )
    assert isinstance(announced, UdpAnnounceReply)
    assert announced.response.peers == (Peer(ip, 6881),)
    assert isinstance(scraped, UdpScrapeReply)
    assert scraped.torrents == ((1, 0, 1),)
    # Nothing has to be unwrapped: each family comes to a socket of its own.
    sockets = [one.sock for one in raw_server.udp_sockets() if one.context is tracker]
    assert len(sockets) == (1 if bind else 2)
    assert {sock.getsockname()[1] for sock in sockets} == {tracker.udp_port}
    tracker.close()
    assert not [one for one in raw_server.udp_sockets() if one.context is tracker]


@pytest.mark.parametrize("network", ["10.0.0.", "2001:db8::"])
def test_it_answers_in_a_simulated_internet(network: str) -> None:
    world = World(1)
    trackers: list[Tracker] = []
    clients: list[Client] = []

    def serve(raw_server: RawServer) -> None:
        trackers.append(Tracker(raw_server))
        trackers[0].listen_udp(6969)

    def ask(ip: str) -> Callable[[RawServer], None]:
        return lambda raw_server: clients.append(Client(raw_server, ip, (first_ip, 6969)))

    first_ip, seed_ip, getter_ip = (f"{network}{number}" for number in (1, 2, 3))
    world.add_host("tracker", "10.0.0.1", "2001:db8::1").boot(serve)
    world.add_host("seed", seed_ip).boot(ask(seed_ip))
    world.add_host("getter", getter_ip).boot(ask(getter_ip))
    world.run(seconds=0.1)
    for client, request in zip(clients, (SEEDING, GETTING), strict=True):
        _, announced, scraped = session(client, request, lambda count: world.run(seconds=1.0))
    assert announced.response.peers == (Peer(seed_ip, 6881),)
    assert scraped.torrents == ((1, 0, 1),)
    assert trackers[0].counters.udp.announces == 2
