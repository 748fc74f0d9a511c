"""One address after the other, on a simulated net that loses, refuses and lies."""

import errno
from collections.abc import Callable
from typing import Any

import pytest

from kit.udp_tracker import INTERVAL_SECONDS, PEER4, REQUEST, UdpScene
from rawserver.engine.addresses import literal_address
from rawserver.services.udp_connection_ids import LIFETIME_SECONDS
from rawserver.services.udp_exchange import FIRST_WAIT_SECONDS, UdpExchange
from rawserver.simulation import World
from rawserver.simulation.rules import PASS, Deliver, Fail, Verdict
from rawserver.wire.udp_tracker_replies import encode_udp_connect_reply, encode_udp_error
from rawserver.wire.udp_tracker_requests import (
    UdpAnnounce,
    UdpConnect,
    UdpRequest,
    encode_udp_announce,
)

ROUND_TRIP = 0.04
NEAR = 0.005


@pytest.fixture
def scene(world: World) -> UdpScene:
    return UdpScene(world)


def test_connect_and_announce(scene: UdpScene) -> None:
    outcome = scene.asked()
    assert outcome.response is not None
    assert outcome.peers == (PEER4,)
    assert outcome.response.interval == INTERVAL_SECONDS
    assert (outcome.response.complete, outcome.response.incomplete) == (2, 3)
    assert outcome.seconds == pytest.approx(2 * ROUND_TRIP, abs=NEAR)
    assert scene.tracker.kinds == "ca"
    connect, announce = scene.tracker.requests
    assert connect.transaction_id != announce.transaction_id


# What is lost.


def test_a_lost_connect_is_sent_again(scene: UdpScene) -> None:
    lost = scene.lose(2)
    outcome = scene.asked()
    assert outcome.peers == (PEER4,)
    assert scene.tracker.kinds == "ca"
    waited = FIRST_WAIT_SECONDS * (1 + 2)
    assert outcome.seconds == pytest.approx(waited + 2 * ROUND_TRIP, abs=NEAR)
    # The same question, so that a late answer to the first is one to the second.
    assert bytes(lost[0].payload)[12:16] == scene.tracker.requests[0].transaction_id


def test_a_lost_reply_to_a_connect_is_asked_for_again(scene: UdpScene) -> None:
    scene.lose(1, to=scene.OURS)
    assert scene.asked().peers == (PEER4,)
    assert scene.tracker.kinds == "cca"


@pytest.mark.parametrize("direction", ["to", "from"])
def test_a_lost_announce_is_sent_again(scene: UdpScene, direction: str) -> None:
    def connected(request: UdpRequest) -> list[bytes]:
        if isinstance(request, UdpConnect):
            scene.lose(1, to=scene.THEIRS if direction == "to" else scene.OURS)
            if direction == "from":
                # The reply to this passes; that to the announce is lost.
                scene.world.fabric.rules.handles[-1].remove()
                scene.world.schedule(ROUND_TRIP * 0.75, scene.lose, 1, scene.OURS)
        return scene.tracker.right(request)

    scene.tracker.script = connected
    outcome = scene.asked()
    assert outcome.peers == (PEER4,)
    assert scene.tracker.kinds == ("ca" if direction == "to" else "caa")
    assert outcome.seconds == pytest.approx(FIRST_WAIT_SECONDS + 2 * ROUND_TRIP, abs=NEAR)


def test_a_late_reply_counts(scene: UdpScene) -> None:
    def late(packet: Any) -> Verdict:
        return Deliver(3.0) if packet.destination[0] == scene.OURS else PASS

    scene.world.fabric.rules.add(late)
    outcome = scene.asked()
    assert outcome.peers == (PEER4,)
    assert outcome.seconds < 6.2


def test_silence_is_asked_ever_more_seldom_until_the_time_is_up(scene: UdpScene) -> None:
    scene.tracker.script = lambda request: []
    outcome = scene.asked()
    assert outcome.reason == "no reply within 20 seconds"
    assert outcome.seconds == pytest.approx(20.0, abs=NEAR)
    began = scene.tracker.at[0]
    assert [at - began for at in scene.tracker.at] == pytest.approx([0, 2, 6, 14], abs=NEAR)
    assert len({request.transaction_id for request in scene.tracker.requests}) == 1


def test_duplicates_do_no_harm(scene: UdpScene) -> None:
    scene.tracker.script = lambda request: scene.tracker.right(request) * 3
    assert scene.asked().peers == (PEER4,)
    assert scene.tracker.kinds == "ca"


# Connection ids.


def test_an_id_is_used_again_for_a_minute(scene: UdpScene) -> None:
    for seconds in (0.0, 20.0, LIFETIME_SECONDS):
        scene.world.run(seconds=seconds)
        assert scene.asked().peers == (PEER4,)
    assert scene.tracker.kinds == "caa" + "ca"


