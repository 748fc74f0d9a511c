"""What a tracker does now and has done, in figures."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rawserver.engine.statistics import Statistics
from rawserver.services.tracker.counters import FrontCounters

if TYPE_CHECKING:
    from rawserver.services.tracker.tracker import Tracker


@dataclass(frozen=True, slots=True)
class TrackerStatistics:
    """Counts and seconds; `fronts` are the counters of each front end, `engine` the loop's."""

    uptime_seconds: float
    registry: str
    torrents: int
    peers: int
    fronts: dict[str, FrontCounters]
    engine: Statistics


def take_statistics(tracker: Tracker) -> TrackerStatistics:
    """Take the figures of this moment: O(connections)."""
    raw_server, registry = tracker.raw_server, tracker.registry
    return TrackerStatistics(
        raw_server.network.time() - tracker.http.began_at,
        type(registry).__name__,
        len(registry),
        registry.num_peers,
        {"http": tracker.counters.http, "udp": tracker.counters.udp},
        raw_server.statistics(),
    )


def as_json(figures: TrackerStatistics) -> bytes:
    """Return them as a JSON object."""
    engine, traffic = figures.engine, figures.engine.traffic
    shown: dict[str, Any] = {
        "uptime_seconds": round(figures.uptime_seconds, 3),
        "registry": figures.registry,
        "torrents": figures.torrents,
        "peers": figures.peers,
        "fronts": {name: asdict(counters) for name, counters in figures.fronts.items()},
        "engine": {
            "connections": traffic.connections,
            "connections_ever": traffic.connections_ever,
            "connections_refused": engine.refused,
            "received_bytes": traffic.received,
            "sent_bytes": traffic.sent,
            "datagrams_dropped": engine.datagrams_dropped,
            "turns": engine.turns,
            "busy": round(engine.busy, 4),
            "busy_seconds": round(engine.busy_seconds, 3),
            "longest_turn_seconds": round(engine.longest_turn_seconds, 6),
            "tasks": engine.tasks,
        },
    }
    return json.dumps(shown, indent=2).encode() + b"\n"
