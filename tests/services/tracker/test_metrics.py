"""The figures as Prometheus reads them, read back by its own library."""

import dataclasses
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

from kit.tracker_desk import announce, ask, seed
from rawserver import RawServer
from rawserver.services.tracker import Tracker
from rawserver.services.tracker.metrics import metrics_text
from rawserver.services.tracker.statistics import TrackerStatistics, take_statistics

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(tracker: Tracker) -> Samples:
    return samples_of(take_statistics(tracker))


def samples_of(figures: TrackerStatistics) -> Samples:
    text = metrics_text(lambda: figures).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_was_counted_is_there(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server)
    seed(tracker)
    announce(tracker)
    announce(tracker, left=None)
    ask(tracker, "/scrape")
    found = samples(tracker)
    http = ("front", "http")
    assert found["rawserver_tracker_announces_total", (http, ("result", "answered"))] == 2
    assert found["rawserver_tracker_announces_total", (http, ("result", "refused"))] == 0
    assert found["rawserver_tracker_malformed_total", (http,)] == 1
    assert found["rawserver_tracker_scrapes_total", (http, ("of", "all"))] == 1
    assert found["rawserver_tracker_udp_connects_total", ()] == 0
    assert found["rawserver_tracker_torrents", ()] == 1
    assert found["rawserver_tracker_peers", ()] == 2
    assert found["rawserver_tracker_seeds", ()] == 1
    assert found["rawserver_tracker_leechers", ()] == 1
    assert found["rawserver_tracker_registry_trouble", ()] == 0
    assert found["rawserver_tracker_connections", ()] == 0
    assert not [name for name, _ in found if "nat_checks" in name or "state_age" in name]


def test_what_stands_around_the_tracker_is_there_too(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server)
    figures = dataclasses.replace(
        take_statistics(tracker),
        warning="the store is away",
        refused_by={"Passkeys": 3, "MemoryRegistry": 1},
        nat_checks=(5, 7),
        state_age_seconds=30.5,
    )
    found = samples_of(figures)
    assert found["rawserver_tracker_refused_total", (("by", "Passkeys"),)] == 3
    assert found["rawserver_tracker_refused_total", (("by", "MemoryRegistry"),)] == 1
    assert found["rawserver_tracker_nat_checks_total", (("result", "reached"),)] == 5
    assert found["rawserver_tracker_nat_checks_total", (("result", "failed"),)] == 7
    assert found["rawserver_tracker_registry_trouble", ()] == 1
    assert found["rawserver_tracker_state_age_seconds", ()] == 30.5


def test_names_follow_the_conventions(raw_server: RawServer) -> None:
    text = metrics_text(lambda: take_statistics(Tracker(raw_server))).decode()
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("rawserver_tracker_")
        assert family.documentation.endswith(".")
        assert not any(unit in family.name for unit in ("_ms", "_kb", "milliseconds"))
        for sample in family.samples:
            assert (family.type == "counter") is sample.name.endswith("_total")


def test_the_library_is_not_loaded_before_it_is_asked_for() -> None:
    command = (
        "import sys, rawserver.services.tracker; "
        "print(*[name for name in sys.modules if 'prometheus' in name])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=30
    )
    assert loaded.stdout.strip() == ""
