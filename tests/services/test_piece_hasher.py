import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from kit.loop import run_until
from kit.one_worker import one_worker, settle
from rawserver import RawServer
from rawserver.engine import OsDisk
from rawserver.services.piece_hasher import SLICE_BYTES, WORKS_IN_FLIGHT, PieceHasher
from rawserver.services.storage import Storage, StorageError
from rawserver.wire.metainfo import MetainfoFile


class Layout(NamedTuple):
    files: tuple[MetainfoFile, ...]
    single: bool = False


class Hashing:
    """What a hasher told."""

    def __init__(
        self,
        raw_server: RawServer,
        storage: Storage,
        piece_length: int,
        total_size: int,
        skip_missing: bool = True,
    ) -> None:
        self.digests: dict[int, bytes | None] = {}
        self.errors: list[BaseException | None] = []
        self.cancel_after: int | None = None
        self.raw_server = raw_server
        self.hasher = PieceHasher(
            raw_server,
            storage,
            piece_length,
            total_size,
            self.hashed,
            self.errors.append,
            skip_missing=skip_missing,
        )

    def hashed(self, index: int, digest: bytes | None) -> None:
        assert index not in self.digests
        assert not self.errors
        self.digests[index] = digest
        if len(self.digests) == self.cancel_after:
            self.hasher.cancel()

    def run(self, indexes: Iterable[int]) -> None:
        self.hasher.start(indexes)
        assert not self.digests
        assert not self.errors
        run_until(self.raw_server, lambda: self.errors)


class CountingStorage(Storage):
    """Counts what is read."""

    bytes_read = 0
    announced: Sequence[tuple[int, int]] = ()

    def will_need(self, offset: int, length: int) -> None:
        self.announced = [*self.announced, (offset, length)]
        super().will_need(offset, length)

    def read_into(self, buffer: bytearray | memoryview, offset: int) -> None:
        self.bytes_read += len(buffer)
        super().read_into(buffer, offset)


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()


def one_file(tmp_path: Path, data: bytes) -> CountingStorage:
    place = tmp_path / "file"
    place.write_bytes(data)
    layout = Layout((MetainfoFile(("file",), len(data), 0, False),), single=True)
    return CountingStorage(OsDisk(), layout, str(place))


