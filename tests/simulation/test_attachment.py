import errno

import pytest

from kit.fake_world import FakeReceiver, FakeWorld, datagram
from rawserver.simulation.attachment import Attachment
from rawserver.simulation.firewall import Firewall
from rawserver.simulation.packet import SYN, UNREACHABLE, Packet

HERE, THERE = ("10.0.0.1", 1), ("10.0.0.2", 2)


class Place:
    """An address with a note of what is sent from it."""

    def __init__(self) -> None:
        self.world = FakeWorld()
        self.sent: list[Packet] = []
        self.receiver = FakeReceiver(self.world)
        self.attachment = Attachment(THERE[0], self.world, self.sent.append)


@pytest.fixture
def place() -> Place:
    return Place()


def test_who_is_there_receives(place: Place) -> None:
    place.attachment.receiver = place.receiver
    place.attachment.settle()
    place.attachment.deliver(datagram(HERE, THERE))
    assert len(place.receiver.packets) == 1
    assert place.world.trace.deliveries == 1


def test_where_nobody_ever_was_it_is_said(place: Place) -> None:
    packet = datagram(HERE, THERE)
    place.attachment.deliver(packet)
    [report] = place.sent
    assert (report.kind, report.error, report.about) == (UNREACHABLE, errno.EHOSTUNREACH, packet)
    # News of it is not answered in turn.
    place.attachment.deliver(report)
    assert len(place.sent) == 1
    assert place.world.trace.drops == {"no host": 2}


def test_where_somebody_was_it_is_silent(place: Place) -> None:
    place.attachment.was_attached = True
    place.attachment.deliver(datagram(HERE, THERE))
    assert place.sent == []
    assert place.world.trace.drops == {"host down": 1}


def test_a_firewall_is_asked_before_a_tap_sees_it(place: Place) -> None:
    seen: list[Packet] = []
    attachment = place.attachment
    attachment.receiver = place.receiver
    attachment.firewall = Firewall(lambda: place.world.now, refuse=True)
    attachment.tap = lambda now, packet: seen.append(packet)
    attachment.settle()
    attachment.deliver(Packet(SYN, HERE, THERE))
    assert [packet.error for packet in place.sent] == [errno.ECONNREFUSED]
    assert seen == place.receiver.packets == []
    attachment.note_sent(Packet(SYN, THERE, HERE))
    attachment.deliver(Packet(SYN, HERE, THERE))
    assert len(seen) == 2
    assert len(place.receiver.packets) == 1
    assert place.world.trace.drops == {"firewall": 1}
