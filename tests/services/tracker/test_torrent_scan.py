import errno
import os
from pathlib import Path

import pytest

from kit.content import metainfo_of
from kit.tracker_files import Files
from rawserver.engine import OsNetwork
from rawserver.services.tracker import torrent_scan
from rawserver.services.tracker.catalog import Listed
from rawserver.services.tracker.file_watch import SETTLING_SECONDS, TrackerFileError
from rawserver.services.tracker.torrent_scan import Scanned, TorrentScan
from rawserver.simulation.disk_faults import DiskFault
from rawserver.wire.bencode import decode, encode

ONE, TWO, THREE = (metainfo_of(b"data", name) for name in ("one", "two", "three"))


def names(scanned: Scanned) -> list[str]:
    return [torrent.listed.name for torrent in scanned.torrents.values()]


def scanning(files: Files, *, controls: bool = False) -> TorrentScan:
    return TorrentScan(files.host.network, "/folder", controls=controls)


def reads(files: Files) -> list[str]:
    """Return a list that grows by the paths of the files that are read."""
    read: list[str] = []
    read_file = files.disk.read_file

    def counting(path: str, limit: int) -> bytes:
        read.append(path)
        return read_file(path, limit)

    files.disk.read_file = counting  # type: ignore[method-assign]
    return read


@pytest.fixture
def files() -> Files:
    found = Files()
    found.put("folder/b.torrent", ONE.raw)
    found.put("folder/a/deep/C.TORRENT", TWO.raw)
    found.put("folder/a/read me.txt", b"no torrent")
    found.put("folder/.hidden.torrent", THREE.raw)
    found.put("folder/.hidden/c.torrent", THREE.raw)
    found.wait(60.0)
    return found


def test_every_torrent_of_a_folder_and_its_folders_is_listed(files: Files) -> None:
    torrents, problems = scanning(files).scan(True)
    assert problems == []
    assert list(torrents) == [TWO.info_hash, ONE.info_hash]
    found = torrents[ONE.info_hash]
    assert (found.path, found.listed) == ("/folder/b.torrent", Listed("one", 4))


def test_files_come_change_and_go_and_only_those_are_read(files: Files) -> None:
    scan = scanning(files)
    read = reads(files)
    assert names(scan.scan(True)) == ["two", "one"]
    files.put("folder/b.torrent", THREE.raw)
    files.put("folder/z.torrent", ONE.raw)
    files.wait(60.0)
    read.clear()
    assert names(scan.scan(False)) == ["two", "three", "one"]
    assert read == ["/folder/b.torrent", "/folder/z.torrent"]
    files.disk.remove("/folder/a/deep/C.TORRENT")
    assert names(scan.scan(False)) == ["three", "one"]
    assert names(scan.scan(True)) == ["three", "one"]
    assert read == ["/folder/b.torrent", "/folder/z.torrent"]


def test_a_bad_file_is_told_of_once_and_costs_the_others_nothing(files: Files) -> None:
    files.put("folder/a.torrent", b"no torrent")
    files.wait(60.0)
    scan = scanning(files)
    assert scan.scan(False).problems[0].startswith("/folder/a.torrent: not a torrent file")
    again = scan.scan(False)
    assert (names(again), again.problems) == (["two", "one"], [])
    # Who asks is told again, and what is wrong in another way is told too.
    assert len(scan.scan(True).problems) == 1
    files.put("folder/a.torrent", encode({"info": 7}))
    files.wait(60.0)
    assert "no info dictionary" in scan.scan(False).problems[0]
    files.put("folder/a.torrent", THREE.raw)
    files.wait(60.0)
    assert names(scan.scan(False)) == ["two", "three", "one"]


def test_a_file_that_is_being_written_is_neither_bad_nor_gone(files: Files) -> None:
    scan = scanning(files)
    scan.scan(True)
    for length in range(0, len(THREE.raw), 30):
        files.put("folder/b.torrent", THREE.raw[:length])
        files.put("folder/new.torrent", THREE.raw[:length])
        again = scan.scan(False)
        assert (names(again), again.problems) == (["two", "one"], [])
    files.put("folder/new.torrent", THREE.raw)
    assert names(scan.scan(False)) == ["two", "one", "three"]
    # What stays half written is bad after all.
    files.wait(SETTLING_SECONDS + 1)
    again = scan.scan(False)
    assert names(again) == ["two", "three"]
    assert again.problems[0].startswith("/folder/b.torrent: not a torrent file")


def test_what_changes_within_a_tick_of_the_clock_after_it_was_read_is_seen(files: Files) -> None:
    scan = scanning(files)
    other = metainfo_of(b"atad", "one")
    files.put("folder/b.torrent", ONE.raw)
    files.disk.now_ns = lambda: int(files.world.now * 1e9)  # type: ignore[method-assign]
    scan.scan(True)
    files.put("folder/b.torrent", other.raw)
    files.wait(60.0)
    assert other.info_hash in scan.scan(False).torrents


def test_of_two_files_of_one_torrent_the_first_counts(files: Files) -> None:
    files.put("folder/c.torrent", ONE.raw)
    scan = scanning(files)
    torrents, problems = scan.scan(True)
    assert torrents[ONE.info_hash].path == "/folder/b.torrent"
    assert problems == ["/folder/c.torrent: is the same torrent as /folder/b.torrent, which counts"]
    files.disk.remove("/folder/b.torrent")
    torrents, problems = scan.scan(False)
    assert torrents[ONE.info_hash].path == "/folder/c.torrent"
    assert problems == []


