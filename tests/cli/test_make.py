import json
import os
from pathlib import Path

import pytest

from cli.torrents import write_files
from rawserver.cli.main import run
from rawserver.wire.metainfo import parse_metainfo

FILES = {"photos/b/größe.jpg": os.urandom(40_000), "photos/a": b"x" * 100, "photos/empty": b""}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_files(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_made_into_a_torrent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--announce", "http://1/a", "--announce", "http://2/a", "--comment", "hello"]
    more = ["--private", "--source", "tag", "--piece-size", "32K"]
    assert run(["make", "photos", "-o", "p.torrent", *options, *more, "--json"]) == 0
    captured = capsys.readouterr()
    fields = json.loads(captured.out)
    metainfo = parse_metainfo((folder / "p.torrent").read_bytes())
    assert fields["torrent"] == "p.torrent"
    assert fields["info_hash"] == metainfo.info_hash.hex()
    assert fields["name"] == "photos"
    assert fields["total_size"] == 40_100
    assert (fields["piece_length"], fields["num_pieces"]) == (32768, 2)
    assert {file["path"]: file["length"] for file in fields["files"]} == {
        "a": 100,
        "b/größe.jpg": 40_000,
        "empty": 0,
    }
    assert fields["trackers"] == [["http://1/a"], ["http://2/a"]]
    assert fields["private"] is True
    assert (fields["comment"], fields["source"]) == ("hello", "tag")
    assert fields["creation_date"] > 1_700_000_000
    assert fields["created_by"].startswith("RawServer")


def test_without_a_date_it_is_the_same_every_time(folder: Path) -> None:
    for out in ("1.torrent", "2.torrent"):
        assert run(["make", "photos", "-o", out, "--no-date", "--name", "other"]) == 0
    first = (folder / "1.torrent").read_bytes()
    assert first == (folder / "2.torrent").read_bytes()
    metainfo = parse_metainfo(first)
    assert (metainfo.name, metainfo.creation_date) == ("other", None)


def test_a_file_is_made_into_a_torrent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["make", "photos/a", "-o", "a.torrent"]) == 0
    metainfo = parse_metainfo((folder / "a.torrent").read_bytes())
    assert (metainfo.single, metainfo.name, metainfo.total_size) == (True, "a", 100)
    captured = capsys.readouterr()
    assert captured.out == f"a.torrent: written, 1 piece, info-hash {metainfo.info_hash.hex()}\n"
    assert captured.err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere", "-o", "x.torrent"], 1, "nowhere: No such file"),
        (["photos", "-o", "nowhere/x.torrent"], 1, "no folder nowhere"),
        (["photos", "-o", "photos"], 1, "is a folder"),
        (["photos/a", "-o", "photos/a"], 1, "exists and is no .torrent"),
        (["photos/empty", "-o", "x.torrent"], 1, "nothing in it"),
        (["/dev/null", "-o", "x.torrent"], 1, "/dev/null"),
        (["photos", "-o", "x.torrent", "--name", "a/b"], 1, "a/b"),
        (["photos", "-o", "x.torrent", "--piece-size", "0"], 2, "--piece-size"),
        (["photos", "-o", "x.torrent", "--piece-size", "20000"], 2, "power of two"),
        (["photos", "-o", "x.torrent", "--announce", "garbage"], 2, "--announce"),
        (["photos"], 2, "-o"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    assert run(["make", *arguments, "--json"]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("rawserver: error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert json.loads(captured.out)["event"] == "error"
    assert not (folder / "x.torrent").exists()
    assert (folder / "photos/a").read_bytes() == FILES["photos/a"]
