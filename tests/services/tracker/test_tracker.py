"""The tracker's core: gates, watchers, intervals, and whose address is believed."""

import subprocess
import sys
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from kit.tracker_desk import ADDRESS, GETTER, HASH, PORT, SEED, Desk, announce, ask, seed
from kit.udp_desk import UdpDesk
from rawserver.services.tracker import Asker, Refused, Tracker
from rawserver.swarm.announce_interval import (
    DEFAULT_INTERVAL_SECONDS,
    JITTER,
    LONELY_INTERVAL_SECONDS,
)
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry import AnnounceResult, RegistryError
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.announce_response import AnnounceResponse


def test_openssl_and_the_store_are_not_loaded_for_who_wants_neither() -> None:
    command = (
        "import sys, rawserver.services.tracker, rawserver.cli.share_run; "
        "print([name for name in ('ssl', 'hiredis', 'prometheus_client') if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=30
    )
    assert loaded.stdout == "[]\n"


# Gates and watchers.


def test_a_gate_refuses_or_warns() -> None:
    def gate(announce: AnnounceRequest, asker: Asker) -> str | None:
        if announce.info_hash != HASH:
            raise Refused("not this one", retry_in=60)
        return None if announce.left else "you have all"

    tracker = Tracker(Desk(), gates=[gate])
    refused = announce(tracker, info_hash=b"x" * 20)
    assert refused[b"failure reason"] == b"not this one"
    assert len(tracker.registry) == 0
    assert b"warning message" not in announce(tracker)
    assert seed(tracker)[b"warning message"] == b"you have all"


def test_a_refusal_without_a_reason_is_one_all_the_same() -> None:
    def gate(announce: AnnounceRequest, asker: Asker) -> None:
        raise Refused("")

    tracker = Tracker(Desk(), gates=[gate])
    assert announce(tracker) == {b"failure reason": b"refused"}


def test_a_watcher_that_fails_costs_nobody_his_answer() -> None:
    def watch(announce: AnnounceRequest, asker: Asker, result: AnnounceResult) -> None:
        raise LookupError("a fault of ours")

    seen: list[Asker] = []
    desk = UdpDesk()
    watchers = [watch, lambda announce, asker, result: seen.append(asker)]
    tracker = Tracker(desk, watchers=watchers)
    assert announce(tracker)[b"incomplete"] == 1
    assert [str(fault) for fault in desk.faults] == ["a fault of ours"]
    assert len(seen) == 1


def test_watchers_see_the_announces_that_were_right() -> None:
    seen: list[tuple[AnnounceRequest, Asker, AnnounceResult]] = []
    tracker = Tracker(Desk(), watchers=[lambda *about: seen.append(about)])
    announce(tracker)
    announce(tracker, port=None)
    announce(tracker, ip="203.0.113.77", event="stopped")
    ((request, asker, result),) = seen
    assert (request.peer_id, asker.ip) == (GETTER, b"\xcb\x00\x71\x09")
    assert result.incomplete == 1


def test_a_peer_is_its_own_by_key_or_address() -> None:
    tracker = Tracker(Desk())
    announce(tracker, key="mine")
    assert b"failure reason" in announce(tracker, ip="203.0.113.77", event="stopped")
    assert b"failure reason" not in announce(tracker, ip="203.0.113.77", key="mine")


