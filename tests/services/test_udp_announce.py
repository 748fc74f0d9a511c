"""Announces over both families, on a simulated net, and over real sockets."""

from typing import Any

import pytest

from kit.loop import run_until
from kit.udp_tracker import PEER4, PEER6, REQUEST, Outcome, ScriptedUdpTracker, UdpScene
from rawserver import Config, RawServer
from rawserver.http.url import parse_url
from rawserver.services.udp_announce import OTHER_FAMILY_SECONDS, UdpAnnounce, put_together
from rawserver.services.udp_connection_ids import UdpConnectionIds
from rawserver.simulation import World
from rawserver.simulation.names import NameFault
from rawserver.wire.announce_request import Event
from rawserver.wire.announce_response import AnnounceResponse
from rawserver.wire.udp_tracker_replies import encode_udp_error
from rawserver.wire.udp_tracker_requests import UdpAnnounce as Told
from rawserver.wire.udp_tracker_requests import UdpRequest

ROUND_TRIP = 0.04
BY_NAME = f"udp://tracker.example:{UdpScene.PORT}/announce"


@pytest.fixture
def scene(world: World) -> UdpScene:
    return UdpScene(world)


def told(tracker: ScriptedUdpTracker) -> Told:
    (announce,) = [one for one in tracker.requests if isinstance(one, Told)]
    return announce


# What is said.


@pytest.mark.parametrize(
    ("event", "numwant"), [(Event.NONE, None), (Event.STARTED, 7), (Event.STOPPED, 0)]
)
def test_the_tracker_is_told_all(scene: UdpScene, event: Event, numwant: int | None) -> None:
    request = REQUEST._replace(
        uploaded=11, downloaded=22, event=event, numwant=numwant, ip="192.0.2.9"
    )
    assert scene.asked(request=request).peers == (PEER4,)
    assert told(scene.tracker).announce == request


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ("", ""),
        ("/", ""),
        ("/announce", "/announce"),
        ("/KEY/announce?a=b%20c", "/KEY/announce?a=b%20c"),
        ("?a=b", "/?a=b"),
        (f"/{'x' * 600}", f"/{'x' * 600}"),
    ],
)
def test_the_path_is_told(scene: UdpScene, rest: str, path: str) -> None:
    scene.asked(f"udp://10.0.0.2:6969{rest}")
    assert told(scene.tracker).path == path


def test_a_path_that_no_tracker_reads_is_refused(scene: UdpScene) -> None:
    with pytest.raises(ValueError, match="more than 1024 bytes"):
        scene.announce(f"udp://10.0.0.2:6969/{'x' * 1024}")


# Names, and both families.


def test_a_name_of_one_address(scene: UdpScene) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS]
    assert scene.asked(BY_NAME).peers == (PEER4,)


def test_a_tracker_of_both_families_is_told_by_both(scene: UdpScene) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS6, scene.THEIRS]
    other = scene.listen(scene.THEIRS6)
    outcome = scene.asked(BY_NAME, request=REQUEST._replace(ip="192.0.2.9"))
    assert set(outcome.peers) == {PEER4, PEER6}
    assert outcome.seconds < 0.5
    assert told(scene.tracker).announce.key == told(other).announce.key == REQUEST.key
    # Of our IPv4 address the tracker is told where that is how it sees us.
    assert told(scene.tracker).announce.ip == "192.0.2.9"
    assert told(other).announce.ip == ""


def test_the_other_family_is_not_waited_for_long(scene: UdpScene) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS6, scene.THEIRS]
    scene.listen(scene.THEIRS6)
    scene.lose(1000, to=scene.THEIRS6)
    outcome = scene.asked(BY_NAME)
    assert outcome.peers == (PEER4,)
    look_up = 0.1
    assert outcome.seconds <= OTHER_FAMILY_SECONDS + 2 * ROUND_TRIP + look_up


def test_a_family_where_nobody_listens_holds_nothing_up(scene: UdpScene) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS6, scene.THEIRS]
    outcome = scene.asked(BY_NAME)
    assert outcome.peers == (PEER4,)
    assert outcome.seconds < 0.5


def test_only_where_both_families_fail_it_fails(scene: UdpScene) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS6, scene.THEIRS]
    outcome = scene.asked("udp://tracker.example:7777/announce")
    assert outcome.reason == "no connection: Connection refused"
    assert outcome.seconds < 0.5


def test_a_refusal_by_one_family_is_none_while_the_other_may_answer(scene: UdpScene) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS6, scene.THEIRS]
    other = scene.listen(scene.THEIRS6)
    other.script = lambda one: [encode_udp_error(one.transaction_id, "only IPv4")]
    scene.lose(1, to=scene.THEIRS)
    assert scene.asked(BY_NAME).peers == (PEER4,)
    scene.tracker.script = lambda one: [encode_udp_error(one.transaction_id, "closed")]
    outcome = scene.asked(BY_NAME)
    assert outcome.response is not None
    assert outcome.response.failure in ("closed", "only IPv4")


def test_a_refusal_tells_more_than_silence(scene: UdpScene) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS6, scene.THEIRS]
    scene.lose(1000, to=scene.THEIRS6)
    scene.tracker.script = lambda one: [encode_udp_error(one.transaction_id, "closed")]
    outcome = scene.asked(BY_NAME, timeout=5.0)
    assert outcome.response is not None
    assert outcome.response.failure == "closed"


def test_a_name_that_there_is_not(scene: UdpScene) -> None:
    outcome = scene.asked("udp://nowhere.example:80/announce")
    assert outcome.reason.startswith("no connection: ")
    assert outcome.reason.isprintable()


