import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.torrents import single_torrent
from rawserver.cli import get_run
from rawserver.cli.command_error import CommandError, Interrupted
from rawserver.cli.get_run import GetOptions, GetRun, progress_event, status_line
from rawserver.cli.output import Output
from rawserver.services.torrent_status import TorrentState, TorrentStatus

HALF = TorrentStatus(
    state=TorrentState.DOWNLOADING,
    total_size=2048,
    bytes_verified=1024,
    pieces_have=1,
    num_pieces=2,
    peers=1,
    seeds=1,
    bytes_downloaded=1100,
    bytes_uploaded=10,
    bytes_wasted=0,
    download_rate=512.0,
    upload_rate=0.0,
    seconds=2.12345,
)


class FakeFetch:
    """Ends in the way that the test has set."""

    scenario = "complete"
    options: dict[str, Any]

    def __init__(self, raw_server: Any, metainfo: Any, directory: str, **options: Any) -> None:
        if self.scenario == "port taken":
            raise OSError(98, "Address already in use")
        FakeFetch.options = options
        self.raw_server = raw_server
        self.path = os.path.join(directory, metainfo.name)
        self.complete: Callable[[], None] = options["complete"]
        self.finished: Callable[[BaseException | None], None] = options["finished"]

    def start(self) -> None:
        if self.scenario == "complete":
            self.complete()
            self.raw_server.add_task(self.finished, 0, (None,))
        elif self.scenario == "disk full":
            error = OSError(28, "No space left on device", self.path)
            self.raw_server.add_task(self.finished, 0, (error,))
        else:
            self.raw_server.add_task(os.kill, 0, (os.getpid(), signal.SIGINT))

    def stop(self) -> None:
        if self.scenario == "lingering":
            self.complete()
        self.finished(None)

    def status(self) -> TorrentStatus:
        return HALF


@pytest.fixture
def torrent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(get_run, "Fetch", FakeFetch)
    path = tmp_path / "a.torrent"
    path.write_bytes(single_torrent("a.bin", b"data" * 512))
    return str(path)


def fetch(monkeypatch: pytest.MonkeyPatch, scenario: str, torrent: str, options: GetOptions) -> str:
    monkeypatch.setattr(FakeFetch, "scenario", scenario)
    stdout = io.StringIO()
    GetRun(Output(True, stdout, io.StringIO()), torrent, options).run()
    return stdout.getvalue()


def test_the_last_line_says_that_it_is_complete(
    torrent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = str(tmp_path / "new" / "folder")
    options = GetOptions(directory, peers=[("127.0.0.1", 1)], seed_time=3.0, timeout=9.0)
    event = json.loads(fetch(monkeypatch, "complete", torrent, options).splitlines()[-1])
    assert event["event"] == "complete"
    assert event["path"] == os.path.join(directory, "a.bin")
    assert len(event["info_hash"]) == 40
    assert (event["bytes_downloaded"], event["bytes_uploaded"]) == (1100, 10)
    assert event["seconds"] == 2.123
    assert os.path.isdir(directory)
    assert FakeFetch.options["peers"] == [("127.0.0.1", 1)]
    assert FakeFetch.options["timeout"] == 9.0


def test_interrupted_it_says_what_stays(torrent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Interrupted, match=r"50\.0 % is verified and stays in \./a\.bin"):
        fetch(monkeypatch, "interrupted", torrent, GetOptions())


def test_interrupted_while_it_lingers_it_is_complete(
    torrent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert '"complete"' in fetch(monkeypatch, "lingering", torrent, GetOptions())


def test_a_fault_of_the_disk_is_one_line(torrent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match=r"a\.bin: No space left on device; 50\.0 % is"):
        fetch(monkeypatch, "disk full", torrent, GetOptions())


def test_a_taken_port_is_one_line(torrent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="port 6881: Address already in use"):
        fetch(monkeypatch, "port taken", torrent, GetOptions(port=6881))


def test_a_folder_that_cannot_be_made_is_one_line(
    torrent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match=r"a\.torrent/sub: cannot be made: "):
        fetch(monkeypatch, "complete", torrent, GetOptions(f"{torrent}/sub"))


def test_scripts_are_told_numbers() -> None:
    event = json.loads(json.dumps(progress_event(HALF)))
    assert event == {
        "event": "progress",
        "state": "downloading",
        "total_size": 2048,
        "bytes_verified": 1024,
        "pieces_have": 1,
        "num_pieces": 2,
        "peers": 1,
        "seeds": 1,
        "bytes_downloaded": 1100,
        "bytes_uploaded": 10,
        "bytes_wasted": 0,
        "download_rate": 512.0,
        "upload_rate": 0.0,
        "seconds": 2.123,
        "eta_seconds": 2.0,
    }


def test_people_see_a_bar() -> None:
    line = status_line(HALF, 100)
    assert line.startswith("getting  [####")
    assert " 50.0 %  1.0 KiB of 2.0 KiB  512 B/s  0:02 left  1 peer" in line
