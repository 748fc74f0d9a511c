"""What a tracker does now and has done, in figures."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rawserver.engine.statistics import Statistics
from rawserver.services.tracker.counters import FrontCounters
from rawserver.services.tracker.nat_check import NatCheck

if TYPE_CHECKING:
    from rawserver.services.tracker.tracker import Tracker


@dataclass(frozen=True, slots=True)
class TrackerStatistics:
    """Counts and seconds; `fronts` are the counters of each front end, `engine` the loop's.

    `warning` is what the registry says is wrong, "" for nothing. `refused_by` has what was refused
    by the name of what refused it. `state_age_seconds`: since the last save, None if there was
    none; `nat_checks`: how many reached a peer, and failed to, None without any.
    """

    uptime_seconds: float
    registry: str
    warning: str
    torrents: int
    seeds: int
    leechers: int
    fronts: dict[str, FrontCounters]
    refused_by: dict[str, int]
    state_age_seconds: float | None
    nat_checks: tuple[int, int] | None
    engine: Statistics

    @property
    def peers(self) -> int:
        """Seeds and leechers."""
        return self.seeds + self.leechers


def take_statistics(tracker: Tracker) -> TrackerStatistics:
    """Take the figures of this moment: O(connections)."""
    raw_server, registry, counters = tracker.raw_server, tracker.registry, tracker.counters
    now = raw_server.network.time()
    saved_at = None if tracker.state is None else tracker.state.saved_at
    checks = [watcher for watcher in tracker.watchers if isinstance(watcher, NatCheck)]
    return TrackerStatistics(
        now - tracker.http.began_at,
        type(registry).__name__,
        # A registry that depends on somebody has one.
        getattr(registry, "warning", ""),
        len(registry),
        registry.num_seeds,
        registry.num_peers - registry.num_seeds,
        {"http": counters.http, "udp": counters.udp},
        counters.refused_by,
        None if saved_at is None else now - saved_at,
        (sum(each.reached for each in checks), sum(each.failed for each in checks))
        if checks
        else None,
        raw_server.statistics(),
    )


def as_json(figures: TrackerStatistics) -> bytes:
    """Return them as a JSON object."""
    engine, traffic = figures.engine, figures.engine.traffic
    age, checks = figures.state_age_seconds, figures.nat_checks
    shown: dict[str, Any] = {
        "uptime_seconds": round(figures.uptime_seconds, 3),
        "registry": figures.registry,
        "warning": figures.warning,
        "torrents": figures.torrents,
        "peers": figures.peers,
        "seeds": figures.seeds,
        "leechers": figures.leechers,
        "fronts": {name: asdict(counters) for name, counters in figures.fronts.items()},
        "refused_by": figures.refused_by,
        "state_age_seconds": age if age is None else round(age, 3),
        "nat_checks": None if checks is None else {"reached": checks[0], "failed": checks[1]},
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
