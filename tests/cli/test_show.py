import json
from pathlib import Path

import pytest

from cli.torrents import folder_torrent
from rawserver.cli.main import run
from rawserver.cli.show import format_date, print_tables, summary
from rawserver.wire.metainfo import parse_metainfo


@pytest.fixture
def torrent(tmp_path: Path) -> str:
    path = tmp_path / "photos.torrent"
    path.write_bytes(
        folder_torrent(
            "photos",
            {"x/[1].jpg": b"abc", "größe": b""},
            announce=b"http://t/announce",
            comment=b"\x1b[31mred",
        )
    )
    return str(path)


def test_with_json_one_object_is_printed(torrent: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", torrent, "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert fields["name"] == "photos"
    assert [file["path"] for file in fields["files"]] == ["x/[1].jpg", "größe"]
    assert {"info_hash", "total_size", "piece_length", "num_pieces", "trackers", "private"} <= (
        set(fields)
    )


def test_without_a_terminal_plain_lines_are_printed(
    torrent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", torrent]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "name: photos"
    assert "tracker, tier 1: http://t/announce" in lines
    assert "              3  x/[1].jpg" in lines
    assert not [line for line in lines if "\x1b" in line]


def test_on_a_terminal_tables_are_printed(torrent: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(parse_metainfo(Path(torrent).read_bytes()))
    shown = capsys.readouterr().out
    assert "x/[1].jpg" in shown
    assert "\x1b[31m" not in shown


def test_the_rest_is_shown_if_it_is_there() -> None:
    torrent = folder_torrent("photos", {"x": b"abc"}, creation_date=7, created_by=b"me")
    labels = dict(summary(parse_metainfo(torrent)))
    assert labels["created"] == "1970-01-01 00:00:07 UTC"
    assert labels["created by"] == "me"
    assert "source" not in labels


def test_a_date_may_be_any_number() -> None:
    assert format_date(10**15) == f"{10**15} seconds since 1970"


def test_a_damaged_torrent_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.torrent"
    path.write_bytes(b"d4:infoi1e")
    assert run(["show", str(path), "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"rawserver: error: {path}: ")
    assert captured.err.count("\n") == 1
    event = json.loads(captured.out)
    assert event["event"] == "error"
    assert str(path) in event["message"]