@pytest.mark.parametrize("controls", [True, False])
def test_what_a_torrent_says_to_who_announces_it_counts_if_it_may(
    files: Files, controls: bool
) -> None:
    top = decode(ONE.raw)
    assert isinstance(top, dict)
    said = {b"failure reason": b"gone", b"warning message": b"moving"}
    files.put("folder/b.torrent", encode(top | said))
    listed = scanning(files, controls=controls).scan(True).torrents[ONE.info_hash].listed
    assert listed == (Listed("one", 4, "gone", "moving") if controls else Listed("one", 4))


def test_a_hybrid_torrent_is_listed_twice(files: Files) -> None:
    info = dict(ONE.info) | {b"meta version": 2}
    files.put("folder/b.torrent", encode({"info": info}))
    torrents = scanning(files).scan(True).torrents
    assert [torrent.path for torrent in torrents.values()].count("/folder/b.torrent") == 2


def test_a_folder_that_cannot_be_read_is_an_error_and_forgets_nothing(files: Files) -> None:
    scan = scanning(files)
    scan.scan(True)
    files.disk.faults.active.append(DiskFault(operations=("names",), error=errno.EIO))
    with pytest.raises(TrackerFileError, match="/folder: Input/output error"):
        scan.scan(False)
    files.disk.faults.active.clear()
    read = reads(files)
    assert names(scan.scan(False)) == ["two", "one"]
    assert read == []
    absent = TorrentScan(files.host.network, "/absent", controls=False)
    with pytest.raises(TrackerFileError, match="/absent: No such file"):
        absent.scan(True)


@pytest.mark.parametrize(
    ("operation", "path", "told"),
    [
        ("names", "/folder/a", "/folder/a: cannot be read: Input/output error"),
        ("names", "/folder/a/deep", "/folder/a/deep: cannot be read: Input/output error"),
        ("status", "/folder/b.torrent", "/folder/b.torrent: cannot be read: Input/output error"),
        ("open", "/folder/b.torrent", "/folder/b.torrent: cannot be read: Input/output error"),
    ],
)
def test_what_cannot_be_read_for_a_while_stays_listed(
    files: Files, operation: str, path: str, told: str
) -> None:
    scan = scanning(files)
    scan.scan(True)
    if operation == "open":
        files.put("folder/b.torrent", THREE.raw)
        files.wait(60.0)
    fault = DiskFault(operations=(operation,), path=path, error=errno.EIO)  # type: ignore[arg-type]
    files.disk.faults.active.append(fault)
    again = scan.scan(False)
    assert (sorted(names(again)), again.problems) == (["one", "two"], [told])
    assert scan.scan(False).problems == []
    files.disk.faults.active.clear()
    assert scan.scan(False).problems == []


def test_there_are_limits(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torrent_scan, "MAX_DEPTH", 2)
    again = scanning(files).scan(True)
    assert names(again) == ["one"]
    assert again.problems == ["/folder/a/deep: is left out: more than 2 folders deep"]
    monkeypatch.setattr(torrent_scan, "MAX_DEPTH", 16)
    monkeypatch.setattr(torrent_scan, "MAX_TORRENT_FILES", 1)
    again = scanning(files).scan(True)
    assert names(again) == ["two"]
    assert again.problems == ["/folder/b.torrent: is left out: more than 1 torrents"]
    monkeypatch.setattr(torrent_scan, "MAX_TORRENT_FILES", 100)
    monkeypatch.setattr(torrent_scan, "LARGEST_METAINFO", 10)
    assert "has more than 10 bytes" in scanning(files).scan(True).problems[0]


def test_very_many_problems_are_counted(files: Files) -> None:
    for number in range(30):
        files.put(f"folder/{number:02}.torrent", b"")
    files.wait(60.0)
    scan = scanning(files)
    problems = scan.scan(True).problems
    assert len(problems) == 21
    assert problems[-1] == "/folder: and 10 more files that are not used"
    assert scan.scan(False).problems == []


# On this machine: what a simulated disk has not.


def old(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    os.utime(path, (1e9, 1e9))


def test_links_and_odd_files(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    outside = tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    old(outside / "one.torrent", ONE.raw)
    (folder / "link.torrent").symlink_to(outside / "one.torrent")
    (folder / "nothing.torrent").symlink_to(outside / "absent")
    (folder / "outside").symlink_to(outside)
    (folder / "round").symlink_to(folder)
    (folder / "self.torrent").symlink_to(folder / "self.torrent")
    os.mkfifo(folder / "fifo.torrent")
    old(folder / "new\nline.torrent", b"")
    os.utime(folder / "fifo.torrent", (1e9, 1e9))
    scan = TorrentScan(OsNetwork(), str(folder), controls=False)
    torrents, problems = scan.scan(True)
    assert [torrent.path for torrent in torrents.values()] == [str(folder / "link.torrent")]
    told = {problem.removeprefix(f"{folder}/").split(":")[0]: problem for problem in problems}
    assert "is no regular file" in told["fifo.torrent"]
    assert "is a link to a folder" in told["outside"]
    assert "is a link to a folder" in told["round"]
    assert "cannot be read" in told["self.torrent"]
    assert "\\nline.torrent': not a torrent file" in problems[-1] + problems[0] + problems[1]
    assert len(problems) == 5
    assert all(problem.isprintable() for problem in problems)
