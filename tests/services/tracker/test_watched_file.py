import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.loop import run_until
from kit.one_worker import one_worker
from kit.tracker_files import Files
from rawserver import RawServer
from rawserver.services.tracker.file_watch import TrackerFileError
from rawserver.services.tracker.watched_file import WatchedFile
from rawserver.wire.list_lines import ListError, list_lines


def parse(data: bytes) -> list[str]:
    words = []
    for number, text in list_lines(data):
        if text == "bad":
            raise ListError(number, "is bad")
        words.append(text)
    return words


class Words(WatchedFile[list[str]]):
    parse = staticmethod(parse)


def test_a_file_counts_as_it_is_now() -> None:
    files = Files(list=b"one\n")
    words = files.follow(Words)
    assert words.contents == ["one"]
    files.put("list", b"one\ntwo\n")
    assert words.contents == ["one"]
    files.wait()
    assert words.contents == ["one", "two"]
    assert files.reports == []


def test_a_file_that_cannot_be_used_at_first_is_an_error() -> None:
    with pytest.raises(TrackerFileError, match="/list: there is no such file"):
        Files().follow(Words)
    with pytest.raises(TrackerFileError, match="/list:3: is bad") as caught:
        Files(list=b"one\n\nbad").follow(Words)
    assert (caught.value.path, caught.value.line) == ("/list", 3)
    files = Files()
    files.put("list/file", b"")
    with pytest.raises(TrackerFileError, match="/list: Is a directory"):
        files.follow(Words)


@pytest.mark.parametrize(
    ("break_it", "report"),
    [
        (lambda files: files.put("list", b"two\nbad\n"), "/list:2: is bad"),
        (lambda files: files.put("list", b"\xff\n"), "/list:1: is not text in UTF-8"),
        (lambda files: files.disk.remove("/list"), "/list: there is no such file"),
    ],
)
def test_what_it_said_counts_while_it_cannot_be_used(
    break_it: Callable[[Files], None], report: str
) -> None:
    files = Files(list=b"one")
    words = files.follow(Words)
    break_it(files)
    files.wait(60.0)
    assert words.contents == ["one"]
    assert files.reports == [report]
    files.put("list", b"one")
    files.wait()
    break_it(files)
    files.wait()
    assert files.reports == [report, report]
    files.put("list", b"three")
    files.wait()
    assert words.contents == ["three"]


def test_a_file_that_is_being_written_is_not_read_yet() -> None:
    files = Files(list=b"one\ntwo\nthree\n")
    words = files.follow(Words)
    seen = []
    for length in range(13):
        files.put("list", b"four\nfive\nsix\n"[:length])
        files.wait(2.0)
        seen.append(words.contents)
    assert all(contents == ["one", "two", "three"] for contents in seen)
    files.put("list", b"four\nfive\nsix\n")
    files.wait()
    assert words.contents == ["four", "five", "six"]


def test_who_asks_has_it_read_at_once() -> None:
    files = Files(list=b"one")
    words = files.follow(Words, seconds=1e6)
    files.put("list", b"two")
    words.reload()
    files.wait(0.1)
    assert words.contents == ["two"]


def test_what_changes_within_a_tick_of_the_clock_after_it_was_read_is_seen() -> None:
    files = Files()
    files.put("list", b"one")
    words = files.follow(Words)
    files.put("list", b"two")  # the same size, and the same time but for some milliseconds
    assert words.contents == ["one"]
    files.wait()
    assert words.contents == ["two"]


def test_a_file_that_has_not_changed_is_not_read() -> None:
    reads = []
    files = Files(list=b"one")
    read_file = files.disk.read_file

    def counting(path: str, limit: int) -> bytes:
        reads.append(path)
        return read_file(path, limit)

    files.disk.read_file = counting  # type: ignore[method-assign]
    words = files.follow(Words)
    files.wait(300.0)
    assert reads == ["/list"]
    words.close()
    files.put("list", b"two")
    files.wait()
    assert words.contents == ["one"]


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    with one_worker() as server:
        yield server


def test_on_this_machine(tmp_path: Path, raw_server: RawServer) -> None:
    reports: list[str] = []
    path = tmp_path / "list"
    path.write_text("one")
    os.utime(path, (1e9, 1e9))
    words = Words(raw_server, str(path), reports.append, seconds=0.01)
    words.load()
    words.start()
    assert words.contents == ["one"]
    (tmp_path / "new").write_text("two")
    os.utime(tmp_path / "new", (1e9, 1e9))
    (tmp_path / "new").rename(path)
    # The same size and time: nobody can see that. Who knows it says so.
    words.reload()
    run_until(raw_server, lambda: words.contents == ["two"])
    path.write_text("bad")
    os.utime(path, (1e9 + 1, 1e9 + 1))
    run_until(raw_server, lambda: reports)
    assert reports == [f"{path}:1: is bad"]
    words.close()
