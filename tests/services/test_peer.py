"""One peer of ours against a scripted one: every message, and everything that is wrong with it."""

import struct
from pathlib import Path

import pytest

from kit.loop import run_until
from kit.scripted_peer import ScriptedPeer
from kit.seeding import Scene
from rawserver import RawServer
from rawserver.services import peer as peer_module
from rawserver.swarm import choker as choker_module
from rawserver.wire import peer_wire
from rawserver.wire.peer_wire import (
    Bitfield,
    Choke,
    Handshake,
    Have,
    Interested,
    Piece,
    Request,
    Unchoke,
)


def seeding(raw_server: RawServer, folder: Path, size: int = 200_000) -> Scene:
    scene = Scene(raw_server, folder, size, have=size)
    run_until(raw_server, lambda: scene.owner.completed)
    return scene


def joined(scene: Scene) -> ScriptedPeer:
    """Return a scripted peer that has shaken hands."""
    peer = ScriptedPeer(scene.raw_server, scene.metainfo.info_hash).dial(scene.port.port)
    run_until(scene.raw_server, lambda: peer.got(Handshake))
    return peer


def unchoked(scene: Scene) -> ScriptedPeer:
    peer = joined(scene)
    peer.send(peer_wire.INTERESTED)
    run_until(scene.raw_server, lambda: peer.got(Unchoke))
    return peer


