from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.content import metainfo_of
from kit.loop import run_until
from kit.one_worker import one_worker
from kit.tracker_files import Files, verdict
from rawserver import RawServer
from rawserver.services.tracker import torrent_folder
from rawserver.services.tracker.catalog import Listed
from rawserver.services.tracker.file_watch import TrackerFileError
from rawserver.services.tracker.only_listed import OnlyListed
from rawserver.services.tracker.torrent_folder import TorrentFolder

ONE, TWO = metainfo_of(b"data", "one"), metainfo_of(b"data", "two")


@pytest.fixture
def files() -> Files:
    found = Files()
    found.put("folder/one.torrent", ONE.raw)
    found.wait(60.0)
    return found


def wanted(files: Files, folder: TorrentFolder, info_hash: bytes) -> bytes | None:
    """Ask for a .torrent; returns what was given, once."""
    given: list[bytes | None] = []
    folder.torrent(info_hash, given.append)
    files.wait(1.0)
    (data,) = given
    return data


def test_a_folder_is_a_catalogue_as_it_is_now(files: Files) -> None:
    folder = files.follow(TorrentFolder, "folder")
    gate = OnlyListed(folder)
    assert len(folder) == 1
    assert list(folder) == [ONE.info_hash]
    assert ONE.info_hash in folder
    assert folder.find(ONE.info_hash) == Listed("one", 4)
    assert folder.find(TWO.info_hash) is None
    assert verdict(gate, info_hash=TWO.info_hash) == "this torrent is not tracked here"
    files.put("folder/sub/two.torrent", TWO.raw)
    files.disk.remove("/folder/one.torrent")
    assert verdict(gate, info_hash=ONE.info_hash) is None
    files.wait()
    assert verdict(gate, info_hash=TWO.info_hash) is None
    assert verdict(gate, info_hash=ONE.info_hash) == "this torrent is not tracked here"
    assert files.reports == []
    folder.close()
    files.put("folder/one.torrent", ONE.raw)
    files.wait()
    assert ONE.info_hash not in folder


def test_it_is_scanned_when_one_says_so(files: Files) -> None:
    folder = files.follow(TorrentFolder, "folder", seconds=1e6)
    files.put("folder/two.torrent", TWO.raw)
    files.wait()
    assert TWO.info_hash not in folder
    folder.reload()
    files.wait(1.0)
    assert TWO.info_hash in folder


def test_what_is_wrong_is_reported_once_and_again_to_who_asks(files: Files) -> None:
    files.put("folder/bad.torrent", b"")
    files.wait(60.0)
    folder = files.follow(TorrentFolder, "folder")
    files.wait(60.0)
    assert len(files.reports) == 1
    assert files.reports[0].startswith("/folder/bad.torrent: not a torrent file")
    folder.reload()
    files.wait(1.0)
    assert len(files.reports) == 2


def test_a_folder_that_is_not_there_at_first_is_an_error(files: Files) -> None:
    with pytest.raises(TrackerFileError, match="/absent: No such file or directory"):
        files.follow(TorrentFolder, "absent")


def test_a_torrent_is_given_to_who_wants_it(files: Files) -> None:
    folder = files.follow(TorrentFolder, "folder", seconds=1e6)
    assert wanted(files, folder, ONE.info_hash) == ONE.raw
    assert wanted(files, folder, TWO.info_hash) is None
    # Kept, and given at once.
    files.disk.remove("/folder/one.torrent")
    given: list[bytes | None] = []
    folder.torrent(ONE.info_hash, given.append)
    assert given == [ONE.raw]


def test_one_that_has_gone_or_changed_is_not_given_and_looked_for_anew(files: Files) -> None:
    folder = files.follow(TorrentFolder, "folder", seconds=1e6)
    files.put("folder/one.torrent", TWO.raw)
    assert wanted(files, folder, ONE.info_hash) is None
    files.wait(1.0)
    assert list(folder) == [TWO.info_hash]
    files.disk.remove("/folder/one.torrent")
    assert wanted(files, folder, TWO.info_hash) is None
    files.wait(1.0)
    assert list(folder) == []


def test_what_is_kept_has_a_bound(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torrent_folder, "KEPT_BYTES", len(ONE.raw) + len(TWO.raw) - 1)
    files.put("folder/two.torrent", TWO.raw)
    folder = files.follow(TorrentFolder, "folder", seconds=1e6)
    wanted(files, folder, ONE.info_hash)
    wanted(files, folder, TWO.info_hash)
    files.disk.remove("/folder/one.torrent")
    files.disk.remove("/folder/two.torrent")
    assert wanted(files, folder, TWO.info_hash) == TWO.raw
    assert wanted(files, folder, ONE.info_hash) is None


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    with one_worker() as server:
        yield server


def test_on_this_machine(tmp_path: Path, raw_server: RawServer) -> None:
    reports: list[str] = []
    (tmp_path / "one.torrent").write_bytes(ONE.raw)
    folder = TorrentFolder(raw_server, str(tmp_path), reports.append, seconds=0.01)
    folder.load()
    folder.start()
    given: list[bytes | None] = []
    folder.torrent(ONE.info_hash, given.append)
    run_until(raw_server, lambda: given)
    assert given == [ONE.raw]
    (tmp_path / "two.torrent").write_bytes(TWO.raw)
    run_until(raw_server, lambda: TWO.info_hash in folder)
    (tmp_path / "one.torrent").unlink()
    run_until(raw_server, lambda: ONE.info_hash not in folder)
    assert reports == []
    folder.close()