def test_an_id_that_is_refused_is_asked_for_anew_at_once(scene: UdpScene) -> None:
    scene.asked()
    scene.tracker.id = b"ID-00002"
    outcome = scene.asked()
    assert outcome.peers == (PEER4,)
    assert scene.tracker.kinds == "ca" + "aca"
    assert outcome.seconds == pytest.approx(3 * ROUND_TRIP, abs=NEAR)


def test_an_id_that_is_met_with_silence_is_asked_for_anew(scene: UdpScene) -> None:
    scene.asked()
    scene.tracker.id = b"ID-00002"

    def silent(request: UdpRequest) -> list[bytes]:
        if isinstance(request, UdpAnnounce) and request.connection_id != scene.tracker.id:
            return []
        return scene.tracker.right(request)

    scene.tracker.script = silent
    assert scene.asked().peers == (PEER4,)
    assert scene.tracker.kinds == "ca" + "aca"


def test_an_id_that_grows_old_amid_an_announce_is_asked_for_anew(scene: UdpScene) -> None:
    def silent(request: UdpRequest) -> list[bytes]:
        return [] if isinstance(request, UdpAnnounce) else scene.tracker.right(request)

    scene.tracker.script = silent
    outcome = scene.announce(timeout=100.0)
    scene.world.run(seconds=110.0)
    assert outcome.reason == "no reply within 100 seconds"
    assert scene.tracker.kinds == "ca" + "aaaa" + "ca" + "aaaa"[: len(scene.tracker.kinds) - 8]
    assert scene.tracker.kinds.count("c") == 2


def test_a_fresh_id_that_is_refused_is_a_refusal(scene: UdpScene) -> None:
    def refusing(request: UdpRequest) -> list[bytes]:
        if isinstance(request, UdpAnnounce):
            return [encode_udp_error(request.transaction_id, "not registered")]
        return scene.tracker.right(request)

    scene.tracker.script = refusing
    outcome = scene.asked()
    assert outcome.response is not None
    assert outcome.response.failure == "not registered"
    assert scene.tracker.kinds == "ca"


def test_a_connect_can_be_refused(scene: UdpScene) -> None:
    scene.tracker.script = lambda one: [encode_udp_error(one.transaction_id, "closed\x1b\n")]
    outcome = scene.asked()
    assert outcome.response is not None
    assert outcome.response.failure == "closed"


# What is no answer of whom we asked.


def other_id(reply: bytes) -> bytes:
    return reply[:4] + bytes(byte ^ 1 for byte in reply[4:8]) + reply[8:]


@pytest.mark.parametrize("change", [other_id, lambda reply: reply[:7], lambda reply: b""])
def test_what_does_not_name_our_question_is_ignored(
    scene: UdpScene, change: Callable[[bytes], bytes]
) -> None:
    def lying(request: UdpRequest) -> list[bytes]:
        right = scene.tracker.right(request)
        return [change(reply) for reply in right] * 5 + right

    scene.tracker.script = lying
    assert scene.asked().peers == (PEER4,)
    assert scene.tracker.kinds == "ca"


def test_what_comes_from_elsewhere_is_ignored(scene: UdpScene) -> None:
    """Even if somebody has read the transaction id."""
    server = scene.other.raw_servers[0]
    # Another port of the tracker's own machine.
    sock = server.create_udpsocket(0, scene.THEIRS)
    other = server.start_listening_udp(sock, scene.tracker)

    def overheard(request: UdpRequest) -> list[bytes]:
        forged = encode_udp_connect_reply(request.transaction_id, b"FORGED!!")
        assert other.write_to(forged, scene.tracker.askers[-1])
        return []

    scene.tracker.script = overheard
    outcome = scene.asked(timeout=5.0)
    assert other.sent == 2
    assert outcome.reason == "no reply within 5 seconds"
    assert scene.tracker.kinds == "cc"


def test_what_came_before_the_socket_was_connected_is_ignored(scene: UdpScene) -> None:
    exchange, outcomes = exchange_with(scene, scene.THEIRS)
    scene.world.run(seconds=1.8 * ROUND_TRIP)
    _, announce = scene.tracker.requests
    for address in (("10.0.0.2", 6970), ("10.0.0.3", 6969), ("::1", 6969, 0, 0)):
        exchange.data_came_in(address, encode_udp_error(announce.transaction_id, "forged"))
    assert not outcomes
    exchange.data_came_in((scene.THEIRS, 6969), encode_udp_error(announce.transaction_id, "here"))
    assert outcomes[0][1].failure == "here"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"\0\0\0\0TTTT1234", "the reply to a connect request is cut short"),
        (b"\0\0\0\1TTTT" + bytes(12), "the reply is to another question"),
        (b"\0\0\0\7TTTT" + bytes(12), "there is no action 7"),
    ],
)
def test_nonsense_that_names_our_question(scene: UdpScene, reply: bytes, reason: str) -> None:
    scene.tracker.script = lambda request: [reply.replace(b"TTTT", request.transaction_id)]
    assert scene.asked().reason == reason


