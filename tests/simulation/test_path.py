from random import Random

import pytest

from kit.fake_world import FakeWorld
from rawserver.simulation.attachment import Attachment
from rawserver.simulation.latency import Constant, Uniform
from rawserver.simulation.link import Direction, Link
from rawserver.simulation.loss import RandomLoss
from rawserver.simulation.packet import SEGMENT, Packet
from rawserver.simulation.path import BURST_SECONDS, MOST_BURST_BYTES, Path, WayOut


def nowhere(packet: Packet) -> None:
    raise AssertionError("nothing is sent")


def make(*links: Link, down: Link | None = None) -> Path:
    way_out = WayOut(tuple(Direction(link, lambda: Random(1)) for link in links))
    return Path(nowhere, 0.5, way_out, None if down is None else Direction(down, lambda: Random(1)))


def test_constant_latencies_add_up() -> None:
    path = make(Link(Constant(1)), Link(Constant(2)), down=Link(Constant(4)))
    assert path.delay == 7
    assert path.is_constant
    assert path.is_steady
    assert len(path.every()) == 3


@pytest.mark.parametrize(
    "link", [Link(Uniform(1, 2)), Link(loss=RandomLoss(0.1)), Link(reorder=0.1)]
)
def test_what_varies_is_not_steady(link: Link) -> None:
    for path in (make(link, Link(Constant(1))), make(Link(Constant(1)), down=link)):
        assert not path.is_constant
        assert not path.is_steady


def test_queues_at_the_ends_are_steady() -> None:
    queue, plain = Link(Constant(1), bandwidth=5), Link(Constant(1))
    path = make(queue, plain, down=queue)
    assert path.is_steady
    assert not path.is_constant
    assert path.up is path.directions[0]
    assert not make(plain, down=queue).is_constant
    assert not make(plain, queue).is_steady


def test_what_is_lost_or_watched_makes_a_path_special() -> None:
    lossy = Link(loss=RandomLoss(0.1))
    assert make(Link(), down=Link()).is_clean
    assert not make(Link(), down=lossy).is_clean
    assert not make(lossy, down=Link()).is_clean
    watched = Attachment("10.0.0.1", FakeWorld(), nowhere)
    assert not WayOut((), watched, 1.0).is_steady


def test_what_takes_no_time_needs_no_event() -> None:
    path = make()
    assert path.is_constant
    assert not path.is_steady


@pytest.mark.parametrize(
    ("link", "segments"),
    [
        (Link(), MOST_BURST_BYTES // SEGMENT),
        (Link(Uniform(1, 2)), MOST_BURST_BYTES // SEGMENT),
        (Link(duplicate=0.1), 1),
        (Link(bandwidth=SEGMENT * 5.5 / BURST_SECONDS), 5),
        (Link(bandwidth=SEGMENT * 5.5 / BURST_SECONDS, queue_bytes=16 * SEGMENT), 2),
        (Link(bandwidth=1), 1),
    ],
)
def test_bursts(link: Link, segments: int) -> None:
    assert make(Link(), link).burst_bytes() == segments * SEGMENT
    assert make(down=link).burst_bytes() == segments * SEGMENT
