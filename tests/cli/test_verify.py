import json
import os
from pathlib import Path

import pytest

from cli.torrents import folder_torrent, write_files
from rawserver.cli.main import run

FILES = {"x/1": os.urandom(40_000), "2": os.urandom(40_000), "3": b""}


@pytest.fixture
def torrent(tmp_path: Path) -> str:
    write_files(tmp_path / "photos", FILES)
    (tmp_path / "photos.torrent").write_bytes(folder_torrent("photos", FILES))
    return str(tmp_path / "photos.torrent")


@pytest.mark.parametrize("data", ["", "photos"])
def test_right_data(
    torrent: str, tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", torrent, str(tmp_path / data), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == {"ok": True, "bad_pieces": [], "bad_files": []}
    assert run(["verify", torrent, str(tmp_path / data)]) == 0
    assert capsys.readouterr().out == "all 5 pieces are right\n"


def test_bad_data(torrent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "photos" / "2"
    path.write_bytes(path.read_bytes()[:-2])
    assert run(["verify", torrent, str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "bad_pieces": [4],
        "bad_files": ["2"],
    }
    assert run(["verify", torrent, str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "1 of 5 pieces are bad",
        "bad pieces: 4",
        "bad file: 2",
    ]


def test_a_file_that_is_not_there_is_bad(
    torrent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos/x/1").unlink()
    assert run(["verify", torrent, str(tmp_path), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert "x/1" in result["bad_files"]
    assert result["bad_pieces"][:2] == [0, 1]


@pytest.mark.parametrize(
    ("torrent_path", "data", "message"),
    [
        ("nowhere.torrent", ".", "nowhere.torrent: No such file"),
        ("photos/2", ".", "photos/2: not a torrent"),
        ("photos.torrent", "nowhere", "nowhere/photos: there is no such folder"),
    ],
)
def test_what_cannot_be_verified_is_one_line(
    torrent: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    torrent_path: str,
    data: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["verify", torrent_path, data, "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"rawserver: error: {message}")
    assert captured.err.count("\n") == 1
    assert json.loads(captured.out)["event"] == "error"