def test_every_piece_is_hashed_the_short_last_one_too(
    raw_server: RawServer, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 300 + b"end"
    hashing = Hashing(raw_server, one_file(tmp_path, data), 1000, len(data))
    hashing.run(range(77))
    expected = {index: sha1(data[index * 1000 : index * 1000 + 1000]) for index in range(77)}
    assert hashing.digests == expected
    assert hashing.errors == [None]


def test_a_piece_longer_than_a_slice(raw_server: RawServer, tmp_path: Path) -> None:
    data = b"0123456789abcdef" * (SLICE_BYTES // 16) + b"a slice and some"
    hashing = Hashing(raw_server, one_file(tmp_path, data), 4 * SLICE_BYTES, len(data))
    hashing.run([0])
    assert hashing.digests == {0: sha1(data)}


def test_pieces_that_cross_files_and_padding(raw_server: RawServer, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"aaa")
    (tmp_path / "b").write_bytes(b"bbbb")
    layout = Layout(
        (
            MetainfoFile(("a",), 3, 0, False),
            MetainfoFile(("pad",), 2, 3, True),
            MetainfoFile(("b",), 4, 5, False),
        )
    )
    hashing = Hashing(raw_server, Storage(OsDisk(), layout, str(tmp_path)), 4, 9)
    hashing.run(range(3))
    assert hashing.digests == {0: sha1(b"aaa\0"), 1: sha1(b"\0bbb"), 2: sha1(b"b")}


def test_only_the_pieces_asked_for(raw_server: RawServer, tmp_path: Path) -> None:
    hashing = Hashing(raw_server, one_file(tmp_path, bytes(100)), 10, 100)
    hashing.run((7, 2))
    assert set(hashing.digests) == {2, 7}


def test_only_what_will_be_hashed_is_read_ahead(raw_server: RawServer, tmp_path: Path) -> None:
    storage = one_file(tmp_path, bytes(95))
    hashing = Hashing(raw_server, storage, 10, 95)
    hashing.run((8, 9, 0, 5, 6))
    assert set(hashing.digests) == {0, 5, 6, 8, 9}
    assert sorted(storage.announced) == [(0, 10), (50, 20), (80, 15)]


def test_no_pieces_are_done_at_once_but_not_inside_start(raw_server: RawServer) -> None:
    storage = Storage(OsDisk(), Layout(()), "/nowhere")
    hashing = Hashing(raw_server, storage, 10, 0)
    hashing.run(())
    assert hashing.errors == [None]


def test_more_work_than_is_in_flight_at_a_time(raw_server: RawServer, tmp_path: Path) -> None:
    num_pieces = 3 * WORKS_IN_FLIGHT + 1
    length = 4 * SLICE_BYTES  # one work each
    storage = one_file(tmp_path, b"")
    with open(tmp_path / "file", "r+b") as file:
        file.truncate(num_pieces * length)
    layout = Layout((MetainfoFile(("file",), num_pieces * length, 0, False),), single=True)
    storage = CountingStorage(OsDisk(), layout, str(tmp_path / "file"))
    hashing = Hashing(raw_server, storage, length, num_pieces * length)
    hashing.run(range(num_pieces))
    assert hashing.digests == dict.fromkeys(range(num_pieces), sha1(bytes(length)))


# Pieces that are not there.


def test_a_missing_piece_is_told_without_reading(raw_server: RawServer, tmp_path: Path) -> None:
    storage = one_file(tmp_path, bytes(25))
    (tmp_path / "file").write_bytes(b"x" * 15)
    hashing = Hashing(raw_server, storage, 10, 25)
    hashing.run(range(3))
    assert hashing.digests == {0: sha1(b"x" * 10), 1: None, 2: None}
    assert storage.bytes_read == 10


def test_a_missing_piece_is_an_error_where_all_must_be_there(
    raw_server: RawServer, tmp_path: Path
) -> None:
    storage = one_file(tmp_path, bytes(25))
    (tmp_path / "file").unlink()
    hashing = Hashing(raw_server, storage, 10, 25, skip_missing=False)
    hashing.run(range(3))
    (error,) = hashing.errors
    assert isinstance(error, StorageError)
    assert not hashing.digests


def test_one_error_ends_it_whatever_else_is_under_way(tmp_path: Path, orderly: RawServer) -> None:
    storage = one_file(tmp_path, bytes(8 * SLICE_BYTES * 4))
    (tmp_path / "file").unlink()
    hashing = Hashing(orderly, storage, SLICE_BYTES * 4, 8 * SLICE_BYTES * 4, skip_missing=False)
    hashing.run(range(8))
    settle(orderly)
    assert len(hashing.errors) == 1


def test_holes_are_hashed_without_reading(raw_server: RawServer, tmp_path: Path) -> None:
    length = 1 << 20
    storage = one_file(tmp_path, b"x")
    with open(tmp_path / "file", "r+b") as file:
        file.truncate(4 * length)
    layout = Layout((MetainfoFile(("file",), 4 * length, 0, False),), single=True)
    storage = CountingStorage(OsDisk(), layout, str(tmp_path / "file"))
    if not storage.is_hole(length, length):
        pytest.skip("this file system does not tell holes")
    hashing = Hashing(raw_server, storage, length, 4 * length)
    hashing.run(range(4))
    zeros = sha1(bytes(length))
    assert hashing.digests == {0: sha1(b"x" + bytes(length - 1)), 1: zeros, 2: zeros, 3: zeros}
    assert storage.bytes_read == length


def test_a_hole_longer_than_a_slice(raw_server: RawServer, tmp_path: Path) -> None:
    length = 2 * SLICE_BYTES + 5
    (tmp_path / "file").write_bytes(b"")
    os.truncate(tmp_path / "file", length)
    layout = Layout((MetainfoFile(("file",), length, 0, False),), single=True)
    storage = CountingStorage(OsDisk(), layout, str(tmp_path / "file"))
    hashing = Hashing(raw_server, storage, 4 * SLICE_BYTES, length)
    hashing.run([0])
    assert hashing.digests == {0: sha1(bytes(length))}


# Cancelling, with work in order so that a test can wait for all of it.


@pytest.fixture
def orderly() -> Iterator[RawServer]:
    with one_worker() as server:
        yield server


def test_nothing_is_told_after_cancel(orderly: RawServer, tmp_path: Path) -> None:
    hashing = Hashing(orderly, one_file(tmp_path, bytes(100)), 10, 100)
    hashing.hasher.start(range(10))
    hashing.hasher.cancel()
    settle(orderly)
    assert not hashing.digests
    assert not hashing.errors


def test_cancel_between_two_pieces(orderly: RawServer, tmp_path: Path) -> None:
    hashing = Hashing(orderly, one_file(tmp_path, bytes(100)), 10, 100)
    hashing.cancel_after = 3
    hashing.hasher.start(range(10))
    run_until(orderly, lambda: hashing.digests)
    settle(orderly)
    assert len(hashing.digests) == 3
    assert not hashing.errors


def test_cancel_at_the_last_piece(orderly: RawServer, tmp_path: Path) -> None:
    hashing = Hashing(orderly, one_file(tmp_path, bytes(100)), 10, 100)
    hashing.hasher.start(range(10))
    run_until(orderly, lambda: len(hashing.digests) == 10 or hashing.errors)
    hashing.hasher.cancel()
    errors_at_cancel = list(hashing.errors)
    settle(orderly)
    assert hashing.errors == errors_at_cancel


def test_cancel_before_the_end_is_told(orderly: RawServer) -> None:
    hashing = Hashing(orderly, Storage(OsDisk(), Layout(()), "/nowhere"), 10, 0)
    hashing.hasher.start(())  # its end is told in the next turn
    hashing.hasher.cancel()
    settle(orderly)
    assert not hashing.errors
