import json
from pathlib import Path

import pytest

from cli.torrents import single_torrent
from rawserver.cli.main import run
from rawserver.wire.metainfo import parse_metainfo

ORIGINAL = single_torrent("a.bin", b"data", announce=b"http://old/announce", x_y=b"kept")


@pytest.fixture
def torrent(tmp_path: Path) -> Path:
    path = tmp_path / "a.torrent"
    path.write_bytes(ORIGINAL)
    return path


def test_trackers_and_comment_leave_the_info_hash(
    torrent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--announce", "http://1/a", "--announce", "udp://2:80", "--comment", "new"]
    assert run(["edit", str(torrent), *options, "--json"]) == 0
    after = parse_metainfo(torrent.read_bytes())
    assert after.trackers == (("http://1/a",), ("udp://2:80",))
    assert after.comment == "new"
    assert after.info_hash == parse_metainfo(ORIGINAL).info_hash
    assert b"3:x y4:kept" in after.raw
    captured = capsys.readouterr()
    fields = json.loads(captured.out)
    assert fields["trackers"] == [["http://1/a"], ["udp://2:80"]]
    assert fields["torrent"] == str(torrent)
    assert captured.err == ""


def test_another_name_is_another_torrent(torrent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = torrent.with_name("b.torrent")
    assert run(["edit", str(torrent), "--name", "b.bin", "-o", str(out)]) == 0
    assert torrent.read_bytes() == ORIGINAL
    assert parse_metainfo(out.read_bytes()).name == "b.bin"
    captured = capsys.readouterr()
    assert "info-hash has changed" in captured.err
    assert parse_metainfo(out.read_bytes()).info_hash.hex() in captured.out


def test_what_is_emptied_is_removed(torrent: Path) -> None:
    assert run(["edit", str(torrent), "--no-announce", "--private", "--source", "s"]) == 0
    after = parse_metainfo(torrent.read_bytes())
    assert (after.trackers, after.private, after.source) == ((), True, "s")
    assert run(["edit", str(torrent), "--public", "--source", ""]) == 0
    assert parse_metainfo(torrent.read_bytes()).info_hash == parse_metainfo(ORIGINAL).info_hash


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "nothing to change"),
        (["--announce", "http://a/", "--no-announce"], 2, "exclude"),
        (["--announce", "garbage"], 2, "URL"),
        (["--name", "../up"], 1, "name"),
        (["--comment", "x", "-o", "."], 1, "is a folder"),
        (["--comment", "x", "-o", "nowhere/b.torrent"], 1, "no folder nowhere"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    torrent: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
) -> None:
    assert run(["edit", str(torrent), *options]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("rawserver: error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert torrent.read_bytes() == ORIGINAL


def test_a_damaged_torrent_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.torrent"
    path.write_bytes(ORIGINAL[:-3])
    assert run(["edit", str(path), "--comment", "x"]) == 1
    assert capsys.readouterr().err.startswith(f"rawserver: error: {path}: not a torrent")
