"""What a RawServer does at the moment, and has done: figures for whoever watches it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rawserver.engine.account import Account

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer
    from rawserver.engine.single_socket import SingleSocket


@dataclass(frozen=True, slots=True)
class Traffic:
    """Connections that are made now and that ever were; bytes; bytes that wait to be sent."""

    connections: int = 0
    connections_ever: int = 0
    received: int = 0
    sent: int = 0
    buffered: int = 0


@dataclass(frozen=True, slots=True)
class ListenerStatistics:
    """A listener's traffic. `opening` counts handshakes, `refused` by the reason."""

    address: Any
    traffic: Traffic
    opening: int
    refused: dict[str, int]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts, bytes and seconds.

    `busy` is the share of the last ten seconds or more in which the loop did something, 0 to 1.
    `longest_call` names what took `longest_call_seconds`, of the calls that were measured: those of
    the turns after a slow one, and those that a watchdog saw. `half_open` are connections in the
    making, `waiting_to_connect` those whose turn has not come. `tasks` wait, `tasks_due` of them
    are late by now.
    """

    traffic: Traffic
    contexts: dict[Hashable, Traffic]
    listeners: list[ListenerStatistics]
    half_open: int
    waiting_to_connect: int
    datagrams_dropped: int
    tasks: int
    tasks_due: int
    turns: int
    busy: float
    busy_seconds: float
    longest_turn_seconds: float
    longest_call_seconds: float
    longest_call: str
    refused: dict[str, int] = field(default_factory=dict)


def traffic_of(account: Account, live: list[SingleSocket]) -> Traffic:
    """Add what live connections have to what those that went have left."""
    return Traffic(
        account.connections,
        account.made,
        account.received + sum(one.received for one in live),
        account.sent + sum(one.sent for one in live),
        sum(one.buffered for one in live),
    )


def statistics_of(raw_server: RawServer) -> Statistics:
    """Take the figures of this moment: O(connections)."""
    live = [one for one in raw_server.connections() if one.connected]
    by_context: dict[Hashable, list[SingleSocket]] = {}
    by_listener: dict[int, list[SingleSocket]] = {}
    for connection in live:
        by_context.setdefault(connection.context, []).append(connection)
        by_listener.setdefault(id(connection.listener), []).append(connection)
    listeners = [
        ListenerStatistics(
            listener.address,
            traffic_of(listener.account, by_listener.get(id(listener), [])),
            listener.admission.opening,
            dict(listener.admission.refused),
        )
        for listener in raw_server.listeners()
    ]
    refused: dict[str, int] = {}
    for listener in listeners:
        for reason, count in listener.refused.items():
            refused[reason] = refused.get(reason, 0) + count
    times, tasks, now = raw_server.times, raw_server.tasks, raw_server.network.time()
    return Statistics(
        traffic=traffic_of(raw_server.account, live),
        contexts={
            context: traffic_of(account, by_context.get(context, []))
            for context, account in raw_server.accounts().items()
        },
        listeners=listeners,
        refused=refused,
        half_open=raw_server.half_open_limit.half_open,
        waiting_to_connect=raw_server.half_open_limit.waiting,
        datagrams_dropped=sum(one.dropped for one in raw_server.udp_sockets()),
        tasks=len(tasks),
        tasks_due=tasks.count_due(now),
        turns=times.turns,
        busy=times.share(now),
        busy_seconds=times.busy,
        longest_turn_seconds=times.longest_turn,
        longest_call_seconds=times.longest,
        longest_call=times.longest_call,
    )
