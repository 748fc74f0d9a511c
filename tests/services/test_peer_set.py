"""Who may join, who is dialled, and who is sent away."""

from pathlib import Path

import pytest

from kit.loop import run_until
from kit.scripted_peer import ScriptedPeer
from kit.seeding import Scene
from rawserver import RawServer
from rawserver.services import peer_set as peer_set_module
from rawserver.wire import peer_wire
from rawserver.wire.peer_wire import Bitfield, Handshake, KeepAlive


def checked(raw_server: RawServer, folder: Path, **options: object) -> Scene:
    scene = Scene(raw_server, folder, **options)  # type: ignore[arg-type]
    run_until(raw_server, lambda: scene.owner.checked)
    return scene


def scripted(scene: Scene, peer_id: bytes) -> ScriptedPeer:
    return ScriptedPeer(scene.raw_server, scene.metainfo.info_hash, peer_id)


def hang_up(peer: ScriptedPeer) -> None:
    assert peer.connection is not None
    peer.connection.close()


def test_addresses_are_dialled(raw_server: RawServer, tmp_path: Path) -> None:
    scene = checked(raw_server, tmp_path)
    peer = scripted(scene, b"-XX0001-aaaaaaaaaaaa")
    port = peer.listen()
    scene.torrent.peers.found([("127.0.0.1", port)], "test", raw_server.network.time())
    run_until(raw_server, lambda: peer.got(Handshake) and len(scene.torrent.peers) == 1)


def test_a_dial_that_fails_costs_nothing(raw_server: RawServer, tmp_path: Path) -> None:
    scene = checked(raw_server, tmp_path)
    free = raw_server.create_serversocket(0, "127.0.0.1")
    port = free.getsockname()[1]
    free.close()
    peer = scripted(scene, b"-XX0001-aaaaaaaaaaaa")
    addresses = [("127.0.0.1", port), ("127.0.0.1", peer.listen())]
    scene.torrent.peers.found(addresses, "test", raw_server.network.time())
    run_until(raw_server, lambda: peer.got(Handshake))


def test_who_answers_for_another_torrent_is_dropped(raw_server: RawServer, tmp_path: Path) -> None:
    scene = checked(raw_server, tmp_path)
    peer = ScriptedPeer(raw_server, bytes(20), b"-XX0001-aaaaaaaaaaaa")
    address = ("127.0.0.1", peer.listen())
    scene.torrent.peers.found([address], "test", raw_server.network.time())
    run_until(raw_server, lambda: peer.lost)


def test_we_are_not_our_own_peer(raw_server: RawServer, tmp_path: Path) -> None:
    scene = checked(raw_server, tmp_path)
    us = ("127.0.0.1", scene.port.port)
    scene.torrent.peers.found([us], "test", raw_server.network.time())
    run_until(raw_server, lambda: us not in scene.torrent.peers.candidates)
    assert not scene.torrent.peers.candidates.add(us, "test", raw_server.network.time())
    assert len(scene.torrent.peers) == 0


def test_one_connection_to_each_peer(raw_server: RawServer, tmp_path: Path) -> None:
    scene = checked(raw_server, tmp_path)
    first = scripted(scene, b"-XX0001-aaaaaaaaaaaa").dial(scene.port.port)
    run_until(raw_server, lambda: first.got(Handshake))
    second = scripted(scene, b"-XX0001-aaaaaaaaaaaa").dial(scene.port.port)
    run_until(raw_server, lambda: second.lost)
    assert not first.lost


