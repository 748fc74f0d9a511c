import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from kit.content import random_bytes, write_folder
from kit.loop import run_until
from kit.one_worker import one_worker, settle
from rawserver import RawServer
from rawserver.engine import File
from rawserver.services.maker import Maker, MakerError
from rawserver.services.storage import StorageError
from rawserver.wire.metainfo import Metainfo, parse_metainfo

LENGTH = 16384
FILES = [
    (("a",), random_bytes(LENGTH + 100, 1)),
    (("b", "deep", "file"), random_bytes(300, 2)),
    (("b", "empty"), b""),
    (("b.txt",), random_bytes(2 * LENGTH, 3)),
]


class Making:
    def __init__(self, raw_server: RawServer, path: Path, **options: Any) -> None:
        self.raw_server = raw_server
        self.results: list[tuple[bytes | None, BaseException | None]] = []
        self.moves: list[tuple[int, int]] = []
        self.maker = Maker(
            raw_server,
            str(path),
            done=lambda *result: self.results.append(result),
            progress=self.moved,
            **options,
        )

    def moved(self, done: int, total: int) -> None:
        assert not self.results
        self.moves.append((done, total))

    def run(self) -> tuple[bytes | None, BaseException | None]:
        self.maker.start()
        assert not self.results
        run_until(self.raw_server, lambda: self.results)
        (result,) = self.results
        return result


def make(raw_server: RawServer, path: Path, **options: Any) -> Metainfo:
    data, error = Making(raw_server, path, **options).run()
    assert error is None
    assert data is not None
    return parse_metainfo(data)


def refuse(raw_server: RawServer, path: Path, **options: Any) -> str:
    """Return why it is not made."""
    data, error = Making(raw_server, path, **options).run()
    assert data is None
    assert isinstance(error, MakerError | StorageError | ValueError | OSError)
    assert "\n" not in str(error)
    return str(error)


def digests(data: bytes, length: int) -> bytes:
    return b"".join(
        hashlib.sha1(data[start : start + length]).digest() for start in range(0, len(data), length)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "folder", FILES)
    return tmp_path / "folder"


# What is made.


def test_a_single_file(raw_server: RawServer, tmp_path: Path) -> None:
    data = random_bytes(100_000)
    (tmp_path / "model.bin").write_bytes(data)
    metainfo = make(raw_server, tmp_path / "model.bin", piece_length=LENGTH)
    assert metainfo.single
    assert metainfo.name == "model.bin"
    assert metainfo.total_size == 100_000
    assert metainfo.piece_length == LENGTH
    assert metainfo.pieces == digests(data, LENGTH)
    assert not metainfo.warnings


def test_a_folder_is_hashed_as_one_in_the_order_of_its_paths(
    raw_server: RawServer, folder: Path
) -> None:
    metainfo = make(raw_server, folder, piece_length=LENGTH)
    assert not metainfo.single
    assert metainfo.name == "folder"
    assert [(file.path, file.length) for file in metainfo.files] == [
        (path, len(data)) for path, data in FILES
    ]
    assert metainfo.pieces == digests(b"".join(data for _, data in FILES), LENGTH)


def test_names_of_all_writings_come_in_the_order_of_their_bytes(
    raw_server: RawServer, tmp_path: Path
) -> None:
    paths = [
        ("Z",),
        ("a b",),
        ("e\u0301",),
        ("\u00e9",),
        ("\u65e5\u672c", "\u0444"),
        ("\U0001f4e6",),
    ]
    write_folder(tmp_path / "\u00fcn\u00ef", [(path, b"x") for path in reversed(paths)])
    metainfo = make(raw_server, tmp_path / "\u00fcn\u00ef")
    assert metainfo.name == "\u00fcn\u00ef"
    assert [file.path for file in metainfo.files] == paths
    assert not metainfo.warnings


def test_all_that_can_be_said_of_it(raw_server: RawServer, folder: Path) -> None:
    tiers = (("http://a.example/announce", "http://b.example/announce"), ("udp://c.example:1",))
    metainfo = make(
        raw_server, folder, name="other", trackers=tiers, private=True, comment="for you",
        source="us", dated=True,
    )  # fmt: skip
    assert metainfo.name == "other"
    assert metainfo.trackers == tiers
    assert metainfo.private
    assert metainfo.comment == "for you"
    assert metainfo.source == "us"
    assert metainfo.created_by == "RawServer"
    assert metainfo.creation_date is not None
    assert abs(metainfo.creation_date - raw_server.network.wall_time()) < 60


def test_the_same_files_give_the_same_bytes(raw_server: RawServer, folder: Path) -> None:
    first = make(raw_server, folder, dated=False)
    for path, _ in FILES:
        os.utime(folder.joinpath(*path), (1, 1))
    assert make(raw_server, folder, dated=False).raw == first.raw
    assert first.creation_date is None


def test_a_piece_length_is_chosen_by_the_size(raw_server: RawServer, folder: Path) -> None:
    metainfo = make(raw_server, folder)
    assert metainfo.piece_length >= LENGTH
    assert metainfo.piece_length & (metainfo.piece_length - 1) == 0


