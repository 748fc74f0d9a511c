import io
import os
from pathlib import Path

import pytest

from rawserver.cli.command_error import CommandError
from rawserver.cli.making import Making, check_name
from rawserver.cli.output import Output
from rawserver.cli.session import Session
from rawserver.wire.metainfo import parse_metainfo


def make_session() -> Session:
    return Session(Output(False, io.StringIO(), io.StringIO()))


def test_it_tells_how_far_it_is_and_what_was_made(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(50_000))
    session = make_session()
    results: list[bytes] = []

    def made(data: bytes) -> None:
        results.append(data)
        session.finish()

    making = Making(session, str(tmp_path / "a"), made, trackers=[["http://t/"]])
    assert making.line(80).startswith("hashing")
    session.run(session.finish)
    assert parse_metainfo(results[0]).total_size == 50_000
    assert "48.8 KiB of 48.8 KiB" in making.line(80)


def test_it_is_cancelled(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"data")
    session = make_session()
    results: list[bytes] = []
    making = Making(session, str(tmp_path / "a"), results.append)
    making.cancel()
    session.raw_server.add_task(session.finish, 0.05)
    session.run(session.finish)
    assert results == []


def test_nothing_to_make_ends_the_session(tmp_path: Path) -> None:
    session = make_session()
    Making(session, str(tmp_path), lambda data: session.finish())
    with pytest.raises(CommandError, match="nothing in it"):
        session.run(session.finish)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\x00", "a\x1b[31m", "back\\slash", "\udcff"])
def test_a_name_that_would_not_arrive_is_refused_early(name: str) -> None:
    with pytest.raises(CommandError, match="name"):
        check_name(name)
    check_name("größe 大.iso")


def test_a_bad_name_ends_the_session(tmp_path: Path) -> None:
    (tmp_path / "back\\slash").write_bytes(b"data")
    session = make_session()
    Making(session, str(tmp_path / "back\\slash"), lambda data: session.finish())
    with pytest.raises(CommandError, match="give another with --name"):
        session.run(session.finish)
