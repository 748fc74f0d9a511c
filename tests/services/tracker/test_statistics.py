import json

from kit.tracker_desk import announce, seed
from rawserver import RawServer
from rawserver.services.tracker import Tracker
from rawserver.services.tracker.statistics import as_json, take_statistics


def test_what_a_tracker_has_and_has_done(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server)
    seed(tracker)
    announce(tracker)
    announce(tracker, port=None)
    figures = take_statistics(tracker)
    assert (figures.torrents, figures.peers, figures.registry) == (1, 2, "MemoryRegistry")
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
    assert set(shown) == {"uptime_seconds", "registry", "torrents", "peers", "fronts", "engine"}