class Elsewhere(MemoryRegistry):
    """A registry that answers when it is let."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.answers: list[Callable[[], None]] = []

    def announce(self, *args: Any, later: Any = None, **kwargs: Any) -> Any:
        result = super().announce(*args, **kwargs)
        self.answers.append(lambda: later(result))
        return None


def test_a_registry_may_answer_later() -> None:
    registry = Elsewhere()
    tracker = Tracker(Desk(), registry)
    request = AnnounceRequest(HASH, SEED, 6881)
    responses: list[AnnounceResponse] = []
    assert tracker.announce(request, Asker(ADDRESS), responses.append) is None
    assert not responses
    registry.answers[0]()
    assert responses[0].complete == 1


def test_nobody_watches_what_comes_after_the_end() -> None:
    registry, seen = Elsewhere(), []
    desk = Desk()
    desk.remove_context = lambda context: None  # type: ignore[attr-defined]
    tracker = Tracker(desk, registry, watchers=[lambda *about: seen.append(about)])
    responses: list[AnnounceResponse] = []
    tracker.announce(AnnounceRequest(HASH, SEED, 6881), Asker(ADDRESS), responses.append)
    tracker.close()
    registry.answers[0]()
    assert (len(responses), seen) == (1, [])


def test_a_registry_may_refuse_later() -> None:
    registry = Elsewhere()
    registry.announce = lambda *args, later, **kwargs: later(RegistryError("full"))  # type: ignore[method-assign]
    responses: list[AnnounceResponse] = []
    request = AnnounceRequest(HASH, SEED, 6881)
    assert Tracker(Desk(), registry).announce(request, Asker(ADDRESS), responses.append) is None
    assert responses == [AnnounceResponse(failure="full")]


def test_who_is_silent_is_forgotten() -> None:
    desk = Desk()
    desk.create_serversocket = lambda port, bind, **how: FakeListening()  # type: ignore[attr-defined]
    desk.start_listening = lambda *args, **kwargs: None  # type: ignore[attr-defined]
    tracker = Tracker(desk, interval=100)
    tracker.listen()
    announce(tracker)
    desk.run(200)
    announce(tracker, SEED)
    desk.run(100)
    assert tracker.registry.num_peers == 1
    desk.run(300)
    assert tracker.registry.num_peers == 0


class FakeListening:
    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.1", 6969


# Two addresses.

V6 = "2001:db8::7"
AT_V6 = bytes.fromhex("20010db8000000000000000000000007")


def test_who_is_trusted_may_say_where_else_he_listens() -> None:
    tracker = Tracker(Desk())
    told = seed(tracker, "10.0.0.5", ipv6=f"[{V6}]:9", event="completed")
    assert (told[b"complete"], told[b"downloaded"], told[b"peers"]) == (2, 1, b"")
    assert b"peers6" not in told
    reply = announce(tracker)
    assert (reply[b"peers"], reply[b"peers6"]) == (b"\x0a\0\0\5" + PORT, AT_V6 + b"\0\x09")
    assert seed(tracker, "10.0.0.5", ipv6=V6, event="stopped")[b"complete"] == 0


def test_who_comes_by_ipv6_may_say_his_ipv4() -> None:
    tracker = Tracker(Desk())
    assert seed(tracker, "fd00::5", ipv4="192.0.2.7")[b"complete"] == 2
    assert announce(tracker)[b"peers"] == b"\xc0\0\2\7" + PORT


@pytest.mark.parametrize(
    "said", [{"ipv6": "nonsense"}, {"ipv6": "192.0.2.7"}, {"ipv4": "192.0.2.7"}]
)
def test_what_he_says_of_it_may_make_no_sense(said: dict[str, str]) -> None:
    assert seed(Tracker(Desk()), "10.0.0.5", **said)[b"complete"] == 1


def test_nobody_else_is_believed() -> None:
    tracker = Tracker(Desk())
    assert seed(tracker, ipv6=V6)[b"complete"] == 1
    assert tracker.registry.num_peers == 1


def test_his_other_address_may_be_refused() -> None:
    tracker = Tracker(Desk())
    seed(tracker, "2001:db8::8", key="another's")
    told = seed(tracker, "10.0.0.5", ipv6=V6, key="mine")
    assert told[b"warning message"].startswith(b"2001:db8::7: this peer id is in use")
    assert told[b"complete"] == 2
    assert tracker.counters.refused_by == {"MemoryRegistry": 1}


# Intervals.


def test_peers_come_back_at_the_interval_but_not_together() -> None:
    tracker = Tracker(Desk())
    seed(tracker)
    told = {announce(tracker)[b"interval"] for _ in range(50)}
    assert len(told) > 10
    assert min(told) >= DEFAULT_INTERVAL_SECONDS * (1 - JITTER)
    assert max(told) <= DEFAULT_INTERVAL_SECONDS
    assert announce(tracker)[b"min interval"] == DEFAULT_INTERVAL_SECONDS // 4


def test_who_is_told_of_nobody_comes_back_soon() -> None:
    tracker = Tracker(Desk())
    assert announce(tracker)[b"interval"] <= LONELY_INTERVAL_SECONDS
    assert seed(tracker)[b"interval"] > LONELY_INTERVAL_SECONDS


# Addresses.


@pytest.mark.parametrize("ip", ["127.0.0.1", "192.168.1.9", "10.0.0.1", "::1", "fd00::1"])
def test_one_of_our_own_network_may_say_where_it_is_reached(ip: str) -> None:
    tracker = Tracker(Desk())
    ask(tracker, "/announce", query_of(SEED, "203.0.113.1"), ip)
    assert announce(tracker)[b"peers"] == ADDRESS + PORT


@pytest.mark.parametrize("name", ["tracker.example", "127.1", "1.2.3.4\r\n", "::g", ""])
def test_what_is_no_address_is_not_where_one_is_reached(name: str) -> None:
    tracker = Tracker(Desk())
    ask(tracker, "/announce", query_of(SEED, name), "10.0.0.1")
    assert announce(tracker)[b"peers"] == b"\x0a\x00\x00\x01" + PORT


def test_gates_know_where_one_is_seen_who_says_where_he_is() -> None:
    seen: list[Asker] = []
    tracker = Tracker(Desk(), watchers=[lambda announce, asker, result: seen.append(asker)])
    announce(tracker, ip="10.0.0.1")
    ask(tracker, "/announce", query_of(SEED, "203.0.113.1"), "10.0.0.2")
    assert seen == [
        Asker(b"\x0a\x00\x00\x01"),
        Asker(ADDRESS, seen_ip=b"\x0a\x00\x00\x02"),
    ]


def query_of(peer_id: bytes, ip: str) -> str:
    return urlencode({"info_hash": HASH, "peer_id": peer_id, "port": 6881, "left": 0, "ip": ip})


def test_a_stranger_may_not() -> None:
    tracker = Tracker(Desk())
    ask(tracker, "/announce", query_of(SEED, "203.0.113.1"), "8.8.8.8")
    assert announce(tracker)[b"peers"] == b"\x08\x08\x08\x08" + PORT


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.1.2.3", "::1"])
def test_others_are_told_where_they_reach_a_peer_of_this_machine(ip: str) -> None:
    for tracker in (Tracker(Desk(), local_address="203.0.113.1"), Tracker(Desk("203.0.113.1"))):
        seed(tracker, ip)
        reply = announce(tracker)
        assert reply[b"peers"] == ADDRESS + PORT
        assert b"peers6" not in reply
        (peer,) = announce(tracker, compact=0)[b"peers"]
        assert peer[b"ip"] == b"203.0.113.1"


def test_on_this_machine_a_peer_of_it_is_where_it_says() -> None:
    tracker = Tracker(Desk())
    seed(tracker, "127.0.0.1")
    reply = announce(tracker, ip="127.0.0.1", port=6882)  # another port, or it were the same peer
    assert reply[b"peers"] == b"\x7f\x00\x00\x01" + PORT


def test_nobody_is_sent_to_himself() -> None:
    tracker = Tracker(Desk("127.0.0.1"))
    seed(tracker, "127.0.0.1")
    announce(tracker, b"-XX0001-anotherxxxxx", "203.0.113.1")
    assert announce(tracker)[b"peers"] == ADDRESS + PORT
