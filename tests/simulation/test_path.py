from random import Random

import pytest

from rawserver.simulation.latency import Constant, Uniform
from rawserver.simulation.link import Direction, Link
from rawserver.simulation.loss import RandomLoss
from rawserver.simulation.packet import SEGMENT, Packet
from rawserver.simulation.path import MOST_BURST_BYTES, Path


def nowhere(packet: Packet) -> None:
    raise AssertionError("nothing is sent")


def make(*links: Link, down: Link | None = None) -> Path:
    directions = tuple(Direction(link, lambda: Random(1)) for link in links)
    return Path(
        nowhere, 0.5, directions, None if down is None else Direction(down, lambda: Random(1))
    )


def test_constant_latencies_add_up() -> None:
    path = make(Link(Constant(1)), Link(Constant(2)), down=Link(Constant(4)))
    assert path.delay == 7
    assert path.is_plain
    assert len(path.every()) == 3


@pytest.mark.parametrize(
    "link", [Link(Uniform(1, 2)), Link(bandwidth=5), Link(loss=RandomLoss(0.1)), Link(reorder=0.1)]
)
def test_what_varies_is_not_plain(link: Link) -> None:
    assert not make(link, Link(Constant(1))).is_plain
    assert not make(Link(Constant(1)), down=link).is_plain


def test_what_takes_no_time_needs_no_event() -> None:
    path = make()
    assert path.is_constant
    assert not path.is_plain


@pytest.mark.parametrize(
    ("link", "segments"),
    [
        (Link(), MOST_BURST_BYTES // SEGMENT),
        (Link(Uniform(1, 2)), MOST_BURST_BYTES // SEGMENT),
        (Link(duplicate=0.1), 1),
        (Link(bandwidth=100 * SEGMENT * 5), 5),
        (Link(bandwidth=100 * SEGMENT * 5, queue_bytes=16 * SEGMENT), 2),
        (Link(bandwidth=1), 1),
    ],
)
def test_bursts(link: Link, segments: int) -> None:
    assert make(Link(), link).burst_bytes() == segments * SEGMENT
    assert make(down=link).burst_bytes() == segments * SEGMENT
