import json
from pathlib import Path
from random import Random

from kit.tracker_desk import announce, seed
from rawserver import RawServer
from rawserver.services.tracker import Asker, Refused, Tracker
from rawserver.services.tracker.nat_check import NatCheck
from rawserver.services.tracker.state_file import StateFile
from rawserver.services.tracker.statistics import as_json, take_statistics
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.wire.announce_request import AnnounceRequest


def test_what_a_tracker_has_and_has_done(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server)
    seed(tracker)
    announce(tracker)
    announce(tracker, port=None)
    figures = take_statistics(tracker)
    assert (figures.torrents, figures.peers, figures.registry) == (1, 2, "MemoryRegistry")
    assert (figures.seeds, figures.leechers, figures.warning) == (1, 1, "")
    http = figures.fronts["http"]
    assert (http.announces, http.malformed) == (2, 1)
    assert figures.uptime_seconds >= 0
    assert figures.engine.traffic.connections == 0


def test_they_are_json(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server)
    seed(tracker)
    shown = json.loads(as_json(take_statistics(tracker)))
    assert shown["fronts"]["http"]["announces"] == 1
    assert shown["fronts"]["udp"]["announces"] == 0
    assert shown["engine"]["connections"] == 0
    assert (shown["peers"], shown["seeds"], shown["leechers"]) == (1, 1, 0)
    assert (shown["warning"], shown["state_age_seconds"], shown["nat_checks"]) == ("", None, None)
    assert set(shown) == {
        "uptime_seconds", "registry", "warning", "torrents", "peers", "seeds", "leechers", "fronts",
        "refused_by", "state_age_seconds", "nat_checks", "engine",
    }  # fmt: skip


class Ailing(MemoryRegistry):
    warning = "the store is away"


def no_leechers(announce: AnnounceRequest, asker: Asker) -> None:
    if announce.left:
        raise Refused("seeds alone")


def test_what_stands_around_it_is_told_of_too(raw_server: RawServer, tmp_path: Path) -> None:
    registry = Ailing(Random(1))
    tracker = Tracker(raw_server, registry, gates=[no_leechers])
    check = NatCheck(raw_server, registry)
    check.reached, check.failed = 5, 7
    tracker.watchers.append(check)
    announce(tracker)
    tracker.state = StateFile(raw_server, str(tmp_path / "state"), [])
    assert take_statistics(tracker).state_age_seconds is None
    tracker.state.saved_at = raw_server.network.time() - 1000
    shown = json.loads(as_json(take_statistics(tracker)))
    assert shown["warning"] == "the store is away"
    assert shown["refused_by"] == {"no_leechers": 1}
    assert shown["nat_checks"] == {"reached": 5, "failed": 7}
    assert 1000 <= shown["state_age_seconds"] < 1100
