"""Tracker and seeder in one process, and somebody who fetches from it."""

from pathlib import Path

import pytest

from kit.content import metainfo_of, random_bytes
from kit.loop import run_until
from kit.scripted_peer import ScriptedPeer
from rawserver import RawServer
from rawserver.http.client import HttpClient, HttpReply
from rawserver.services import share as share_module
from rawserver.services.fetch import Fetch
from rawserver.services.share import Share
from rawserver.wire.announce_request import AnnounceRequest, announce_url
from rawserver.wire.magnet import parse_magnet
from rawserver.wire.metainfo import parse_metainfo
from rawserver.wire.peer_wire import Handshake


def test_what_is_shared_is_found_through_its_tracker(raw_server: RawServer, tmp_path: Path) -> None:
    reports: list[str] = []
    ready: list[bool] = []
    failures: list[BaseException] = []
    finished: list[BaseException | None] = []
    share = Share(raw_server, host="127.0.0.1", report=reports.append)
    assert share.tracker_url is not None
    datas = {name: random_bytes(100_000, number) for number, name in enumerate(("a b", "ü"))}
    shared = []
    for name, data in datas.items():
        (tmp_path / name).write_bytes(data)
        metainfo = metainfo_of(data, name, trackers=share.tiers)
        shared.append(
            share.add(
                metainfo,
                str(tmp_path / name),
                ready=lambda: ready.append(True),
                failed=failures.append,
            )
        )
    run_until(raw_server, lambda: len(ready) == 2)
    (tmp_path / "out").mkdir()
    for torrent in shared:
        replies: list[HttpReply | None] = []
        assert torrent.torrent_url is not None
        HttpClient(raw_server).get(
            torrent.torrent_url, lambda reply, error, replies=replies: replies.append(reply)
        )
        run_until(raw_server, lambda replies=replies: replies)
        assert replies[0] is not None
        assert parse_metainfo(replies[0].body) == torrent.metainfo
        fetch = Fetch(
            raw_server,
            torrent.metainfo,
            str(tmp_path / "out"),
            finished=finished.append,
            report=reports.append,
        )
        fetch.start()
        run_until(raw_server, lambda: finished)
        assert finished.pop() is None
        assert Path(fetch.path).read_bytes() == datas[torrent.metainfo.name]
        assert parse_magnet(torrent.magnet).info_hash == torrent.metainfo.info_hash
    stopped: list[bool] = []
    share.stop(lambda: stopped.append(True))
    run_until(raw_server, lambda: stopped)
    assert not reports
    assert not failures


def test_other_trackers_take_the_place_of_its_own(raw_server: RawServer, tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/announce"
    share = Share(raw_server, host="127.0.0.1", announce=[url], report=lambda text: None)
    assert share.tracker_url is None
    assert share.tiers == ((url,),)
    data = random_bytes(1000)
    (tmp_path / "f").write_bytes(data)
    ready: list[bool] = []
    shared = share.add(
        metainfo_of(data, "f", trackers=share.tiers),
        str(tmp_path / "f"),
        ready=lambda: ready.append(True),
        failed=lambda error: None,
    )
    run_until(raw_server, lambda: ready)
    assert shared.torrent_url is None
    stopped: list[bool] = []
    share.stop(lambda: stopped.append(True))
    run_until(raw_server, lambda: stopped)


def test_bad_data_is_told(raw_server: RawServer, tmp_path: Path) -> None:
    reports: list[str] = []
    share = Share(raw_server, host="127.0.0.1", report=reports.append)
    data = random_bytes(100_000)
    (tmp_path / "f").write_bytes(bytes(100) + data[100:])
    ready: list[bool] = []
    share.add(
        metainfo_of(data, "f"),
        str(tmp_path / "f"),
        ready=lambda: ready.append(True),
        failed=lambda error: None,
    )
    run_until(raw_server, lambda: ready)
    assert reports == ["f: 1 of 4 pieces is missing or bad"]
    assert (tmp_path / "f").read_bytes() == bytes(100) + data[100:]
    stopped: list[bool] = []
    share.stop(lambda: stopped.append(True))
    run_until(raw_server, lambda: stopped)


def test_who_announces_and_does_not_dial_is_dialled(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_module, "DIAL_BACK_SECONDS", 0.05)
    share = Share(raw_server, host="127.0.0.1", report=lambda text: None)
    assert share.tracker_url is not None
    data = random_bytes(1000)
    (tmp_path / "f").write_bytes(data)
    ready: list[bool] = []
    metainfo = metainfo_of(data, "f", trackers=share.tiers)
    share.add(
        metainfo,
        str(tmp_path / "f"),
        ready=lambda: ready.append(True),
        failed=lambda error: None,
    )
    run_until(raw_server, lambda: ready)
    shy = ScriptedPeer(raw_server, metainfo.info_hash)
    announce = AnnounceRequest(metainfo.info_hash, shy.peer_id, shy.listen(), left=1000)
    url = announce_url(share.tracker_url, announce)
    HttpClient(raw_server).get(url, lambda reply, error: None)
    run_until(raw_server, lambda: shy.got(Handshake))
    stopped: list[bool] = []
    share.stop(lambda: stopped.append(True))
    run_until(raw_server, lambda: stopped)


def test_two_of_the_same_name_have_urls_of_their_own(raw_server: RawServer, tmp_path: Path) -> None:
    share = Share(raw_server, host="127.0.0.1", report=lambda text: None)
    urls = {share.publish(metainfo_of(random_bytes(1000, seed), "f")) for seed in (1, 2, 1)}
    assert len(urls) == 2
    stopped: list[bool] = []
    share.stop(lambda: stopped.append(True))
    run_until(raw_server, lambda: stopped)


def test_data_that_is_not_there_is_an_error_and_nothing_is_made(
    raw_server: RawServer, tmp_path: Path
) -> None:
    share = Share(raw_server, host="127.0.0.1", report=lambda text: None)
    failures: list[BaseException] = []
    share.add(
        metainfo_of(random_bytes(1000), "f"),
        str(tmp_path / "f"),
        ready=lambda: None,
        failed=failures.append,
    )
    run_until(raw_server, lambda: failures)
    assert str(failures[0]) == f"{tmp_path / 'f'}: holds nothing of f"
    assert not list(tmp_path.iterdir())
    stopped: list[bool] = []
    share.stop(lambda: stopped.append(True))
    run_until(raw_server, lambda: stopped)


def test_a_share_of_nothing_can_be_stopped(raw_server: RawServer) -> None:
    share = Share(raw_server, host="127.0.0.1", report=lambda text: None)
    stopped: list[bool] = []
    share.stop(lambda: stopped.append(True))
    run_until(raw_server, lambda: stopped)
