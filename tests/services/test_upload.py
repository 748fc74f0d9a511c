"""Giving: limits, slots, and data that cannot be read."""

from pathlib import Path

import pytest

from kit.content import folder_metainfo, random_bytes, write_folder
from kit.loop import run_until
from kit.scripted_peer import ScriptedPeer
from kit.seeding import Scene
from rawserver import RawServer
from rawserver.engine.os_disk import OsFile
from rawserver.swarm.choker import SLOTS
from rawserver.wire import peer_wire
from rawserver.wire.peer_wire import Handshake, Piece, Unchoke


def seeding(raw_server: RawServer, folder: Path, size: int = 400_000, limit: int = 0) -> Scene:
    scene = Scene(raw_server, folder, size, have=size, upload_limit=limit)
    run_until(raw_server, lambda: scene.owner.completed)
    return scene


def leech(scene: Scene, number: int = 1) -> ScriptedPeer:
    peer_id = b"-XX0001-leech%07d" % number
    peer = ScriptedPeer(scene.raw_server, scene.metainfo.info_hash, peer_id)
    peer.answers[Handshake] = lambda _: peer.send(peer_wire.INTERESTED)
    return peer.dial(scene.port.port)


def ask_for_all(scene: Scene, peer: ScriptedPeer) -> int:
    """Ask for every block; returns how many."""
    count = 0
    for index in range(scene.metainfo.num_pieces):
        size = scene.metainfo.piece_size(index)
        for begin in range(0, size, 16384):
            peer.send(peer_wire.encode_request(index, begin, min(16384, size - begin)))
            count += 1
    return count


def received(peer: ScriptedPeer, piece_length: int = 32768) -> bytes:
    pieces = sorted(peer.got(Piece), key=lambda piece: (piece.index, piece.begin))
    return b"".join(piece.block for piece in pieces)


def test_everything_is_served_in_order(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path)
    peer = leech(scene)
    run_until(raw_server, lambda: peer.got(Unchoke))
    count = ask_for_all(scene, peer)
    run_until(raw_server, lambda: len(peer.got(Piece)) == count)
    assert received(peer) == scene.data
    assert scene.torrent.status().bytes_uploaded == 400_000


def test_what_is_not_in_memory_is_read_by_a_worker(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OsFile, "read_cached", lambda *args: False)
    scene = seeding(raw_server, tmp_path)
    peer = leech(scene)
    run_until(raw_server, lambda: peer.got(Unchoke))
    count = ask_for_all(scene, peer)
    run_until(raw_server, lambda: len(peer.got(Piece)) == count)
    assert received(peer) == scene.data


def test_blocks_that_cross_files_are_served(raw_server: RawServer, tmp_path: Path) -> None:
    files = [((f"{number}.bin",), random_bytes(7_000 + number, number)) for number in range(20)]
    metainfo = folder_metainfo(files)
    write_folder(tmp_path / "folder", files)
    scene = Scene(raw_server, tmp_path, metainfo=metainfo)
    run_until(raw_server, lambda: scene.owner.completed)
    peer = leech(scene)
    run_until(raw_server, lambda: peer.got(Unchoke))
    count = ask_for_all(scene, peer)
    run_until(raw_server, lambda: len(peer.got(Piece)) == count)
    assert received(peer) == b"".join(content for _, content in files)


def test_a_peer_that_reads_slowly_is_not_buffered_without_end(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = seeding(raw_server, tmp_path, 8_000_000)
    peer = leech(scene)
    run_until(raw_server, lambda: peer.got(Unchoke))
    assert peer.connection is not None
    peer.connection.pause_reading()
    count = ask_for_all(scene, peer)
    (ours,) = scene.torrent.peers
    run_until(raw_server, lambda: not ours.connection.is_flushed())
    assert ours.connection.buffered <= 1024 * 1024
    peer.connection.resume_reading()
    run_until(raw_server, lambda: len(peer.got(Piece)) == count)
    assert received(peer) == scene.data


def test_the_limit_is_kept_and_shared(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path, 400_000, limit=400_000)
    peers = [leech(scene, number) for number in range(2)]
    run_until(raw_server, lambda: all(peer.got(Unchoke) for peer in peers))
    began = raw_server.network.time()
    counts = [ask_for_all(scene, peer) for peer in peers]
    run_until(raw_server, lambda: len(peers[0].got(Piece)) + len(peers[1].got(Piece)) >= 10)
    assert abs(len(peers[0].got(Piece)) - len(peers[1].got(Piece))) <= 1
    run_until(
        raw_server,
        lambda: all(
            len(peer.got(Piece)) == count for peer, count in zip(peers, counts, strict=True)
        ),
    )
    # 800,000 bytes at 400,000 a second, half a second's worth of which may be saved up.
    assert raw_server.network.time() - began >= 1.4


def test_a_file_that_has_become_shorter_ends_the_torrent(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = seeding(raw_server, tmp_path)
    peer = leech(scene)
    run_until(raw_server, lambda: peer.got(Unchoke))
    scene.path.write_bytes(b"short")
    peer.send(peer_wire.encode_request(5, 0, 16384))
    run_until(raw_server, lambda: scene.owner.error)
    assert str(scene.owner.error) == f"{scene.path}: is shorter than it should be"


def test_a_file_that_is_gone_ends_the_torrent(raw_server: RawServer, tmp_path: Path) -> None:
    files = [(("a",), random_bytes(20_000)), (("b",), random_bytes(20_000, 2))]
    write_folder(tmp_path / "folder", files)
    scene = Scene(raw_server, tmp_path, metainfo=folder_metainfo(files), just_made=True)
    run_until(raw_server, lambda: scene.owner.completed)
    (tmp_path / "folder" / "b").unlink()
    peer = leech(scene)
    run_until(raw_server, lambda: peer.got(Unchoke))
    peer.send(peer_wire.encode_request(2, 0, 1000))
    run_until(raw_server, lambda: scene.owner.error)
    assert "b: cannot be read: No such file" in str(scene.owner.error)


def test_there_are_so_many_slots_and_a_free_one_is_filled_at_once(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = seeding(raw_server, tmp_path)
    peers = [leech(scene, number) for number in range(SLOTS + 2)]
    run_until(raw_server, lambda: sum(bool(peer.got(Unchoke)) for peer in peers) == SLOTS)
    run_until(raw_server, lambda: all(peer.got(Handshake) for peer in peers))
    holder = next(peer for peer in peers if peer.got(Unchoke))
    assert holder.connection is not None
    holder.connection.close()
    run_until(raw_server, lambda: sum(bool(peer.got(Unchoke)) for peer in peers) == SLOTS + 1)
