"""Announcing, on a clock that a test moves, to trackers that do right and to those that do not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from kit.fake_web import FakeWeb
from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer
from rawserver.http.response import HttpResponse
from rawserver.services.announcer import (
    ANNOUNCE_TIMEOUT_SECONDS,
    FEW_PEERS,
    STOP_TIMEOUT_SECONDS,
    Announcer,
)
from rawserver.services.tracker import Tracker
from rawserver.wire.announce_request import AnnounceRequest, Event, parse_announce_query
from rawserver.wire.announce_response import AnnounceResponse, encode_announce_response
from rawserver.wire.compact_peers import Peer

INTERVAL_SECONDS = 1000
MIN_INTERVAL_SECONDS = 100
URL = "http://192.0.2.1:6969/announce"
OTHER = "http://192.0.2.2:6969/announce"


@dataclass
class Told:
    """A torrent, as far as trackers are told of it."""

    info_hash: bytes = b"h" * 20
    peer_id: bytes = b"-RS0001-abcdefghijkl"
    listening_port: int = 6881
    bytes_uploaded: int = 11
    bytes_downloaded: int = 22
    bytes_left: int = 33
    num_peers: int = FEW_PEERS


def http(body: bytes, status: int = 200) -> bytes:
    return HttpResponse(body, status).to_bytes(head_only=False, gzip=False, keep_alive=False)


def reply(**fields: Any) -> bytes:
    fields = {"interval": INTERVAL_SECONDS, "min_interval": MIN_INTERVAL_SECONDS} | fields
    return http(encode_announce_response(AnnounceResponse(**fields)))


class Scene:
    """An announcer on a fake web; `answers` says what a tracker answers, by its URL."""

    def __init__(self, *tiers: list[str], torrent: Told | None = None, ip: str = "") -> None:
        self.torrent = torrent or Told()
        self.answers: dict[str, Any] = {URL: reply(), OTHER: reply()}
        self.heard: list[tuple[str, AnnounceRequest]] = []
        self.at: list[float] = []
        self.found: list[tuple[str, int]] = []
        self.reports: list[str] = []
        self.stopped_at: list[float] = []
        self.web = FakeWeb(self._answer)
        self.announcer = Announcer(
            self.web, list(tiers) or [[URL]], self.torrent, self._found, self.reports.append, ip=ip
        )
        self.announcer.start()

    def _answer(self, url: str) -> Any:
        base, _, query = url.partition("?")
        self.heard.append((base, parse_announce_query(query)))
        self.at.append(self.web.now)
        answer = self.answers[base]
        return answer() if callable(answer) else answer

    def _found(self, addresses: Iterable[tuple[str, int]]) -> None:
        self.found += addresses

    def run(self, seconds: float = 1.0) -> "Scene":
        self.web.run(seconds)
        return self

    def stop(self) -> None:
        self.announcer.stop(lambda: self.stopped_at.append(self.web.now))

    @property
    def events(self) -> list[Event]:
        return [announce.event for _, announce in self.heard]

    @property
    def last(self) -> AnnounceRequest:
        return self.heard[-1][1]


# The regular life.


def test_a_tracker_is_told_that_we_are_there() -> None:
    scene = Scene(ip="192.0.2.99").run()
    (announce,) = [announce for _, announce in scene.heard]
    assert announce == AnnounceRequest(
        info_hash=b"h" * 20,
        peer_id=b"-RS0001-abcdefghijkl",
        port=6881,
        uploaded=11,
        downloaded=22,
        left=33,
        event=Event.STARTED,
        key=announce.key,
        ip="192.0.2.99",
    )
    assert len(announce.key) == 8


def test_regular_announces_come_at_the_trackers_interval() -> None:
    scene = Scene().run(3 * INTERVAL_SECONDS + 10)
    assert scene.at == pytest.approx([0, 1000, 2000, 3000])
    assert scene.events == [Event.STARTED, Event.NONE, Event.NONE, Event.NONE]
    assert len({announce.key for _, announce in scene.heard}) == 1


def test_who_has_few_peers_asks_as_soon_as_the_tracker_allows() -> None:
    scene = Scene(torrent=Told(num_peers=FEW_PEERS - 1)).run(3.5 * MIN_INTERVAL_SECONDS)
    assert scene.at == pytest.approx([0, 100, 200, 300], abs=20)
    assert all(b - a >= MIN_INTERVAL_SECONDS for a, b in zip(scene.at, scene.at[1:], strict=False))


def test_a_seed_waits_for_the_interval_however_few_its_peers() -> None:
    scene = Scene(torrent=Told(num_peers=0, bytes_left=0)).run(INTERVAL_SECONDS - 1)
    assert scene.at == [0]


def test_a_tracker_that_wants_to_be_asked_all_the_time_is_not() -> None:
    scene = Scene(torrent=Told(num_peers=0))
    scene.answers[URL] = reply(interval=0, min_interval=0)
    scene.run(60)
    assert len(scene.at) <= 13


def test_peers_are_passed_on_from_all_forms_of_a_reply() -> None:
    peers = (Peer("192.0.2.5", 1, b"p" * 20), Peer("2001:db8::5", 2))
    for compact in (True, False):
        scene = Scene()
        body = encode_announce_response(AnnounceResponse(peers=peers), compact=compact)
        scene.answers[URL] = http(body)
        assert scene.run().found == [("192.0.2.5", 1), ("2001:db8::5", 2)]


def test_names_in_place_of_addresses_are_left_out() -> None:
    scene = Scene()
    response = AnnounceResponse(peers=(Peer("router.local", 80), Peer("192.0.2.5", 1)))
    scene.answers[URL] = http(encode_announce_response(response, compact=False))
    assert scene.run().found == [("192.0.2.5", 1)]


def test_a_tracker_gets_back_the_id_that_it_gave() -> None:
    scene = Scene()
    scene.answers[URL] = reply(tracker_id=b"\x00id&")
    scene.run(INTERVAL_SECONDS + 1)
    assert [announce.tracker_id for _, announce in scene.heard] == [b"", b"\x00id&"]


# Completion.


def test_completion_is_told_at_once_and_once() -> None:
    scene = Scene().run(10)
    scene.torrent.bytes_left = 0
    scene.announcer.completed()
    scene.run(INTERVAL_SECONDS + 20)
    assert scene.events == [Event.STARTED, Event.COMPLETED, Event.NONE]
    assert scene.at[1] == 10
    assert scene.heard[1][1].left == 0


def test_completion_during_an_announce_is_told_after_it() -> None:
    def complete_once() -> bytes:
        if len(scene.heard) == told_at:
            scene.announcer.completed()
        return reply()

    for told_at in (1, 2):
        scene = Scene()
        scene.answers[URL] = complete_once
        scene.run(told_at * INTERVAL_SECONDS)
        expected = [*[Event.STARTED, Event.NONE][:told_at], Event.COMPLETED]
        assert scene.events[: told_at + 1] == expected
        assert scene.at[told_at] == scene.at[told_at - 1]
        assert scene.events.count(Event.COMPLETED) == 1


def test_completion_is_told_when_the_tracker_comes_back() -> None:
    scene = Scene()
    scene.answers[URL] = OSError(111, "refused")
    scene.run(100)
    scene.announcer.completed()
    scene.run(100)
    scene.answers[URL] = reply()
    scene.heard.clear()
    scene.run(500)
    assert scene.events == [Event.STARTED, Event.COMPLETED]


def test_what_began_complete_is_never_completed() -> None:
    scene = Scene(torrent=Told(bytes_left=0)).run(5 * INTERVAL_SECONDS)
    scene.stop()
    scene.run()
    assert Event.COMPLETED not in scene.events


# The end.


def test_the_tracker_is_told_that_we_leave() -> None:
    scene = Scene().run(10)
    scene.stop()
    assert not scene.stopped_at
    scene.run(2 * INTERVAL_SECONDS)
    assert scene.stopped_at == [10]
    assert scene.events == [Event.STARTED, Event.STOPPED]
    assert scene.last.numwant == 0


@pytest.mark.parametrize("answer", [None, OSError(111, "refused"), b"rubbish"])
def test_a_tracker_in_trouble_does_not_hold_us_up(answer: Any) -> None:
    scene = Scene().run(10)
    scene.announcer.completed()
    scene.answers[URL] = answer
    scene.stop()
    scene.run(1000)
    (stopped_at,) = scene.stopped_at
    assert stopped_at <= 10 + STOP_TIMEOUT_SECONDS


def test_a_completion_that_is_still_due_is_told_before_we_leave() -> None:
    scene = Scene().run(10)
    scene.announcer.completed()
    scene.stop()
    scene.run(10)
    assert scene.events == [Event.STARTED, Event.COMPLETED, Event.STOPPED]
    assert len(scene.stopped_at) == 1


def test_who_leaves_while_he_says_that_he_comes_says_that_too() -> None:
    scene = Scene()
    scene.answers[URL] = None
    scene.run(1)
    scene.answers[URL] = reply()
    scene.stop()
    scene.run(100)
    assert scene.events == [Event.STARTED, Event.STOPPED]
    assert scene.stopped_at == [1]


def test_nobody_is_told_who_never_answered() -> None:
    scene = Scene()
    scene.answers[URL] = OSError(111, "refused")
    scene.run(1)
    scene.heard.clear()
    scene.stop()
    scene.run(1000)
    assert not scene.heard
    assert scene.stopped_at == [1]


# Trackers in trouble.


TROUBLES: list[tuple[Any, str]] = [
    (OSError(111, "Connection refused"), "no connection: Connection refused"),
    (b"\x13BitTorrent protocol", "the reply is not HTTP"),
    (b"", "the connection ended before the reply did"),
    (http(b"gone", 404), "the server answers 404"),
    (http(b"<html>Welcome</html>"), "the reply is not bencoded"),
    (http(b""), "the reply is not bencoded"),
    (http(b"le"), "the reply is not a dictionary"),
    (http(b"d5:peers5:abcdee"), "no whole number of peers"),
    (http(b"d5:peers" + b"l" * 10_000), "the reply is not bencoded"),
    (http(bytes(3_000_000)), "the reply is longer than 1048576 bytes"),
    (http(b"d14:failure reason12:not this onee"), "it refuses: not this one"),
    (http(b"d14:failure reason6:\x1b[2J\nae"), "it refuses: [2J a"),
    (None, f"no reply within {ANNOUNCE_TIMEOUT_SECONDS:g} seconds"),
]


@pytest.mark.parametrize(("answer", "why"), TROUBLES, ids=[why for _, why in TROUBLES])
def test_trouble_is_told_once_and_tried_again_ever_later(answer: Any, why: str) -> None:
    scene = Scene()
    scene.answers[URL] = answer
    scene.run(3600)
    (text,) = scene.reports
    assert text.startswith(f"tracker {URL}: ")
    assert why in text
    assert text.isprintable()
    assert 6 <= len(scene.at) <= 12
    waits = [later - sooner for sooner, later in zip(scene.at, scene.at[1:], strict=False)]
    assert waits[-1] > 8 * waits[0]
    # Nothing is lost: it is still told that we started.
    scene.answers[URL] = reply()
    scene.heard.clear()
    scene.run(1900)
    assert scene.events[0] is Event.STARTED
    assert len(scene.reports) == 1


def test_trouble_that_comes_back_is_told_again() -> None:
    scene = Scene()
    for answer in (b"", reply(), b""):
        scene.answers[URL] = answer
        scene.run(INTERVAL_SECONDS)
    assert len(scene.reports) == 2


def test_a_warning_is_told_once() -> None:
    scene = Scene()
    scene.answers[URL] = reply(warning="mind the gap")
    scene.run(5 * INTERVAL_SECONDS)
    assert scene.reports == [f"tracker {URL} warns: mind the gap"]


def test_the_next_tracker_is_asked_when_one_fails() -> None:
    scene = Scene([URL], [OTHER])
    scene.answers[URL] = OSError(111, "refused")
    scene.run(1)
    assert [url for url, _ in scene.heard] == [URL, OTHER]
    assert scene.events == [Event.STARTED, Event.STARTED]
    scene.stop()
    scene.run(1)
    assert scene.heard[-1][0] == OTHER
    assert scene.last.event is Event.STOPPED


def test_trackers_that_cannot_be_asked_are_told_of_and_left_out() -> None:
    scene = Scene(["ws://192.0.2.1:80/announce", f"udp://192.0.2.1/{'x' * 1024}"], ["rubbish"])
    scene.run(1000)
    assert not scene.heard
    schemes = "http://, https:// or udp://"
    first, second, third = sorted(scene.reports)
    assert first == f"tracker rubbish: is no {schemes} URL; it is not asked"
    assert second.startswith("tracker udp://192.0.2.1/xxx")
    assert second.endswith("xxx: its path has more than 1024 bytes; it is not asked")
    assert third == f"tracker ws://192.0.2.1:80/announce: is no {schemes} URL; it is not asked"
    scene.stop()
    scene.run()
    assert len(scene.stopped_at) == 1


def test_a_torrent_without_trackers_just_ends() -> None:
    scene = Scene([])
    scene.run(1000)
    scene.announcer.completed()
    scene.stop()
    scene.run()
    assert scene.stopped_at == [1000]
    assert not scene.reports


def test_other_services_of_this_machine_are_not_asked() -> None:
    scene = Scene(["http://localhost:8080/shutdown?now=1"]).run()
    assert not scene.heard
    assert scene.reports == [
        "tracker http://localhost:8080/shutdown?now=1: leads to this machine, but not to "
        "/announce; it is not asked"
    ]


# What a tracker says of us, and of when to come again.


def test_where_the_tracker_sees_us_nobody_is_dialled() -> None:
    scene = Scene()
    us, other = Peer("192.0.2.5", 6881), Peer("192.0.2.5", 6882)
    scene.answers[URL] = reply(peers=(us, other), external_ip=bytes((192, 0, 2, 5)))
    assert scene.run().found == [("192.0.2.5", 6882)]


def test_a_tracker_that_refuses_for_an_hour_is_not_asked_for_an_hour() -> None:
    scene = Scene()
    scene.answers[URL] = http(
        encode_announce_response(AnnounceResponse(failure="full", retry_in=3600))
    )
    scene.run(2 * 3600)
    assert len(scene.at) == 2
    assert 3600 <= scene.at[1] <= 3960
    assert scene.reports == [f"tracker {URL}: it refuses: full"]


def test_a_tracker_that_never_wants_to_hear_of_us_does_not() -> None:
    scene = Scene([URL], [OTHER])
    scene.answers[URL] = http(encode_announce_response(AnnounceResponse(failure="no", retry_in=0)))
    scene.run(50 * INTERVAL_SECONDS)
    assert [url for url, _ in scene.heard].count(URL) == 1
    assert len(scene.heard) > 40
    assert scene.reports == [f"tracker {URL}: it refuses: no; it is not asked again"]


# Over real connections.


def announcer_of(
    raw_server: RawServer, url: str, torrent: Told, found: Callable[..., None]
) -> tuple[Announcer, list[str]]:
    reports: list[str] = []
    announcer = Announcer(raw_server, [[url]], torrent, found, reports.append)
    announcer.start()
    return announcer, reports


def test_two_find_each_other_by_our_own_tracker(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server)
    tracker.listen(0, "127.0.0.1")
    url = f"http://127.0.0.1:{tracker.port}/announce"
    seed = Told(peer_id=b"-RS0001-000000000001", listening_port=7001, bytes_left=0)
    first, _ = announcer_of(raw_server, url, seed, lambda addresses: None)
    run_until(raw_server, lambda: tracker.registry.num_peers == 1)
    found: list[tuple[str, int]] = []
    getter = Told(listening_port=7002)
    second, reports = announcer_of(raw_server, url, getter, found.extend)
    run_until(raw_server, lambda: found)
    assert found == [("127.0.0.1", 7001)]
    getter.bytes_left = 0
    second.completed()
    run_until(raw_server, lambda: next(tracker.registry.torrents()).downloaded == 1)
    stopped: list[int] = []
    for announcer in (first, second):
        announcer.stop(lambda: stopped.append(1))
    run_until(raw_server, lambda: len(stopped) == 2)
    assert tracker.registry.num_peers == 0
    assert not reports
    tracker.close()


def test_rubbish_over_a_real_connection(raw_server: RawServer) -> None:
    server = Recorder(data_came_in=lambda connection: connection.write(bytes(100_000)))
    url = f"http://127.0.0.1:{listen(raw_server, server)}/announce"
    announcer, reports = announcer_of(raw_server, url, Told(), lambda addresses: None)
    run_until(raw_server, lambda: reports)
    assert reports[0].startswith(f"tracker {url}: the reply is not HTTP")
    stopped: list[int] = []
    announcer.stop(lambda: stopped.append(1))
    run_until(raw_server, lambda: stopped)