def test_progress_ends_at_the_total(raw_server: RawServer, folder: Path) -> None:
    making = Making(raw_server, folder, piece_length=LENGTH)
    making.run()
    total = sum(len(data) for _, data in FILES)
    assert making.moves == sorted(making.moves)
    assert making.moves[-1] == (total, total)
    assert len(making.moves) == -(-total // LENGTH)


# What is refused.


def test_nothing_there(raw_server: RawServer, tmp_path: Path) -> None:
    reason = refuse(raw_server, tmp_path / "absent")
    assert reason == f"{tmp_path}/absent: there is no such file or folder"


@pytest.mark.parametrize("kind", ["empty file", "empty folder", "folder of empty files"])
def test_nothing_to_share(raw_server: RawServer, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "nothing"
    if kind == "empty file":
        path.write_bytes(b"")
    else:
        path.mkdir()
        if kind == "folder of empty files":
            (path / "empty").write_bytes(b"")
    assert refuse(raw_server, path) == f"{path}: there is nothing in it to share"


def test_what_is_neither_file_nor_folder(raw_server: RawServer, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reason = refuse(raw_server, tmp_path / "pipe")
    assert reason == f"{tmp_path}/pipe: is neither a file nor a folder"


@pytest.mark.parametrize(
    "options",
    [
        {"piece_length": 1000},
        {"piece_length": 8192},
        {"name": "a/b"},
        {"name": ".."},
        {"trackers": (("no url",),)},
    ],
)
def test_what_no_reader_would_accept_is_refused_before_hashing(
    raw_server: RawServer, folder: Path, options: dict[str, Any]
) -> None:
    making = Making(raw_server, folder, **options)
    data, error = making.run()
    assert data is None
    assert isinstance(error, ValueError)
    assert not making.moves


def test_a_name_that_others_could_not_have_is_refused_before_hashing(
    raw_server: RawServer, folder: Path
) -> None:
    (folder / "z\\z").write_bytes(b"x")
    making = Making(raw_server, folder)
    _, error = making.run()
    assert isinstance(error, ValueError)
    assert "z" in str(error)
    assert not making.moves


# What changes while it is read.


class Meddling(Making):
    """Changes something as soon as the first piece is hashed."""

    def __init__(self, raw_server: RawServer, path: Path, meddle: Any) -> None:
        super().__init__(raw_server, path, piece_length=LENGTH)
        self.meddle = meddle

    def moved(self, done: int, total: int) -> None:
        if not self.moves:
            self.meddle()
        super().moved(done, total)


def meddle(raw_server: RawServer, folder: Path, change: Any) -> str:
    data, error = Meddling(raw_server, folder, change).run()
    assert data is None
    assert isinstance(error, MakerError)
    return str(error)


def test_a_file_that_is_written_meanwhile(raw_server: RawServer, folder: Path) -> None:
    reason = meddle(raw_server, folder, lambda: os.utime(folder / "a", ns=(1, 1)))
    assert reason == "a: changed while it was read"


def test_a_file_that_grows_meanwhile(raw_server: RawServer, folder: Path) -> None:
    def grow() -> None:
        with (folder / "b" / "deep" / "file").open("ab") as file:
            file.write(b"more")

    assert meddle(raw_server, folder, grow) == "b/deep/file: changed while it was read"


def test_a_file_that_comes_meanwhile(raw_server: RawServer, folder: Path) -> None:
    reason = meddle(raw_server, folder, lambda: (folder / "z").write_bytes(b"new"))
    assert reason == f"{folder}: files came or went while it was read"


def test_a_file_that_goes_meanwhile(raw_server: RawServer, folder: Path) -> None:
    reason = meddle(raw_server, folder, (folder / "b" / "empty").unlink)
    assert "while it was read" in reason


class ForbiddenDisk:
    """The real disk, but for one file."""

    def __init__(self, disk: Any, forbidden: Path) -> None:
        self._disk = disk
        self._forbidden = str(forbidden)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    def open(self, path: str, mode: Literal["r", "w"]) -> File:
        if path == self._forbidden:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        file: File = self._disk.open(path, mode)
        return file


def test_a_file_that_may_not_be_read_is_named(raw_server: RawServer, folder: Path) -> None:
    raw_server.network.disk = ForbiddenDisk(raw_server.network.disk, folder / "b.txt")
    reason = refuse(raw_server, folder)
    assert reason == f"{folder}/b.txt: cannot be read: Permission denied"


# Cancelling.


@pytest.fixture
def orderly() -> Iterator[RawServer]:
    with one_worker() as server:
        yield server


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_nothing_is_told_after_cancel(orderly: RawServer, folder: Path, turns: int) -> None:
    making = Making(orderly, folder, piece_length=LENGTH)
    making.maker.start()
    for _ in range(turns):
        orderly.listen_once(0.05)
    making.maker.cancel()
    before = (len(making.results), len(making.moves))
    settle(orderly)
    assert (len(making.results), len(making.moves)) == before
