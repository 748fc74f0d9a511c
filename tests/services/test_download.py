"""Getting: from good peers and bad ones, and when the disk fails."""

import errno
from pathlib import Path

import pytest

from kit.content import metainfo_of, random_bytes
from kit.loop import run_until
from kit.scripted_seed import ScriptedSeed
from kit.seeding import Scene
from rawserver import RawServer
from rawserver.services import download as download_module
from rawserver.services import storage as storage_module
from rawserver.services import torrent as torrent_module
from rawserver.swarm import asked_blocks, block_requests
from rawserver.wire import peer_wire
from rawserver.wire.peer_wire import Cancel, Have, Request


def seed_for(scene: Scene, number: int = 1, **options: object) -> ScriptedSeed:
    run_until(scene.raw_server, lambda: scene.owner.checked)
    peer_id = b"-XX0001-seed%08d" % number
    seed = ScriptedSeed(scene.raw_server, scene.metainfo, scene.data, peer_id, **options)  # type: ignore[arg-type]
    seed.dial(scene.port.port)
    return seed


def spoiled(request: Request, block: bytes) -> bytes:
    return bytes(len(block))


def test_everything_comes_from_one_seed(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, 1_000_001)
    seed = seed_for(scene)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.path.read_bytes() == scene.data
    assert len(seed.requests) == len(set(seed.requests))
    assert scene.torrent.status().bytes_downloaded == 1_000_001
    run_until(raw_server, lambda: len(seed.got(Have)) == scene.metainfo.num_pieces)


def test_only_what_is_missing_is_asked_for(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, 200_000, have=3 * 32768)
    seed = seed_for(scene)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.path.read_bytes() == scene.data
    assert {request.index for request in seed.requests} == {3, 4, 5, 6}


def test_who_alone_sent_a_bad_piece_is_dropped_and_banned(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = Scene(raw_server, tmp_path)
    liar = seed_for(scene, 1, spoil=spoiled)
    run_until(raw_server, lambda: liar.lost)
    assert any("sent bad data for piece" in text for text in scene.owner.reports)
    again = seed_for(scene, 2)
    run_until(raw_server, lambda: again.lost)
    assert scene.torrent.have.count == 0


def test_an_innocent_peer_of_the_same_host_stays(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path)
    honest = seed_for(scene, 1)
    honest.serves = False
    run_until(raw_server, lambda: honest.requests)
    liar = seed_for(scene, 2, spoil=spoiled)
    run_until(raw_server, lambda: liar.lost)
    honest.serves = True
    for request in list(honest.requests):
        honest.send_block(request)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.path.read_bytes() == scene.data
    assert not honest.lost


def test_a_liar_among_several_senders_of_a_piece_is_found(
    raw_server: RawServer, tmp_path: Path
) -> None:
    # One piece of many blocks, so that both must have sent some of it.
    metainfo = metainfo_of(random_bytes(1 << 20), piece_length=1 << 20)
    scene = Scene(raw_server, tmp_path, 1 << 20, metainfo=metainfo)
    honest = seed_for(scene, 1)
    honest.serves = False
    run_until(raw_server, lambda: honest.requests)
    liar = seed_for(scene, 2, spoil=spoiled)
    run_until(raw_server, lambda: liar.requests)
    honest.serves = True
    for request in list(honest.requests):
        honest.send_block(request)
    run_until(raw_server, lambda: scene.owner.completed)
    run_until(raw_server, lambda: liar.lost)
    assert scene.path.read_bytes() == scene.data
    assert not honest.lost


def test_blocks_that_nobody_asked_for_are_waste(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path)
    seed = seed_for(scene)
    seed.serves = False
    run_until(raw_server, lambda: seed.requests)
    seed.send(peer_wire.encode_piece_header(0, 1, 16384) + bytes(16384))
    seed.send(peer_wire.encode_piece_header(0xFFFFFFFF, 0, 5) + b"hello")
    run_until(raw_server, lambda: scene.torrent.status().bytes_wasted == 16384 + 5)
    seed.serves = True
    for request in list(seed.requests):
        seed.send_block(request)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.path.read_bytes() == scene.data


def test_what_a_peer_owed_is_asked_of_another_when_it_leaves(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = Scene(raw_server, tmp_path)
    first = seed_for(scene, 1)
    first.serves = False
    run_until(raw_server, lambda: first.requests)
    seed_for(scene, 2)
    assert first.connection is not None
    first.connection.close()
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.path.read_bytes() == scene.data


def test_what_a_peer_owed_is_asked_of_another_when_it_chokes(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = Scene(raw_server, tmp_path)
    first = seed_for(scene, 1)
    first.serves = False
    run_until(raw_server, lambda: first.requests)
    first.send(peer_wire.CHOKE)
    seed_for(scene, 2)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.path.read_bytes() == scene.data


def test_a_peer_that_went_silent_does_not_hold_up_the_end(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "SNUB_SECONDS", 0.1)
    scene = Scene(raw_server, tmp_path)
    silent = seed_for(scene, 1)
    silent.serves = False
    run_until(raw_server, lambda: silent.requests)
    seed_for(scene, 2)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.path.read_bytes() == scene.data


def test_peers_that_went_silent_do_not_keep_the_end_from_one_that_sends(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked_blocks, "QUIET_SECONDS", 0.02)
    monkeypatch.setattr(torrent_module, "TICK_SECONDS", 0.02)
    scene = Scene(raw_server, tmp_path, 32768)
    for number in range(block_requests.MAX_PEERS_PER_BLOCK):
        silent = seed_for(scene, number)
        silent.serves = False
        run_until(raw_server, lambda silent=silent: len(silent.requests) == 2)
    # It is asked for nothing when it comes; and it says nothing more.
    seed_for(scene, 9)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.path.read_bytes() == scene.data


def test_the_endgame_takes_back_what_came_from_another(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = Scene(raw_server, tmp_path, 32768)
    slow = seed_for(scene, 1)
    slow.serves = False
    run_until(raw_server, lambda: len(slow.requests) == 2)
    seed_for(scene, 2)
    run_until(raw_server, lambda: scene.owner.completed)
    run_until(raw_server, lambda: len(slow.got(Cancel)) == 2)


def test_a_full_disk_ends_the_torrent_with_one_line_and_loses_nothing(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(raw_server, tmp_path, 400_000)
    run_until(raw_server, lambda: scene.owner.checked)
    write = storage_module.Storage.write

    def fills_up(storage: storage_module.Storage, data: memoryview, offset: int) -> None:
        if offset >= 5 * 32768:
            raise storage_module.StorageError(
                f"{scene.path}: cannot be written: {errno.errorcode[errno.ENOSPC]}"
            )
        write(storage, data, offset)

    monkeypatch.setattr(storage_module.Storage, "write", fills_up)
    seed_for(scene)
    run_until(raw_server, lambda: scene.owner.error)
    assert str(scene.owner.error) == f"{scene.path}: cannot be written: ENOSPC"
    for index in scene.torrent.have:
        start = index * 32768
        assert scene.path.read_bytes()[start : start + 32768] == scene.data[start : start + 32768]


def test_asking_stops_while_the_disk_is_behind(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "MAX_UNWRITTEN_BYTES", 1)
    scene = Scene(raw_server, tmp_path, 1_000_000)
    seed_for(scene)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.path.read_bytes() == scene.data
