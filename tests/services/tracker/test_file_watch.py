from collections.abc import Callable

import pytest

from kit.tracker_files import Files
from rawserver import RawServer
from rawserver.services.tracker.file_watch import FileWatch, TrackerFileError


class Looker:
    """What is looked at: takes ten seconds of the disk's time for a look, if it is told to."""

    def __init__(self) -> None:
        self.files = Files()
        self.asked: list[bool] = []
        self.found: list[int] = []
        self.error: Exception | None = None
        self.nothing = False
        self.slow = False

    def look(self, asked: bool) -> int | None:
        self.asked.append(asked)
        if self.slow:
            self.files.disk.meter.seconds += 10.0
        if self.error is not None:
            raise self.error
        return None if self.nothing else len(self.asked)

    def watch(self) -> FileWatch[int]:
        def make(raw_server: RawServer, report: Callable[[str], None]) -> FileWatch[int]:
            return FileWatch(raw_server, self.look, self.found.append, report, seconds=5.0)

        return self.files.make(make)


@pytest.fixture
def looker() -> Looker:
    return Looker()


def test_an_error_names_the_file_and_the_line() -> None:
    error = TrackerFileError("/a", "is odd", 7)
    assert str(error) == "/a:7: is odd"
    assert (error.path, error.line, error.reason) == ("/a", 7, "is odd")
    assert str(TrackerFileError("/a", "is odd")) == "/a: is odd"


def test_it_looks_at_once_then_as_often_as_it_should(looker: Looker) -> None:
    watch = looker.watch()
    watch.load()
    assert (looker.asked, looker.found) == ([True], [1])
    looker.files.wait(20.0)
    assert looker.found == [1]
    watch.start()
    watch.start()
    looker.files.wait(16.0)
    assert looker.asked == [True, False, False, False]
    assert looker.found == [1, 2, 3, 4]
    looker.nothing = True
    looker.files.wait(5.0)
    assert looker.found == [1, 2, 3, 4]
    watch.close()
    looker.files.wait(20.0)
    assert len(looker.asked) == 5


def test_what_is_wrong_at_first_is_raised(looker: Looker) -> None:
    looker.error = TrackerFileError("/a", "is odd")
    with pytest.raises(TrackerFileError, match="/a: is odd"):
        looker.watch().load()


def test_it_looks_when_it_is_told_to(looker: Looker) -> None:
    watch = looker.watch()
    watch.reload()
    assert looker.asked == []
    looker.files.wait(1.0)
    assert looker.asked == [True]
    assert looker.found == [1]


def test_there_is_one_look_at_a_time_and_one_after_it_for_who_asked_meanwhile(
    looker: Looker,
) -> None:
    looker.slow = True
    watch = looker.watch()
    watch.start()
    looker.files.wait(6.0)
    assert looker.asked == [False]
    for _ in range(3):
        watch.reload()
    looker.files.wait(8.0)
    assert looker.asked == [False]
    looker.slow = False
    looker.files.wait(2.0)
    assert looker.asked[:2] == [False, True]
    assert looker.found[:2] == [1, 2]


def test_what_is_wrong_is_reported_once_until_it_is_well_or_somebody_asks(looker: Looker) -> None:
    watch = looker.watch()
    watch.start()
    looker.error = TrackerFileError("/a", "is odd")
    looker.files.wait(21.0)
    assert looker.files.reports == ["/a: is odd"]
    looker.error = TrackerFileError("/a", "is odd", 7)
    looker.files.wait(10.0)
    assert looker.files.reports == ["/a: is odd", "/a:7: is odd"]
    looker.error = None
    looker.files.wait(10.0)
    looker.error = TrackerFileError("/a", "is odd", 7)
    looker.files.wait(10.0)
    assert looker.files.reports == ["/a: is odd", "/a:7: is odd", "/a:7: is odd"]
    watch.reload()
    looker.files.wait(1.0)
    assert len(looker.files.reports) == 4
    assert looker.files.host.reports == []


def test_another_error_is_a_fault_and_the_next_look_comes(looker: Looker) -> None:
    looker.watch().start()
    looker.error = RuntimeError("a slip of ours")
    looker.files.wait(6.0)
    looker.error = None
    looker.files.wait(5.0)
    assert looker.found == [2]
    ((_, _, text),) = looker.files.host.reports
    assert "a slip of ours" in text
    assert looker.files.reports == []
