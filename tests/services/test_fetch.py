"""A fetch from beginning to end."""

from pathlib import Path

import pytest

from kit.content import metainfo_of, random_bytes
from kit.loop import run_until
from kit.seeding import Scene
from rawserver import RawServer
from rawserver.services.fetch import Fetch, FetchTimeout


class Outcome:
    """What a fetch tells."""

    def __init__(self) -> None:
        self.complete = False
        self.finished = False
        self.error: BaseException | None = None
        self.reports: list[str] = []

    def completed(self) -> None:
        self.complete = True

    def ended(self, error: BaseException | None) -> None:
        assert not self.finished
        self.finished = True
        self.error = error


def seeding(raw_server: RawServer, folder: Path) -> Scene:
    folder.mkdir()
    scene = Scene(raw_server, folder, 400_000, have=400_000)
    run_until(raw_server, lambda: scene.owner.completed)
    return scene


def fetch(
    scene: Scene, directory: Path, outcome: Outcome, peers: bool = True, **options: object
) -> Fetch:
    directory.mkdir(exist_ok=True)
    started = Fetch(
        scene.raw_server,
        scene.metainfo,
        str(directory),
        bind="127.0.0.1",
        peers=[("127.0.0.1", scene.port.port)] if peers else [],
        complete=outcome.completed,
        finished=outcome.ended,
        report=outcome.reports.append,
        **options,  # type: ignore[arg-type]
    )
    started.start()
    return started


def test_it_leaves_when_complete(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path / "seed")
    outcome = Outcome()
    done = fetch(scene, tmp_path / "out", outcome)
    run_until(raw_server, lambda: outcome.finished)
    assert outcome.complete
    assert outcome.error is None
    assert Path(done.path).read_bytes() == scene.data
    assert done.status().bytes_downloaded == 400_000


def test_what_is_there_already_is_complete_without_a_peer(
    raw_server: RawServer, tmp_path: Path
) -> None:
    scene = seeding(raw_server, tmp_path / "seed")
    outcome = Outcome()
    done = fetch(scene, tmp_path / "seed", outcome, peers=False)
    run_until(raw_server, lambda: outcome.finished)
    assert outcome.complete
    assert done.status().bytes_downloaded == 0


def test_it_lingers_for_a_time(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path / "seed")
    outcome = Outcome()
    fetch(scene, tmp_path / "out", outcome, seed_time=0.5)
    run_until(raw_server, lambda: outcome.complete)
    began = raw_server.network.time()
    assert not outcome.finished
    run_until(raw_server, lambda: outcome.finished)
    assert raw_server.network.time() - began >= 0.4


def test_it_lingers_until_it_has_given_enough(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path / "seed")
    first = Outcome()
    giver = fetch(scene, tmp_path / "out", first, seed_ratio=1.0)
    run_until(raw_server, lambda: first.complete)
    second = Outcome()
    fetch(scene, tmp_path / "out2", second, peers=False).dial(("127.0.0.1", giver.port))
    run_until(raw_server, lambda: first.finished and second.finished)
    assert giver.status().bytes_uploaded == 400_000


def test_it_gives_up_when_nothing_comes(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path / "seed")
    outcome = Outcome()
    fetch(scene, tmp_path / "out", outcome, peers=False, timeout=0.3)
    run_until(raw_server, lambda: outcome.finished)
    assert isinstance(outcome.error, FetchTimeout)
    assert not outcome.complete


def test_it_can_be_stopped(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path / "seed")
    outcome = Outcome()
    started = fetch(scene, tmp_path / "out", outcome, peers=False)
    started.stop()
    started.stop()
    run_until(raw_server, lambda: outcome.finished)
    assert outcome.error is None
    assert not outcome.complete


def test_a_disk_that_fails_is_told(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path / "seed")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / scene.metainfo.name).mkdir()
    outcome = Outcome()
    fetch(scene, tmp_path / "out", outcome)
    run_until(raw_server, lambda: outcome.finished)
    assert "content.bin" in str(outcome.error)


def test_a_port_that_is_taken_is_an_error(raw_server: RawServer, tmp_path: Path) -> None:
    scene = seeding(raw_server, tmp_path / "seed")
    with pytest.raises(OSError, match="in use"):
        fetch(scene, tmp_path / "out", Outcome(), port=scene.port.port)


def test_a_tracker_that_cannot_be_used_is_told(raw_server: RawServer, tmp_path: Path) -> None:
    data = random_bytes(1000)
    metainfo = metainfo_of(data, trackers=(("wss://t.example/announce",),))
    outcome = Outcome()
    started = Fetch(
        raw_server, metainfo, str(tmp_path), finished=outcome.ended, report=outcome.reports.append
    )
    started.start()
    started.stop()
    run_until(raw_server, lambda: outcome.finished)
    assert outcome.reports == [
        "tracker wss://t.example/announce: is no http://, https:// or udp:// URL; it is not asked"
    ]