def test_peers_that_are_cut_short(scene: UdpScene) -> None:
    def cutting(request: UdpRequest) -> list[bytes]:
        (reply,) = scene.tracker.right(request)
        return [reply[:-1]] if isinstance(request, UdpAnnounce) else [reply]

    scene.tracker.script = cutting
    assert "whole number of peers" in scene.asked().reason


# Who is not there.


def test_a_port_where_nobody_listens_is_told_at_once(scene: UdpScene) -> None:
    outcome = scene.asked("udp://10.0.0.2:7777/announce")
    assert outcome.reason == "no connection: Connection refused"
    assert outcome.seconds == pytest.approx(ROUND_TRIP, abs=NEAR)


def test_a_tracker_that_goes_away_amid_an_announce(scene: UdpScene) -> None:
    def leaving(request: UdpRequest) -> list[bytes]:
        if isinstance(request, UdpConnect):
            scene.world.schedule(0.0, scene.tracker.socket.end)
        return scene.tracker.right(request)

    scene.tracker.script = leaving
    assert scene.asked().reason == "no connection: Connection refused"


def test_a_system_that_refuses_to_send_is_told(scene: UdpScene) -> None:
    scene.world.fabric.rules.add(lambda packet: Fail(errno.EPERM))
    assert scene.asked().reason == "no connection: Operation not permitted"


def test_where_there_is_no_way(world: World) -> None:
    scene = UdpScene(world)
    lonely = world.add_host("lonely", "10.0.0.9")
    scene.raw_server = lonely.boot(lambda raw_server: None)
    assert scene.asked("udp://[fd00::2]:6969/announce").reason.startswith("no connection: ")


# Several addresses.


def exchange_with(scene: UdpScene, *ips: str) -> tuple[UdpExchange, list[Any]]:
    outcomes: list[Any] = []
    scene.lose(1000, to=SILENT)
    addresses = [address for ip in ips if (address := literal_address(ip, scene.PORT))]
    exchange = UdpExchange(
        scene.raw_server,
        scene.ids,
        addresses,
        lambda connection_id, tid: encode_udp_announce(connection_id, tid, REQUEST),
        lambda *outcome: outcomes.append((scene.world.now - began, *outcome)),
        None,
    )
    began = scene.world.now
    scene.raw_server.add_task(exchange.start)
    return exchange, outcomes


SILENT = "10.0.0.77"


def test_a_silent_address_gives_its_turn_to_the_next(scene: UdpScene) -> None:
    scene.tracker.script = lambda one: [encode_udp_error(one.transaction_id, "here")]
    _, outcomes = exchange_with(scene, SILENT, scene.THEIRS)
    scene.world.run(seconds=10.0)
    ((seconds, response, _),) = outcomes
    assert response.failure == "here"
    assert seconds == pytest.approx(FIRST_WAIT_SECONDS + ROUND_TRIP, abs=NEAR)


def test_an_address_that_refuses_is_followed_by_the_next_at_once(scene: UdpScene) -> None:
    scene.world.add_host("closed", "10.0.0.3")
    scene.tracker.script = lambda one: [encode_udp_error(one.transaction_id, "here")]
    _, outcomes = exchange_with(scene, "10.0.0.3", scene.THEIRS)
    scene.world.run(seconds=10.0)
    ((seconds, response, _),) = outcomes
    assert response.failure == "here"
    assert seconds == pytest.approx(2 * ROUND_TRIP, abs=NEAR)


def test_all_refuse(scene: UdpScene) -> None:
    for number in (3, 4):
        scene.world.add_host(f"closed {number}", f"10.0.0.{number}")
    _, outcomes = exchange_with(scene, "10.0.0.3", "10.0.0.4")
    scene.world.run(seconds=10.0)
    assert [outcome[1:] for outcome in outcomes] == [(None, "no connection: Connection refused")]


def test_no_address(scene: UdpScene) -> None:
    _, outcomes = exchange_with(scene)
    scene.world.run(seconds=1.0)
    assert [outcome[1:] for outcome in outcomes] == [(None, "the name has no address")]


def test_all_are_silent(scene: UdpScene) -> None:
    """Each has its turn before it is waited longer; closed, it is still."""
    scene.tracker.script = lambda one: []
    exchange, outcomes = exchange_with(scene, SILENT, scene.THEIRS)
    began = scene.world.now
    scene.world.run(seconds=40.0)
    at = [moment - began for moment in scene.tracker.at]
    assert at == pytest.approx([2, 8, 20], abs=0.1)
    exchange.close()
    scene.world.run(seconds=100.0)
    assert len(scene.tracker.at) == 3
    assert not outcomes
    assert scene.raw_server.udp_sockets() == []
