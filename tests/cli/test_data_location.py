from pathlib import Path

import pytest

from cli.torrents import folder_torrent, single_torrent, write_files
from rawserver.cli.command_error import CommandError
from rawserver.cli.data_location import locate_data
from rawserver.wire.metainfo import parse_metainfo

FILE = parse_metainfo(single_torrent("a.bin", b"data"))
FOLDER = parse_metainfo(folder_torrent("photos", {"x/1": b"data"}))


def test_a_file_is_named_or_its_folder_is(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.bin": b"data", "renamed.bin": b"data"})
    assert locate_data(FILE, str(tmp_path)) == str(tmp_path / "a.bin")
    assert locate_data(FILE, str(tmp_path / "renamed.bin")) == str(tmp_path / "renamed.bin")


def test_a_folder_is_named_or_what_it_lies_in_is(tmp_path: Path) -> None:
    write_files(tmp_path, {"photos/x/1": b"data"})
    assert locate_data(FOLDER, str(tmp_path)) == str(tmp_path / "photos")
    assert locate_data(FOLDER, str(tmp_path / "photos")) == str(tmp_path / "photos")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"a\.bin: there is no such file"):
        locate_data(FILE, str(tmp_path))
    with pytest.raises(CommandError, match=r"nowhere: there is no such file"):
        locate_data(FILE, str(tmp_path / "nowhere"))
    with pytest.raises(CommandError, match=r"nowhere/photos: there is no such folder"):
        locate_data(FOLDER, str(tmp_path / "nowhere"))
