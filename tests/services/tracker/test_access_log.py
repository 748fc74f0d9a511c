"""Lines of a log: what they say, when they are written, and what a full disk costs."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.loop import run_until
from rawserver import RawServer
from rawserver.engine import OsDisk
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.services.tracker.access_log import (
    FLUSH_BYTES,
    FLUSH_SECONDS,
    MAX_FIELD_LENGTH,
    MAX_WAITING_BYTES,
    AccessLog,
)
from rawserver.services.tracker.nat_check import Verdict

NOW = 1_795_000_000.5  # 2026-11-18T11:06:40Z


class Loop:
    """A loop whose work is done when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: list[tuple[float, Callable[..., object]]] = []
        self.work: list[tuple[Callable[..., Any], tuple[Any, ...], Callable[..., object]]] = []
        self.reported: list[str] = []

    def add_task(self, func: Callable[..., object], delay: float = 0.0) -> None:
        self.tasks.append((self.now + delay, func))

    def start_work(
        self, func: Callable[..., Any], args: tuple[Any, ...], done: Callable[..., object]
    ) -> None:
        self.work.append((func, args, done))

    def report(self, level: int, text: str) -> None:
        self.reported.append(text)

    def run(self, seconds: float = FLUSH_SECONDS) -> None:
        """Let time pass, and do all the work there is."""
        self.now += seconds
        due, self.tasks = self.tasks, []
        for at, func in due:
            if at <= self.now:
                func()
            else:
                self.tasks.append((at, func))
        while self.work:
            func, args, done = self.work.pop(0)
            try:
                result = func(*args)
            except OSError as error:
                done(None, error)
            else:
                done(result, None)


class Paper:
    """A file in memory; `full` refuses what is written."""

    def __init__(self, text: bytes = b"") -> None:
        self.data = bytearray(text)
        self.full = False
        self.closed = False

    def write(self, data: bytes, offset: int) -> None:
        assert not self.closed
        if self.full:
            self.data += data[:10]
            raise OSError(errno.ENOSPC, "No space left on device")
        self.data += data

    def close(self) -> None:
        self.closed = True

    @property
    def lines(self) -> list[str]:
        return self.data.decode("ascii").splitlines()


class Scene:
    """A log; each file that it opens is the next of `papers`."""

    def __init__(self, *papers: Paper) -> None:
        self.loop: Any = Loop()
        self.papers = list(papers) or [Paper()]
        self.opened = 0
        self.missing = False
        self.log = AccessLog(self.loop, self.open, lambda: NOW)

    def open(self) -> Paper:
        if self.missing:
            raise OSError(errno.ENOENT, "No such file or directory")
        self.opened += 1
        return self.papers[self.opened - 1]

    def note(self, path: str = "/a", **headers: str) -> None:
        request = HttpRequest("GET", path, b"x=%00", "192.0.2.7", 4000, headers)
        self.log(request, HttpResponse(status=200), 15)


def test_a_line_says_who_asked_for_what_and_got_what() -> None:
    scene = Scene()
    scene.note(**{"user-agent": "some/1.0", "referer": "a/"})
    scene.note("/b")
    scene.loop.run()
    assert scene.papers[0].lines == [
        '192.0.2.7 - - [2026-11-18T11:06:40Z] "GET /a?x=%00 HTTP/1.1" 200 15 "a/" "some/1.0"',
        '192.0.2.7 - - [2026-11-18T11:06:40Z] "GET /b?x=%00 HTTP/1.1" 200 15 "-" "-"',
    ]


@pytest.mark.parametrize("last", ["announce", "scrape", "file", "announce/", "announce.php"])
def test_a_passkey_is_not_told(last: str) -> None:
    scene = Scene()
    scene.note(f"/s3cret/{last}")
    scene.note(f"/{last}")
    scene.loop.run()
    asked, without = scene.papers[0].lines
    assert "s3cret" not in asked
    assert f'"GET /***/{last}?x=%00 HTTP/1.1"' in asked
    assert f'"GET /{last}?x=%00 HTTP/1.1"' in without


def test_the_keys_of_peers_are_not_told() -> None:
    scene = Scene()
    request = HttpRequest("GET", "/announce", b"key=s3cret&x=1&passkey=s3cret", "192.0.2.7", 1)
    scene.log(request, HttpResponse(status=200), 15)
    scene.loop.run()
    assert '"GET /announce?key=***&x=1&passkey=*** HTTP/1.1"' in scene.papers[0].lines[0]


def test_a_nat_check_is_noted_as_bttrack_did() -> None:
    scene = Scene()
    scene.log.nat_check("192.0.2.7", 6881, Verdict.UNREACHABLE)
    scene.log.nat_check("2001:db8::1", 6881, Verdict.REACHED)
    scene.loop.run()
    time = "[2026-11-18T11:06:40Z]"
    assert scene.papers[0].lines == [
        f'192.0.2.7 - - {time} "!natcheck-192.0.2.7:6881" 503 0 "-" "-"',
        f'2001:db8::1 - - {time} "!natcheck-[2001:db8::1]:6881" 200 0 "-" "-"',
    ]


@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_nothing_that_is_sent_can_make_a_line_or_a_field_of_its_own(text: str) -> None:
    scene = Scene()
    scene.note(**{"user-agent": text})
    scene.loop.run()
    (line,) = scene.papers[0].lines
    assert line.isprintable()
    assert line.count('"') == 6