def test_a_name_service_that_is_silent(scene: UdpScene) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS]
    scene.world.names.faults.add(NameFault(kind="no answer"))
    outcome = scene.asked(BY_NAME, timeout=5.0)
    assert outcome.reason == "no reply within 5 seconds"
    assert outcome.seconds == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("ip", [UdpScene.OURS, UdpScene.ALSO_OURS])
def test_who_is_bound_to_an_address_asks_from_it(world: World, ip: str) -> None:
    scene = UdpScene(world, config=Config(bind=ip))
    assert scene.asked().peers == (PEER4,)
    assert {asker[0] for asker in scene.tracker.askers} == {ip}


def test_who_is_bound_to_an_address_asks_by_its_family_alone(world: World) -> None:
    scene = UdpScene(world, config=Config(bind=UdpScene.OURS6))
    scene.world.names["tracker.example"] = [scene.THEIRS, scene.THEIRS6]
    other = scene.listen(scene.THEIRS6)
    assert scene.asked(BY_NAME).peers == (PEER6,)
    assert {asker[0] for asker in other.askers} == {scene.OURS6}
    assert not scene.tracker.requests
    outcome = scene.asked(f"udp://{scene.THEIRS}:6969/announce")
    assert outcome.reason == "no connection: no address that we can ask"


# Ends.


@pytest.mark.parametrize("after", [0.0, 0.03, 0.07, 3.0])
def test_cancelled_it_is_not_heard_of(scene: UdpScene, after: float) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS6, scene.THEIRS]
    outcome = scene.announce(BY_NAME)
    scene.lose(1000, to=scene.THEIRS6)
    if after == 3.0:
        scene.tracker.script = lambda request: []
    scene.world.run(seconds=after)
    assert outcome.announce is not None
    assert not outcome.over
    outcome.announce.cancel()
    outcome.announce.cancel()
    assert scene.raw_server.udp_sockets() == []
    scene.world.run(seconds=60.0)
    assert not outcome.over


@pytest.mark.parametrize("after", [0.0, 0.03, 0.07, 3.0])
def test_it_ends_with_its_context(scene: UdpScene, after: float) -> None:
    scene.world.names["tracker.example"] = [scene.THEIRS6, scene.THEIRS]
    scene.raw_server.add_context("mine")
    outcome = scene.announce(BY_NAME, context="mine")
    scene.lose(1000, to=scene.THEIRS6)
    if after == 3.0:
        scene.tracker.script = lambda request: []
    scene.world.run(seconds=after)
    scene.raw_server.remove_context("mine")
    assert scene.raw_server.udp_sockets() == []
    scene.world.run(seconds=60.0)
    assert not outcome.over
    assert outcome.announce is not None
    outcome.announce.cancel()  # by who does not know that it is over


def test_the_same_seed_gives_the_same(world: World) -> None:
    def play() -> tuple[list[Any], float]:
        scene = UdpScene(World(world.seed))
        scene.lose(1)
        outcome = scene.asked()
        return [request.transaction_id for request in scene.tracker.requests], outcome.seconds

    assert play() == play()


# Replies put together.


def test_what_two_families_answer_is_put_together() -> None:
    one = AnnounceResponse(1800, peers=(PEER4,), complete=5, incomplete=1)
    other = AnnounceResponse(900, peers=(PEER6,), complete=2, incomplete=3)
    no = AnnounceResponse(failure="no")
    assert put_together([one, no, other]) == AnnounceResponse(
        1800, peers=(PEER4, PEER6), complete=5, incomplete=3
    )
    assert put_together([no]) == no


# Real sockets.


@pytest.mark.parametrize(("ip", "peer"), [("127.0.0.1", PEER4), ("::1", PEER6)])
def test_over_loopback(raw_server: RawServer, ip: str, peer: Any) -> None:
    try:
        tracker = ScriptedUdpTracker(raw_server, ip)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    host = f"[{ip}]" if ":" in ip else ip
    outcome = ask(raw_server, f"udp://{host}:{tracker.port}/announce")
    assert outcome.peers == (peer,)
    assert tracker.kinds == "ca"


def ask(raw_server: RawServer, url: str) -> Outcome:
    outcome = Outcome(raw_server)
    parts, ids = parse_url(url, {"udp": 80}), UdpConnectionIds()
    UdpAnnounce(raw_server, ids, parts, REQUEST, outcome, None, 10.0).start()
    run_until(raw_server, lambda: outcome.over)
    return outcome


def test_a_name_over_loopback(raw_server: RawServer) -> None:
    tracker = ScriptedUdpTracker(raw_server, "127.0.0.1")
    assert ask(raw_server, f"udp://localhost:{tracker.port}/announce").peers == (PEER4,)


def test_a_closed_port_over_loopback(raw_server: RawServer) -> None:
    tracker = ScriptedUdpTracker(raw_server, "127.0.0.1")
    tracker.socket.end()
    outcome = ask(raw_server, f"udp://127.0.0.1:{tracker.port}/announce")
    assert outcome.reason == "no connection: Connection refused"
    assert outcome.seconds < 1.5


def test_what_it_is_told_may_be_of_any_length(raw_server: RawServer) -> None:
    tracker = ScriptedUdpTracker(raw_server, "127.0.0.1")

    def long(request: UdpRequest) -> list[bytes]:
        (reply,) = tracker.right(request)
        return [reply + reply[20:26] * 9_000 if isinstance(request, Told) else reply]

    tracker.script = long
    outcome = ask(raw_server, f"udp://127.0.0.1:{tracker.port}/announce")
    assert set(outcome.peers) == {PEER4}
    assert len(outcome.peers) > 1000
