"""A tracker's figures for Prometheus (text format 0.0.4): read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from rawserver.services.tracker.statistics import TrackerStatistics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "rawserver_tracker_"


class TrackerCollector(Collector):
    """Has the figures of a moment; nothing is counted for it meanwhile."""

    def __init__(self, take: Callable[[], TrackerStatistics]) -> None:
        self._take = take

    def collect(self) -> Iterator[Metric]:
        figures = self._take()
        yield from _gauges(figures)
        yield from _fronts(figures)
        yield from _engine(figures)


def metrics_text(take: Callable[[], TrackerStatistics]) -> bytes:
    """Return the text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(TrackerCollector(take))
    return generate_latest(registry)


def _gauges(figures: TrackerStatistics) -> Iterator[Metric]:
    yield _gauge("uptime_seconds", "Since the tracker began.", figures.uptime_seconds)
    yield _gauge("torrents", "Torrents that are known.", figures.torrents)
    yield _gauge("peers", "Peers in all swarms.", figures.peers)
    yield _gauge("seeds", "Those of them that have all of their torrent.", figures.seeds)
    yield _gauge("leechers", "Those of them that have not.", figures.leechers)
    trouble = "1 while the registry says that something is wrong, such as a store that is away."
    yield _gauge("registry_trouble", trouble, figures.warning != "")
    if figures.state_age_seconds is not None:
        yield _gauge("state_age_seconds", "Since the last save.", figures.state_age_seconds)


def _fronts(figures: TrackerStatistics) -> Iterator[Metric]:
    announces = CounterMetricFamily(
        f"{_PREFIX}announces", "Announces that were read.", labels=["front", "result"]
    )
    scrapes = CounterMetricFamily(
        f"{_PREFIX}scrapes", "Scrapes, of named torrents and of all.", labels=["front", "of"]
    )
    malformed = CounterMetricFamily(
        f"{_PREFIX}malformed", "Announces and scrapes that could not be read.", labels=["front"]
    )
    for front, counters in figures.fronts.items():
        announces.add_metric([front, "answered"], counters.announces)
        announces.add_metric([front, "refused"], counters.refused)
        scrapes.add_metric([front, "named"], counters.scrapes)
        scrapes.add_metric([front, "all"], counters.full_scrapes)
        malformed.add_metric([front], counters.malformed)
    yield from (announces, scrapes, malformed)
    refused = CounterMetricFamily(
        f"{_PREFIX}refused", "What was refused, by which gate or registry.", labels=["by"]
    )
    for name, count in figures.refused_by.items():
        refused.add_metric([name], count)
    yield refused
    if figures.nat_checks is not None:
        yield _nat_checks(*figures.nat_checks)
    udp = figures.fronts["udp"]
    yield _counter("udp_connects", "Connection ids given out.", udp.connects)
    yield _counter("udp_dropped", "Datagrams that were not answered.", udp.dropped)


def _nat_checks(reached: int, failed: int) -> Metric:
    checks = CounterMetricFamily(
        f"{_PREFIX}nat_checks", "Connections back to peers.", labels=["result"]
    )
    checks.add_metric(["reached"], reached)
    checks.add_metric(["failed"], failed)
    return checks


def _engine(figures: TrackerStatistics) -> Iterator[Metric]:
    engine, traffic = figures.engine, figures.engine.traffic
    yield _gauge("connections", "Connections that are open.", traffic.connections)
    yield _counter("connections_made", "Connections that were made.", traffic.connections_ever)
    refused = CounterMetricFamily(
        f"{_PREFIX}connections_refused", "Connections that were not let in.", labels=["reason"]
    )
    for reason, count in engine.refused.items():
        refused.add_metric([reason], count)
    yield refused
    yield _counter("received_bytes", "Bytes received by connections.", traffic.received)
    yield _counter("sent_bytes", "Bytes sent by connections.", traffic.sent)
    yield _counter("loop_turns", "Turns of the loop.", engine.turns)
    yield _counter("loop_busy_seconds", "Time that the loop did something.", engine.busy_seconds)
    longest = engine.longest_turn_seconds
    yield _gauge("loop_longest_turn_seconds", "The longest turn of the loop.", longest)
    yield _gauge("loop_tasks", "Tasks that wait.", engine.tasks)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}{name}", text, value=value)
