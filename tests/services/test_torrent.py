"""A torrent's life: checked, completed, stopped, started again."""

from pathlib import Path

from kit.content import folder_metainfo, random_bytes
from kit.loop import run_until
from kit.scripted_peer import ScriptedPeer
from kit.scripted_seed import ScriptedSeed
from kit.seeding import Scene
from rawserver import RawServer
from rawserver.services.resume_record import resume_path
from rawserver.services.torrent_status import TorrentState
from rawserver.wire.peer_wire import Handshake


def stop(raw_server: RawServer, scene: Scene) -> None:
    done: list[bool] = []
    scene.torrent.stop(lambda: done.append(True))
    run_until(raw_server, lambda: done)
    scene.port.close()


def seed_for(scene: Scene, pieces: range | None = None) -> ScriptedSeed:
    run_until(scene.raw_server, lambda: scene.owner.checked)
    seed = ScriptedSeed(
        scene.raw_server, scene.metainfo, scene.data, b"-XX0001-seedseedseed", pieces=pieces
    )
    seed.dial(scene.port.port)
    return seed


def test_what_is_on_disk_is_found(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, 200_000, have=100_000)
    assert scene.torrent.status().state is TorrentState.CHECKING
    run_until(raw_server, lambda: scene.owner.checked)
    status = scene.torrent.status()
    assert status.state is TorrentState.DOWNLOADING
    assert (status.pieces_have, status.bytes_verified) == (3, 3 * 32768)
    assert scene.owner.completed == 0


def test_what_is_complete_is_told_once(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, 200_000, have=200_000)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.owner.completed == 1
    assert scene.torrent.status().state is TorrentState.SEEDING
    assert scene.torrent.status().eta_seconds == 0.0


def test_what_was_just_made_is_not_read_again(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, 200_000, just_made=True)
    run_until(raw_server, lambda: scene.owner.completed)
    assert scene.torrent.status().pieces_have == 7


def test_a_restart_after_a_good_end_believes_its_record(
    raw_server: RawServer, tmp_path: Path
) -> None:
    record = resume_path(str(tmp_path / "content.bin"))
    scene = Scene(raw_server, tmp_path, 200_000, resume_path=record)
    seed_for(scene, range(4))
    run_until(raw_server, lambda: scene.torrent.have.count == 4)
    stop(raw_server, scene)
    again = Scene(raw_server, tmp_path, 200_000, resume_path=record)
    run_until(raw_server, lambda: again.owner.checked)
    assert sorted(again.torrent.have) == [0, 1, 2, 3]
    assert again.torrent.bytes_checked == 0
    assert not again.owner.reports


def test_a_restart_after_a_kill_loses_no_verified_piece(
    raw_server: RawServer, tmp_path: Path
) -> None:
    record = resume_path(str(tmp_path / "content.bin"))
    scene = Scene(raw_server, tmp_path, 200_000, resume_path=record)
    seed_for(scene, range(4))
    run_until(raw_server, lambda: scene.torrent.have.count == 4)
    # As after a kill: nothing is told to the first one, and the second finds what it left.
    again = Scene(raw_server, tmp_path, 200_000, resume_path=record)
    seed = seed_for(again)
    run_until(raw_server, lambda: again.owner.completed)
    assert {request.index for request in seed.requests} == {4, 5, 6}
    assert again.path.read_bytes() == again.data


def test_a_record_is_not_believed_when_the_data_changed(
    raw_server: RawServer, tmp_path: Path
) -> None:
    record = resume_path(str(tmp_path / "content.bin"))
    scene = Scene(raw_server, tmp_path, 200_000, resume_path=record)
    seed_for(scene)
    run_until(raw_server, lambda: scene.owner.completed)
    stop(raw_server, scene)
    scene.path.write_bytes(bytes(32768) + scene.data[32768:])
    again = Scene(raw_server, tmp_path, 200_000, resume_path=record)
    run_until(raw_server, lambda: again.owner.checked)
    assert sorted(again.torrent.have) == [1, 2, 3, 4, 5, 6]


def test_who_was_known_before_it_completed_is_not_dialled_at_once(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = Scene(raw_server, tmp_path, 200_000)
    run_until(raw_server, lambda: scene.owner.checked)
    candidates = scene.torrent.peers.candidates
    now = raw_server.network.time()
    address = ("127.0.0.1", 1)
    candidates.add(address, "tracker", now + 50)
    assert candidates.next_to_dial(now + 60) == address
    seed_for(scene)
    run_until(raw_server, lambda: scene.owner.completed)
    assert candidates.next_to_dial(now + 60) is None
    assert candidates.add(address, "tracker", now)
    assert candidates.next_to_dial(now + 60) == address


def test_a_folder_is_made_with_its_empty_files(raw_server: RawServer, tmp_path: Path) -> None:
    files = [
        (("a", "one"), random_bytes(40_000, 1)),
        (("empty",), b""),
        (("ünïcode", "zwei"), random_bytes(10, 2)),
    ]
    metainfo = folder_metainfo(files)
    scene = Scene(raw_server, tmp_path, metainfo=metainfo)
    scene.data = b"".join(content for _, content in files)
    seed_for(scene)
    run_until(raw_server, lambda: scene.owner.completed)
    for path, content in files:
        assert (tmp_path / "folder").joinpath(*path).read_bytes() == content


def test_a_folder_in_the_way_ends_it_with_one_line(raw_server: RawServer, tmp_path: Path) -> None:
    (tmp_path / "content.bin").mkdir()
    scene = Scene(raw_server, tmp_path)
    run_until(raw_server, lambda: scene.owner.error)
    assert str(tmp_path / "content.bin") in str(scene.owner.error)
    assert "\n" not in str(scene.owner.error)


def test_stopping_ends_all_connections(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, 200_000, have=200_000)
    run_until(raw_server, lambda: scene.owner.checked)
    peer = ScriptedPeer(raw_server, scene.metainfo.info_hash).dial(scene.port.port)
    run_until(raw_server, lambda: peer.got(Handshake))
    stop(raw_server, scene)
    run_until(raw_server, lambda: peer.lost)
    assert scene.torrent.status().state is TorrentState.STOPPED


def test_stopping_while_it_is_checked_is_fine(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, 2_000_000, have=2_000_000)
    stop(raw_server, scene)
    assert not scene.owner.completed