def test_who_dialled_us_is_known_where_we_reach_it_too(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = checked(raw_server, tmp_path)
    peers = scene.torrent.peers
    # The larger id's own connection stays.
    here = scripted(scene, b"\xff" * 20).dial(scene.port.port)
    run_until(raw_server, lambda: len(peers) == 1)
    again = scripted(scene, b"\xff" * 20)
    address = ("127.0.0.1", again.listen())
    peers.found([address], "test", raw_server.network.time())
    run_until(raw_server, lambda: again.lost)
    later = raw_server.network.time() + 3600
    assert not here.lost
    assert peers.candidates.next_to_dial(later) is None
    hang_up(here)
    run_until(raw_server, lambda: not len(peers))
    assert peers.candidates.next_to_dial(later) == address


@pytest.mark.parametrize("theirs", [b"\x00" * 20, b"\xff" * 20])
def test_of_two_that_dial_at_once_both_sides_keep_the_same_connection(
    raw_server: RawServer, tmp_path: Path, theirs: bytes
) -> None:
    scene = checked(raw_server, tmp_path)
    dialled = scripted(scene, theirs)
    address = ("127.0.0.1", dialled.listen())
    scene.torrent.peers.found([address], "test", raw_server.network.time())
    run_until(raw_server, lambda: len(scene.torrent.peers) == 1)
    dialling = scripted(scene, theirs).dial(scene.port.port)
    # The larger id's own connection stays, whichever came first.
    kept, closed = (dialled, dialling) if scene.port.peer_id > theirs else (dialling, dialled)
    run_until(raw_server, lambda: closed.lost)
    assert not kept.lost


def test_there_is_a_limit(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_set_module, "MAX_PEERS", 2)
    scene = checked(raw_server, tmp_path)
    peers = [scripted(scene, b"-XX0001-%012d" % number) for number in range(3)]
    for peer in peers:
        peer.dial(scene.port.port)
    run_until(raw_server, lambda: sum(peer.lost for peer in peers) == 1)
    assert len(scene.torrent.peers) == 2


def test_a_seed_has_no_use_for_a_seed(raw_server: RawServer, tmp_path: Path) -> None:
    scene = checked(raw_server, tmp_path, have=200_000)
    peer = scripted(scene, b"-XX0001-aaaaaaaaaaaa").dial(scene.port.port)
    run_until(raw_server, lambda: peer.got(Bitfield))
    peer.send(peer_wire.encode_bitfield(scene.torrent.have.to_bytes()))
    run_until(raw_server, lambda: peer.lost)


@pytest.mark.parametrize("who_parts", ["we", "the other"])
def test_a_seed_does_not_dial_a_seed_again(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who_parts: str
) -> None:
    if who_parts == "the other":
        monkeypatch.setattr(peer_set_module.PeerSet, "tick", lambda *_: None)
    scene = checked(raw_server, tmp_path, have=200_000)
    peers = scene.torrent.peers
    peer = scripted(scene, b"-XX0001-aaaaaaaaaaaa")
    address = ("127.0.0.1", peer.listen())
    peers.found([address], "test", raw_server.network.time())
    run_until(raw_server, lambda: peer.got(Bitfield))
    peer.send(peer_wire.encode_bitfield(scene.torrent.have.to_bytes()))
    if who_parts == "the other":
        run_until(raw_server, lambda: any(one.bits.is_full for one in peers))
        hang_up(peer)
    run_until(raw_server, lambda: not len(peers))
    assert address not in peers.candidates
    assert not peers.candidates.add(address, "tracker", raw_server.network.time())


def test_a_seed_dials_a_leecher_again(raw_server: RawServer, tmp_path: Path) -> None:
    scene = checked(raw_server, tmp_path, have=200_000)
    peers = scene.torrent.peers
    peer = scripted(scene, b"-XX0001-aaaaaaaaaaaa")
    address = ("127.0.0.1", peer.listen())
    peers.found([address], "test", raw_server.network.time())
    run_until(raw_server, lambda: peer.got(Bitfield))
    hang_up(peer)
    run_until(raw_server, lambda: not len(peers))
    assert peers.candidates.next_to_dial(raw_server.network.time() + 60) == address


def test_a_silent_peer_is_sent_away(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_set_module, "SILENCE_SECONDS", 0.1)
    scene = checked(raw_server, tmp_path)
    peer = scripted(scene, b"-XX0001-aaaaaaaaaaaa").dial(scene.port.port)
    run_until(raw_server, lambda: peer.lost)


def test_a_connection_is_kept_alive(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_set_module, "KEEP_ALIVE_SECONDS", 0.1)
    scene = checked(raw_server, tmp_path)
    peer = scripted(scene, b"-XX0001-aaaaaaaaaaaa").dial(scene.port.port)
    run_until(raw_server, lambda: peer.got(KeepAlive))


def test_a_peer_is_measured_only_while_something_moves(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = checked(raw_server, tmp_path)
    scripted(scene, b"-XX0001-aaaaaaaaaaaa").dial(scene.port.port)
    run_until(raw_server, lambda: len(scene.torrent.peers) == 1)
    peers, now = scene.torrent.peers, raw_server.network.time()
    (peer,) = peers
    assert not peer.rests
    peers.tick(now + 1, False)
    assert peer.rests
    peer.uploaded.add(1000)
    peer.moves()
    peers.tick(now + 2, False)
    assert (peer.rests, peer.upload_rate > 0) == (False, True)
    peers.tick(now + 13, False)
    assert (peer.rests, peer.upload_rate) == (True, 0.0)


def test_who_gets_everything_after_us_is_sent_away(raw_server: RawServer, tmp_path: Path) -> None:
    scene = checked(raw_server, tmp_path, have=200_000)
    peer = scripted(scene, b"-XX0001-aaaaaaaaaaaa").dial(scene.port.port)
    run_until(raw_server, lambda: len(scene.torrent.peers) == 1)
    scene.torrent.peers.tick(raw_server.network.time() + 1, True)
    for index in range(scene.metainfo.num_pieces):
        peer.send(peer_wire.encode_have(index))
    run_until(raw_server, lambda: peer.lost)
