import os
from dataclasses import replace
from pathlib import Path

import pytest

from cli.torrents import single_torrent
from rawserver.cli.command_error import CommandError
from rawserver.cli.share_run import check_same_content, default_torrent_path, status_line
from rawserver.services.torrent_status import TorrentState, TorrentStatus
from rawserver.wire.metainfo import parse_metainfo

SERVED = TorrentStatus(
    state=TorrentState.SEEDING,
    total_size=2048,
    bytes_verified=2048,
    pieces_have=2,
    num_pieces=2,
    peers=1,
    seeds=0,
    bytes_downloaded=0,
    bytes_uploaded=1024,
    bytes_wasted=0,
    download_rate=0.0,
    upload_rate=512.0,
    seconds=2.0,
)


def test_the_torrent_goes_into_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    (photos / "2026").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert default_torrent_path("photos/") == "photos.torrent"
    assert default_torrent_path(str(photos / "2026" / "..")) == "photos.torrent"


def test_the_torrent_never_goes_into_the_folder_that_it_describes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    (photos / "2026").mkdir(parents=True)
    (photos / "a.jpg").touch()
    monkeypatch.chdir(photos)
    assert default_torrent_path(".") == str(tmp_path / "photos.torrent")
    assert default_torrent_path("a.jpg") == "a.jpg.torrent"
    monkeypatch.chdir(photos / "2026")
    assert default_torrent_path("..") == str(tmp_path / "photos.torrent")


def test_a_torrent_of_other_content_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = str(tmp_path / "a.torrent")
    ours = parse_metainfo(single_torrent("a", b"new"))
    check_same_content(path, ours)
    Path(path).write_bytes(single_torrent("a", b"new", announce=b"http://other/"))
    check_same_content(path, ours)
    Path(path).write_bytes(single_torrent("a", b"old"))
    with pytest.raises(CommandError, match="of other content; name another with --torrent"):
        check_same_content(path, ours)
    assert os.path.getsize(path)


def test_people_see_all_torrents_in_one_line() -> None:
    assert status_line([SERVED], 7.0) == (
        "sharing  1 peer  up 512 B/s  1.0 KiB sent  0:07  (^C ends)"
    )
    assert "2 peers  up 1.0 KiB/s  2.0 KiB sent" in status_line([SERVED, SERVED], 7.0)
    checking = replace(SERVED, state=TorrentState.CHECKING)
    assert status_line([SERVED, checking], 7.0) == "checking 2.0 KiB"