def test_a_handshake_is_answered_with_ours_and_what_we_have(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = seeding(raw_server, tmp_path)
    peer = joined(scene)
    run_until(raw_server, lambda: peer.got(Bitfield))
    (handshake,) = peer.got(Handshake)
    assert handshake.info_hash == scene.metainfo.info_hash
    assert handshake.peer_id == scene.port.peer_id
    assert peer.got(Bitfield)[0].bits == scene.torrent.have.to_bytes()


def test_blocks_are_served_as_they_are_on_disk(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path)
    peer = unchoked(scene)
    wanted = [(0, 0, 16384), (2, 16384, 16384), (6, 0, 200_000 - 6 * 32768), (1, 5, 7)]
    for block in wanted:
        peer.send(peer_wire.encode_request(*block))
    run_until(raw_server, lambda: len(peer.got(Piece)) == len(wanted))
    for (index, begin, length), piece in zip(wanted, peer.got(Piece), strict=True):
        start = index * 32768 + begin
        assert (piece.index, piece.begin) == (index, begin)
        assert piece.block == scene.data[start : start + length]


def test_requests_of_a_choked_peer_are_dropped(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path)
    peer = joined(scene)
    peer.send(peer_wire.encode_request(0, 0, 16384) + peer_wire.INTERESTED)
    run_until(raw_server, lambda: peer.got(Unchoke))
    peer.send(peer_wire.encode_request(1, 0, 16384))
    run_until(raw_server, lambda: peer.got(Piece))
    assert [piece.index for piece in peer.got(Piece)] == [1]


def test_a_cancelled_request_is_not_served(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path)
    peer = unchoked(scene)
    peer.send(
        peer_wire.encode_request(0, 0, 16384)
        + peer_wire.encode_cancel(0, 0, 16384)
        + peer_wire.encode_cancel(3, 0, 16384)
        + peer_wire.encode_request(1, 0, 16384)
    )
    run_until(raw_server, lambda: peer.got(Piece))
    assert [piece.index for piece in peer.got(Piece)] == [1]


def test_messages_that_we_do_not_know_are_ignored(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path)
    peer = unchoked(scene)
    peer.send(
        peer_wire.encode_unknown(20, b"d1:md6:ut_pexi1eee")
        + peer_wire.encode_port(6881)
        + peer_wire.KEEP_ALIVE
        + peer_wire.CHOKE
        + peer_wire.UNCHOKE
        + peer_wire.encode_request(1, 0, 16384)
    )
    run_until(raw_server, lambda: peer.got(Piece))
    assert not peer.lost


HOSTILE = {
    "a piece that does not exist": peer_wire.encode_have(7),
    "a huge piece index": peer_wire.encode_have(0xFFFFFFFF),
    "a request past the end of a piece": peer_wire.encode_request(0, 32768, 1),
    "a request past the end of the torrent": peer_wire.encode_request(6, 0, 16384),
    "a request of nothing": peer_wire.encode_request(0, 0, 0),
    "a request that is too long": peer_wire.encode_request(0, 0, 128 * 1024 + 1),
    "a request for no piece": peer_wire.encode_request(7, 0, 16384),
    "a bitfield that is too short": peer_wire.encode_bitfield(b""),
    "a bitfield with spare bits": peer_wire.encode_bitfield(b"\xff"),
    "a message that is too long": struct.pack(">IB", 1 << 30, 20),
    "a short have": struct.pack(">IB", 1, 4),
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_wrong_ends_this_connection_alone(
    raw_server: RawServer, tmp_path: Path, message: bytes
) -> None:
    scene = seeding(raw_server, tmp_path)
    good = unchoked(scene)
    bad = ScriptedPeer(raw_server, scene.metainfo.info_hash, b"-XX0001-another-peer")
    bad.dial(scene.port.port)
    run_until(raw_server, lambda: bad.got(Bitfield))
    bad.send(peer_wire.INTERESTED + message)
    run_until(raw_server, lambda: bad.lost)
    good.send(peer_wire.encode_request(0, 0, 16384))
    run_until(raw_server, lambda: good.got(Piece))
    assert not good.lost


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\n\r\n", bytes(68), b"\x13BitTorrent protocoX" + bytes(48)]
)
def test_who_does_not_shake_hands_is_dropped(
    raw_server: RawServer, tmp_path: Path, first: bytes
) -> None:
    scene = seeding(raw_server, tmp_path)
    peer = Stranger(first)
    raw_server.start_connection(("127.0.0.1", scene.port.port), peer)
    run_until(raw_server, lambda: peer.lost)


def test_who_says_nothing_is_dropped(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "HANDSHAKE_TIMEOUT_SECONDS", 0.05)
    scene = seeding(raw_server, tmp_path)
    peer = Stranger(b"")
    raw_server.start_connection(("127.0.0.1", scene.port.port), peer)
    run_until(raw_server, lambda: peer.lost)


class Stranger:
    """Says something and waits for the end."""

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.lost = False

    def connection_made(self, connection: object) -> None:
        connection.write(self.first)  # type: ignore[attr-defined]

    def connection_lost(self, connection: object) -> None:
        self.lost = True


def test_too_many_requests_ahead_end_the_connection(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "MAX_WANTED_BLOCKS", 10)
    scene = seeding(raw_server, tmp_path)
    peer = unchoked(scene)
    peer.send(b"".join([peer_wire.encode_request(0, begin, 1) for begin in range(11)]))
    run_until(raw_server, lambda: peer.lost)


def test_interest_is_told_when_it_begins(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path)
    run_until(raw_server, lambda: scene.owner.checked)
    peer = joined(scene)
    assert not peer.got(Interested)
    peer.send(peer_wire.encode_have(3))
    run_until(raw_server, lambda: peer.got(Interested))


def test_a_later_bitfield_adds_to_the_first(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path)
    run_until(raw_server, lambda: scene.owner.checked)
    peer = joined(scene)
    peer.send(peer_wire.encode_bitfield(b"\x80") + peer_wire.encode_bitfield(b"\x60"))
    (ours,) = scene.torrent.peers
    run_until(raw_server, lambda: ours.bits.count == 3)
    assert ours.interesting == 3
    assert not peer.lost


def test_a_choke_is_sent_when_interest_ends(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path)
    peer = unchoked(scene)
    peer.send(peer_wire.NOT_INTERESTED)
    run_until(raw_server, lambda: peer.got(Choke))


def test_what_we_have_grows_is_told_to_all(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path)
    run_until(raw_server, lambda: scene.owner.checked)
    seed = joined(scene)
    watcher = ScriptedPeer(raw_server, scene.metainfo.info_hash, b"-XX0001-another-peer")
    watcher.dial(scene.port.port)
    run_until(raw_server, lambda: watcher.got(Handshake))

    def serve(request: peer_wire.Request) -> None:
        start = request.index * 32768 + request.begin
        block = scene.data[start : start + request.length]
        seed.send(
            peer_wire.encode_piece_header(request.index, request.begin, request.length) + block
        )

    seed.answers[peer_wire.Request] = serve
    seed.send(peer_wire.encode_bitfield(b"\xfe") + peer_wire.UNCHOKE)
    run_until(raw_server, lambda: len(watcher.got(Have)) == 7)
    assert sorted(have.index for have in watcher.got(Have)) == list(range(7))
    assert scene.path.read_bytes() == scene.data


def test_what_a_peer_has_itself_it_hears_of_with_something_else_or_in_the_end(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = Scene(raw_server, tmp_path)
    run_until(raw_server, lambda: scene.owner.checked)
    seed = joined(scene)
    seed.send(peer_wire.encode_bitfield(b"\xfe") + peer_wire.UNCHOKE)
    for _ in range(6):
        serve(scene, seed)
    assert type(seed.messages[-1]) is Request
    last = serve(scene, seed)
    run_until(raw_server, lambda: len(seed.got(Have)) == 7)
    assert seed.got(Have)[-1] == Have(last)


def test_who_waits_for_us_anyhow_hears_of_pieces_with_what_is_said_next(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = Scene(raw_server, tmp_path)
    run_until(raw_server, lambda: scene.owner.checked)
    seed = joined(scene)
    watcher = watch(scene)
    (ours,) = [peer for peer in scene.torrent.peers if peer.peer_id == watcher.peer_id]
    watcher.send(peer_wire.INTERESTED)
    run_until(raw_server, lambda: watcher.got(Unchoke))
    ours.send_choke()
    seed.send(peer_wire.encode_bitfield(b"\xfe") + peer_wire.UNCHOKE)
    told = [Have(serve(scene, seed)) for _ in range(2)]
    ours.send_unchoke()
    run_until(raw_server, lambda: len(watcher.got(Unchoke)) == 2)
    assert watcher.messages[-3:] == [*told, Unchoke()]


def test_who_is_told_nothing_else_hears_of_pieces_a_moment_later(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = Scene(raw_server, tmp_path)
    run_until(raw_server, lambda: scene.owner.checked)
    seed = joined(scene)
    watcher = watch(scene)
    (ours,) = [peer for peer in scene.torrent.peers if peer.peer_id == watcher.peer_id]
    watcher.send(peer_wire.INTERESTED)
    run_until(raw_server, lambda: watcher.got(Unchoke))
    ours.send_choke()
    seed.send(peer_wire.encode_bitfield(b"\xfe") + peer_wire.UNCHOKE)
    serve(scene, seed)
    now = raw_server.network.time()
    scene.torrent.peers.tick(now + 1, False)
    assert not watcher.got(Have)
    scene.torrent.peers.tick(now + peer_module.MAX_HELD_SECONDS + 1, False)
    run_until(raw_server, lambda: watcher.got(Have))
    assert not seed.got(Have)


def test_what_waits_to_be_said_is_little(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "MAX_HELD_BYTES", 8)
    scene = Scene(raw_server, tmp_path)
    run_until(raw_server, lambda: scene.owner.checked)
    seed = joined(scene)
    seed.send(peer_wire.encode_bitfield(b"\xfe") + peer_wire.UNCHOKE)
    for _ in range(3):
        serve(scene, seed)
    run_until(raw_server, lambda: len(seed.got(Have)) == 3)


def watch(scene: Scene) -> ScriptedPeer:
    """Return a peer that has joined beside another."""
    watcher = ScriptedPeer(scene.raw_server, scene.metainfo.info_hash, b"-XX0001-another-peer")
    watcher.dial(scene.port.port)
    run_until(scene.raw_server, lambda: watcher.got(Handshake) and len(scene.torrent.peers) == 2)
    return watcher


def serve(scene: Scene, seed: ScriptedPeer) -> int:
    """Send one of the pieces that were asked for, when there is one; return its index."""

    def asked() -> list[int]:
        blocks = [request.index for request in seed.got(Request)]
        pieces = [index for index in blocks if not scene.torrent.have.has(index)]
        return [i for i in pieces if blocks.count(i) * 16384 >= scene.metainfo.piece_size(i)]

    run_until(scene.raw_server, asked)
    index = asked()[0]
    for request in seed.got(Request):
        if request.index == index:
            start = index * 32768 + request.begin
            seed.send(
                peer_wire.encode_piece_header(*request) + scene.data[start : start + request.length]
            )
    run_until(scene.raw_server, lambda: scene.torrent.have.has(index))
    return index


def test_who_has_no_use_for_a_piece_before_a_slot_is_free_hears_of_it_later(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choker_module.Choker, "has_free_slot", lambda self, peers: False)
    scene = Scene(raw_server, tmp_path)
    run_until(raw_server, lambda: scene.owner.checked)
    seed = joined(scene)
    watcher = watch(scene)
    seed.send(peer_wire.encode_bitfield(b"\xfe") + peer_wire.UNCHOKE)
    serve(scene, seed)
    (ours,) = [peer for peer in scene.torrent.peers if peer.peer_id == watcher.peer_id]
    assert ours.take_held()