def test_what_is_too_long_to_tell_anybody_anything_is_cut() -> None:
    scene = Scene()
    scene.note(**{"user-agent": "a" * 10_000})
    scene.loop.run()
    assert scene.papers[0].lines[0].count("a") < MAX_FIELD_LENGTH + 100


def test_lines_are_written_together_after_a_while_or_when_they_are_many() -> None:
    scene = Scene()
    scene.note()
    scene.loop.run(FLUSH_SECONDS - 0.1)
    assert not scene.papers[0].data
    scene.loop.run(0.1)
    assert len(scene.papers[0].lines) == 1
    count = FLUSH_BYTES // 70
    for _ in range(count):
        scene.note()
    scene.loop.run(0)
    assert len(scene.papers[0].lines) > count // 2
    scene.loop.run()
    assert len(scene.papers[0].lines) == count + 1


def test_it_goes_on_where_the_file_ends() -> None:
    scene = Scene(Paper(b"before\n"))
    scene.note()
    scene.loop.run()
    assert scene.papers[0].lines[0] == "before"
    assert len(scene.papers[0].lines) == 2


def test_the_rest_is_written_at_the_end() -> None:
    for is_open in (True, False):
        scene = Scene()
        if is_open:
            scene.note("/open")
            scene.loop.run()
        scene.note("/last")
        scene.log.close()
        scene.log.close()
        scene.note("/after")
        assert "/last" in scene.papers[0].lines[-1]
        assert scene.papers[0].closed
        scene.loop.run()
        assert len(scene.papers[0].lines) == 1 + is_open


def test_a_file_that_was_renamed_is_left_for_a_new_one() -> None:
    scene = Scene(Paper(), Paper())
    scene.note("/old")
    scene.loop.run()
    scene.log.reopen()
    scene.loop.run(0)
    scene.note("/new")
    scene.loop.run()
    assert scene.papers[0].closed
    assert [len(paper.lines) for paper in scene.papers] == [1, 1]
    assert "/new" in scene.papers[1].lines[0]


def test_a_file_is_not_changed_while_it_is_written() -> None:
    scene = Scene(Paper(), Paper())
    scene.note("/old")
    scene.loop.now += FLUSH_SECONDS
    due, scene.loop.tasks = scene.loop.tasks, []
    due[0][1]()  # it is being opened, and will be written
    scene.log.reopen()
    scene.note("/new")
    scene.loop.run()
    scene.loop.run()
    assert scene.papers[0].closed
    text = (scene.papers[0].data + scene.papers[1].data).decode()
    assert (text.count("/old"), text.count("/new")) == (1, 1)


def test_a_full_disk_is_reported_once_and_costs_lines_alone() -> None:
    scene = Scene()
    scene.papers[0].full = True
    for _ in range(3):
        scene.note()
        scene.loop.run()
    (report,) = scene.loop.reported
    assert report == "the access log cannot be written: No space left on device"
    scene.papers[0].full = False
    scene.note("/after")
    scene.loop.run()
    # What is there in part ends before the next line begins.
    assert len(scene.papers[0].lines[-1]) > 50
    assert [line[:9] for line in scene.papers[0].lines] == ["192.0.2.7"] * 4
    scene.note("/after")
    scene.loop.run()
    assert len(scene.papers[0].lines) == 5
    scene.papers[0].full = True
    scene.note()
    scene.loop.run()
    assert len(scene.loop.reported) == 2


def test_a_file_that_cannot_be_opened_is_tried_again() -> None:
    scene = Scene()
    scene.missing = True
    for _ in range(3):
        scene.note()
        scene.loop.run()
    assert len(scene.loop.reported) == 1
    scene.missing = False
    scene.note()
    scene.loop.run()
    assert len(scene.papers[0].lines) == 1


@pytest.mark.parametrize("is_open", [True, False])
def test_a_disk_that_is_full_at_the_end_is_reported_too(is_open: bool) -> None:
    scene = Scene()
    if is_open:
        scene.note()
        scene.loop.run()
    scene.note()
    scene.papers[0].full = True
    scene.log.close()
    assert len(scene.loop.reported) == 1


def test_a_disk_that_hangs_does_not_fill_the_memory() -> None:
    scene = Scene()
    agent = {"user-agent": "a" * MAX_FIELD_LENGTH}
    for _ in range(2 * MAX_WAITING_BYTES // MAX_FIELD_LENGTH):
        scene.note(**agent)
    assert len(scene.loop.work) == 1
    scene.loop.run()
    scene.loop.run()
    assert "lines are lost" in scene.loop.reported[0]
    lost = int(scene.loop.reported[0].split(": ")[1].split()[0])
    assert lost + len(scene.papers[0].lines) == 2 * MAX_WAITING_BYTES // MAX_FIELD_LENGTH


def test_a_real_file(raw_server: RawServer, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    disk = OsDisk()
    log = AccessLog(raw_server, lambda: disk.open(str(path), "a"), lambda: NOW)
    request = HttpRequest("GET", "/a", b"", "192.0.2.7", 4000)
    log(request, HttpResponse(), 0)
    log._flush()
    run_until(raw_server, lambda: path.exists() and path.read_text().count("\n") == 1)
    path.rename(tmp_path / "access.log.1")
    log.reopen()
    run_until(raw_server, lambda: log._file is None and not log._busy)
    log(request, HttpResponse(), 0)
    log.close()
    assert path.read_text().count("\n") == 1
