"""Accesses as people have them. Speeds are in bytes per second, in the middle of each kind."""

from __future__ import annotations

from rawserver.simulation.latency import Constant, LogNormal, Normal
from rawserver.simulation.link import Access, Link
from rawserver.simulation.loss import BurstLoss, RandomLoss

MEGABIT = 1_000_000 / 8


def access(
    down_megabits: float,
    up_megabits: float,
    latency: float = 0.01,
    queue_seconds: float = 0.1,
) -> Access:
    """Return an access of the given speeds, with queues that hold so many seconds of it.

    `latency` is what it adds to each direction, in seconds. A queue has room for sixteen full
    packets at least.
    """
    return Access(
        up=_link(up_megabits, latency, queue_seconds),
        down=_link(down_megabits, latency, queue_seconds),
    )


def _link(megabits: float, latency: float, queue_seconds: float) -> Link:
    bandwidth = megabits * MEGABIT
    return Link(
        latency=Constant(latency),
        bandwidth=bandwidth,
        queue_bytes=max(round(bandwidth * queue_seconds), 16 * 1500),
    )


# A machine in a data centre: 10 Gbit/s, a tenth of a millisecond.
DATA_CENTRE = access(10_000, 10_000, latency=0.0001, queue_seconds=0.01)
# Gigabit Ethernet in one building.
LAN = access(1000, 1000, latency=0.0002, queue_seconds=0.005)
# Fibre to the home, as fast up as down.
FIBRE = access(500, 500, latency=0.002, queue_seconds=0.05)
# Cable: fast down, slow up.
CABLE = access(200, 20, latency=0.008, queue_seconds=0.1)
# VDSL2.
DSL = access(50, 10, latency=0.012, queue_seconds=0.1)
# ADSL with the second of queue that made "bufferbloat" a word (RFC 8289 section 1).
ADSL = access(16, 1, latency=0.025, queue_seconds=1.0)
# Wi-Fi in a full house: latency that jumps, and bursts of loss.
WIFI = Access(
    up=Link(
        latency=LogNormal(median=0.003, shape=1.0, most=0.3),
        bandwidth=60 * MEGABIT,
        queue_bytes=256 * 1024,
        loss=BurstLoss(enter=0.0005, leave=0.2),
    ),
    down=Link(
        latency=LogNormal(median=0.003, shape=1.0, most=0.3),
        bandwidth=100 * MEGABIT,
        queue_bytes=256 * 1024,
        loss=BurstLoss(enter=0.0005, leave=0.2),
    ),
)
# A telephone in LTE.
MOBILE = Access(
    up=Link(
        latency=LogNormal(median=0.01, shape=0.6, least=0.02, most=1.0),
        bandwidth=10 * MEGABIT,
        queue_bytes=512 * 1024,
        loss=RandomLoss(0.001),
    ),
    down=Link(
        latency=LogNormal(median=0.01, shape=0.6, least=0.02, most=1.0),
        bandwidth=30 * MEGABIT,
        queue_bytes=1024 * 1024,
        loss=RandomLoss(0.001),
    ),
)
# A geostationary satellite: a quarter of a second up and down.
SATELLITE = access(50, 5, latency=0.13, queue_seconds=0.5)

# What homes have, for swarms of them.
HOMES = (FIBRE, CABLE, CABLE, DSL, DSL, ADSL)

# The net between the accesses: within one region, and around the world.
REGION = Link(latency=Normal(0.008, 0.001, least=0.004))
WORLD_WIDE = Link(latency=Normal(0.04, 0.002, least=0.02))
