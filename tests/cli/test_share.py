import os
import shlex
from pathlib import Path

import pytest

from cli.running import Running
from cli.torrents import single_torrent, write_files
from rawserver.cli.main import run
from rawserver.wire.metainfo import parse_metainfo

LOCAL = ("--host", "127.0.0.1")
DATA = os.urandom(300_000)


def test_what_is_shared_is_got_by_the_line_that_is_printed(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write_files(here, {"a folder/x/1": DATA, "a folder/empty": b""})
    there.mkdir()
    with Running(here, "share", "a folder", *LOCAL) as share:
        ready = share.event()
        assert ready["event"] == "ready"
        assert ready["torrent"] == "a folder.torrent"
        metainfo = parse_metainfo((here / "a folder.torrent").read_bytes())
        assert ready["info_hash"] == metainfo.info_hash.hex()
        assert ready["tracker"] == metainfo.trackers[0][0]
        assert ready["tracker"].startswith("http://127.0.0.1:")
        assert ready["magnet"].startswith(f"magnet:?xt=urn:btih:{ready['info_hash']}")
        assert ready["port"] > 0
        command, *arguments = shlex.split(ready["get"])
        assert command == "rawserver"
        with Running(there, *arguments) as get:
            code, events, stderr = get.end()
        assert (code, events[-1]["event"]) == (0, "complete"), stderr
        assert events[-1]["info_hash"] == ready["info_hash"]
        assert events[-1]["bytes_downloaded"] == len(DATA)
        assert (there / "a folder/x/1").read_bytes() == DATA
        assert (there / "a folder/empty").read_bytes() == b""
        share.interrupt()
        code, events, stderr = share.end()
        assert code == 0, stderr
        assert events == [{"event": "stopped", "bytes_uploaded": len(DATA)}]


def test_several_paths_share_one_port_and_one_tracker(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": DATA, "b": DATA[:1000]})
    with Running(tmp_path, "share", "a", "b", *LOCAL) as share:
        first, second = share.event(), share.event()
        assert [first["name"], second["name"]] == ["a", "b"]
        assert first["tracker"] == second["tracker"]
        assert first["port"] == second["port"]
        for ready in (first, second):
            with Running(tmp_path, "get", ready["torrent_url"], "-o", "there") as get:
                assert get.end()[0] == 0
        share.interrupt()
        assert share.end()[0] == 0
    assert (tmp_path / "there/b").read_bytes() == DATA[:1000]


def test_an_existing_torrent_is_shared_and_stays_as_it_is(tmp_path: Path) -> None:
    raw = single_torrent("a", DATA)
    write_files(tmp_path, {"data/a": DATA, "t.torrent": raw})
    with Running(tmp_path, "share", "t.torrent", "--data", "data", *LOCAL) as share:
        ready = share.event()
        assert ready["torrent"] == "t.torrent"
        with Running(tmp_path, "get", ready["torrent_url"], "-o", "there") as get:
            assert get.end()[0] == 0
        share.interrupt()
        assert share.end()[0] == 0
    assert (tmp_path / "there/a").read_bytes() == DATA
    assert (tmp_path / "t.torrent").read_bytes() == raw


def test_sharing_the_same_again_replaces_its_torrent(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": DATA})
    for _ in range(2):
        with Running(tmp_path, "share", "a", *LOCAL) as share:
            assert share.event()["event"] == "ready"
    write_files(tmp_path, {"a": DATA[1:]})
    with Running(tmp_path, "share", "a", *LOCAL) as share:
        assert "of other content" in share.event()["message"]
        assert share.end()[0] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 1, "nowhere: No such file"),
        (["a", "nowhere"], 1, "nowhere: No such file"),
        (["a", "--port", "70000"], 2, "--port"),
        (["a", "--tracker-port", "-1"], 2, "--tracker-port"),
        (["a", "--announce", "garbage"], 2, "--announce"),
        (["a", "--torrent", "nowhere/x.torrent"], 1, "no folder nowhere"),
        (["a", "--torrent", "a"], 1, "exists and is no .torrent"),
        (["bad.torrent"], 1, "bad.torrent: not a torrent"),
        (["lost.torrent"], 1, "there is no such file"),
        (["a", "a", "--torrent", "x"], 2, "one PATH"),
        ([], 2, "PATH"),
    ],
)
def test_what_cannot_be_shared_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, {"a": DATA, "bad.torrent": b"x"})
    write_files(tmp_path, {"lost.torrent": single_torrent("lost", b"data")})
    assert run(["share", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("rawserver: error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
