import os
from pathlib import Path

import pytest

from cli.torrents import folder_torrent, single_torrent
from rawserver.cli.command_error import CommandError
from rawserver.cli.torrent_file import (
    LARGEST_TORRENT_BYTES,
    check_may_write,
    describe_torrent,
    read_torrent,
    write_torrent,
)
from rawserver.wire.metainfo import parse_metainfo


def test_a_torrent_is_written_and_read(tmp_path: Path) -> None:
    data = single_torrent("a.bin", b"data")
    path = str(tmp_path / "a.torrent")
    write_torrent(path, data)
    assert read_torrent(path).raw == data
    write_torrent(path, single_torrent("b.bin", b"data"))
    assert read_torrent(path).name == "b.bin"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "not a torrent"),
        (b"garbage", "not a torrent"),
        (single_torrent("a", b"data")[:-7], "not a torrent"),
        (b"d4:infod4:name1:aee", "no piece hashes"),
        (b"x" * (LARGEST_TORRENT_BYTES + 1), "10 MB"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "x.torrent"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=message) as caught:
        read_torrent(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_torrent(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Is a directory"):
        read_torrent(str(tmp_path))


def test_what_is_no_torrent_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text("ten years of work")
    with pytest.raises(CommandError, match="exists and is no"):
        write_torrent(str(path), single_torrent("a", b"data"))
    assert path.read_text() == "ten years of work"
    with pytest.raises(CommandError, match="exists and is no"):
        check_may_write(os.devnull if os.access("/dev", os.W_OK) else str(path))


@pytest.mark.parametrize(
    ("path", "message"), [(".", "is a folder"), ("nowhere/a.torrent", "no folder")]
)
def test_where_one_cannot_write_is_said_early(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        check_may_write(str(tmp_path / path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_said_early(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CommandError, match="Permission denied"):
        check_may_write(str(tmp_path / "a.torrent"))


def test_a_torrent_is_described_for_scripts() -> None:
    metainfo = parse_metainfo(
        folder_torrent(
            "photos",
            {"x/1": b"abc", "empty": b""},
            announce=b"http://t/announce",
            comment=b"hello",
            creation_date=7,
        )
    )
    fields = describe_torrent(metainfo)
    assert fields["info_hash"] == metainfo.info_hash.hex()
    assert fields["files"] == [{"path": "x/1", "length": 3}, {"path": "empty", "length": 0}]
    assert fields["trackers"] == [["http://t/announce"]]
    assert (fields["name"], fields["total_size"], fields["num_pieces"]) == ("photos", 3, 1)
    assert (fields["piece_length"], fields["private"]) == (16384, False)
    assert (fields["comment"], fields["creation_date"]) == ("hello", 7)
