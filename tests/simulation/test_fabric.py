import errno
import io
from time import perf_counter

import pytest

from kit.fake_world import FakeReceiver, FakeWorld, datagram
from rawserver.simulation.fabric import Fabric
from rawserver.simulation.latency import Constant, LogNormal, Uniform
from rawserver.simulation.link import Access, Link
from rawserver.simulation.loss import RandomLoss
from rawserver.simulation.packet import DATA, SEGMENT, SYN, UNREACHABLE, Packet
from rawserver.simulation.rules import PASS, Deliver, Drop, Fail, Pass, between

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
HERE, THERE, ELSEWHERE = (A, 1), (B, 2), (C, 3)


class Net:
    """Three hosts on a net."""

    def __init__(self, seed: int = 0) -> None:
        self.world = FakeWorld(seed)
        self.fabric = Fabric(self.world)
        self.a, self.b, self.c = (FakeReceiver(self.world) for _ in range(3))
        for ip, receiver in ((A, self.a), (B, self.b), (C, self.c)):
            self.fabric.attach(ip, receiver)


@pytest.fixture
def net() -> Net:
    return Net()


def test_a_packet_arrives_after_the_latency_of_the_backbone(net: Net) -> None:
    net.fabric.set_backbone(Link(latency=Constant(0.25)))
    packet = datagram(HERE, THERE)
    assert net.fabric.send(packet) == 0
    assert net.b.packets == []
    net.world.run()
    assert (net.b.packets, net.b.times) == ([packet], [1000.25])


def test_what_a_host_sends_to_itself_hardly_takes_time(net: Net) -> None:
    net.fabric.attach("fd00::1", net.a)
    net.fabric.send(datagram(HERE, (A, 9)))
    net.fabric.send(datagram(("fd00::1", 1), (A, 9)))
    net.world.run()
    assert len(net.a.packets) == 2
    assert net.world.now - 1000 < 0.001


def test_latencies_of_lines_and_backbone_add_up(net: Net) -> None:
    net.fabric.set_backbone(Link(latency=Constant(1)))
    net.fabric.set_access(Access(Link(latency=Constant(2)), Link(latency=Constant(4))), A)
    net.fabric.set_access(Access(Link(latency=Constant(8)), Link(latency=Constant(16))), B)
    net.fabric.send(datagram(HERE, THERE))
    net.fabric.send(datagram(THERE, HERE))
    net.world.run()
    assert (net.b.times, net.a.times) == ([1019], [1013])


def test_a_link_between_two_replaces_the_backbone_in_its_direction(net: Net) -> None:
    net.fabric.set_link(A, B, Link(latency=Constant(3)))
    net.fabric.send(datagram(HERE, THERE))
    net.fabric.send(datagram(THERE, HERE))
    net.fabric.set_link(A, B, None)
    net.fabric.send(datagram(HERE, THERE))
    net.world.run()
    assert net.b.times == [1000.02, 1003]
    assert net.a.times == [1000.02]


def test_packets_of_one_path_keep_their_order_whatever_the_jitter(net: Net) -> None:
    net.fabric.set_backbone(Link(latency=LogNormal(0.01, 0.5)))
    for number in range(100):
        net.world.schedule(
            number / 1000, net.fabric.send, datagram(HERE, THERE, str(number).encode())
        )
    net.world.run()
    assert net.b.payloads == [str(number).encode() for number in range(100)]
    assert len(set(net.b.times)) > 5


def test_a_slow_uplink_spaces_packets(net: Net) -> None:
    net.fabric.set_backbone(Link(latency=Constant(0.5)))
    line = net.fabric.set_access(Access(Link(bandwidth=1028), Link()), A)
    for _ in range(3):
        net.fabric.send(datagram(HERE, THERE, bytes(1000)))
    net.world.run()
    assert net.b.times == pytest.approx([1001.5, 1002.5, 1003.5])
    assert line is not None
    assert line.up.bytes_carried == 3 * 1028
    assert net.fabric.line_of(A) is line


def test_senders_share_a_slow_downlink(net: Net) -> None:
    net.fabric.set_backbone(Link(latency=Constant(0.5)))
    net.fabric.set_access(Access(Link(), Link(bandwidth=1028)), C)
    net.fabric.send(datagram(HERE, ELSEWHERE, bytes(1000)))
    net.fabric.send(datagram(THERE, ELSEWHERE, bytes(1000)))
    net.fabric.send(datagram(HERE, ELSEWHERE, bytes(1000)))
    net.world.run()
    assert net.c.times == pytest.approx([1001.5, 1002.5, 1003.5])


def test_a_small_packet_does_not_overtake_a_large_one_in_a_downlink(net: Net) -> None:
    net.fabric.set_access(Access(Link(), Link(bandwidth=1000)), B)
    net.fabric.send(datagram(HERE, THERE, bytes(1000)))
    net.fabric.send(datagram(HERE, THERE, b"small"))
    net.world.run()
    assert net.b.payloads == [bytes(1000), b"small"]


def test_jitter_does_not_fill_a_downlink(net: Net) -> None:
    net.fabric.set_backbone(Link(latency=Uniform(0.01, 0.1)))
    net.fabric.set_access(Access(Link(), Link(bandwidth=1_000_000, queue_bytes=3000)), B)
    for number in range(50):
        net.world.schedule(number / 100, net.fabric.send, datagram(HERE, THERE))
    net.world.run()
    assert len(net.b.packets) == 50


def test_far_packets_do_not_hold_up_near_ones_in_a_downlink(net: Net) -> None:
    net.fabric.set_access(Access(Link(), Link(bandwidth=1000)), C)
    net.fabric.set_link(A, C, Link(latency=Constant(10)))
    net.fabric.send(datagram(HERE, ELSEWHERE, b"far"))
    net.fabric.send(datagram(THERE, ELSEWHERE, b"near"))
    net.world.run()
    assert net.c.payloads == [b"near", b"far"]
    assert net.c.times[0] < 1001


def test_what_does_not_fit_a_queue_is_dropped(net: Net) -> None:
    link = Link(bandwidth=1028, queue_bytes=3 * 1028)
    line = net.fabric.set_access(Access(link, link), A)
    for _ in range(5):
        net.fabric.send(datagram(HERE, THERE, bytes(1000)))
        net.fabric.send(datagram(THERE, HERE, bytes(1000)))
    net.world.run()
    assert (len(net.a.packets), len(net.b.packets)) == (3, 3)
    assert line is not None
    assert (line.up.packets_dropped, line.down.packets_dropped) == (2, 2)
    assert net.world.trace.drops == {"queue full": 4}


def test_a_long_queue_is_delay(net: Net) -> None:
    net.fabric.set_access(Access(Link(bandwidth=1028), Link()), A)
    for _ in range(50):
        net.fabric.send(datagram(HERE, THERE, bytes(1000)))
    net.fabric.send(datagram(HERE, ELSEWHERE, b"ping"))
    net.world.run()
    assert net.c.times[0] > 1050


def test_loss_and_duplication_and_reordering_of_datagrams(net: Net) -> None:
    net.fabric.set_backbone(
        Link(
            latency=Constant(0.01),
            loss=RandomLoss(0.2),
            reorder=0.1,
            duplicate=0.1,
            reorder_delay=Uniform(0.001, 0.1),
        )
    )
    for number in range(500):
        net.world.schedule(
            number / 1000, net.fabric.send, datagram(HERE, THERE, str(number).encode())
        )
    net.world.run()
    numbers = [int(payload) for payload in net.b.payloads]
    assert 350 < len(set(numbers)) < 450
    assert 15 < len(numbers) - len(set(numbers)) < 90
    assert numbers != sorted(numbers)


def test_streams_lose_packets_and_are_neither_reordered_nor_duplicated(net: Net) -> None:
    net.fabric.set_backbone(Link(loss=RandomLoss(0.2), reorder=0.5, duplicate=0.5))
    for number in range(100):
        net.fabric.send(Packet(DATA, HERE, THERE, b"x", sequence=number))
    net.world.run()
    numbers = [packet.sequence for packet in net.b.packets]
    assert 60 < len(numbers) < 95
    assert numbers == sorted(set(numbers))


def test_rules_are_asked_in_order_and_end_with_their_block(net: Net) -> None:
    with net.fabric.rules.add(lambda packet: Drop() if packet.payload == b"bad" else Pass()):
        net.fabric.send(datagram(HERE, THERE, b"good"))
        net.fabric.send(datagram(HERE, THERE, b"bad"))
    net.fabric.send(datagram(HERE, THERE, b"bad"))
    net.world.run()
    assert net.b.payloads == [b"good", b"bad"]
    assert net.world.trace.drops == {"rule": 1}


def test_a_rule_delays_what_others_overtake(net: Net) -> None:
    with net.fabric.rules.add(lambda packet: Deliver(3) if packet.payload == b"late" else PASS):
        net.fabric.send(datagram(HERE, THERE, b"late"))
        net.fabric.send(datagram(HERE, THERE, b"soon"))
    net.world.run()
    assert net.b.payloads == [b"soon", b"late"]
    assert net.b.times == [1000.02, 1003.02]


def test_a_rule_fails_datagrams_at_once_and_streams_by_a_report(net: Net) -> None:
    with net.fabric.rules.add(between([A], [B], Fail(errno.EPERM))):
        assert net.fabric.send(datagram(HERE, THERE)) == errno.EPERM
        syn = Packet(SYN, HERE, THERE)
        assert net.fabric.send(syn) == 0
        assert net.a.packets == []
        net.world.run()
    assert net.b.packets == []
    [report] = net.a.packets
    assert (report.kind, report.error, report.about) == (UNREACHABLE, errno.EPERM, syn)


def test_no_host_is_reported_and_one_that_is_down_is_silent(net: Net) -> None:
    net.fabric.detach(B)
    net.fabric.send(datagram(HERE, THERE))
    lost = datagram(HERE, ("10.9.9.9", 9))
    net.fabric.send(lost)
    net.world.run()
    [report] = net.a.packets
    assert (report.kind, report.error, report.about) == (UNREACHABLE, errno.EHOSTUNREACH, lost)
    assert net.world.trace.drops == {"host down": 1, "no host": 1}


def test_what_is_under_way_to_a_host_that_goes_down_vanishes(net: Net) -> None:
    net.fabric.send(datagram(HERE, THERE))
    net.fabric.detach(B)
    net.world.run()
    net.fabric.attach(B, net.b)
    net.fabric.send(datagram(HERE, THERE, b"again"))
    net.world.run()
    assert net.b.payloads == [b"again"]


def test_a_firewall_lets_answers_in(net: Net) -> None:
    firewall = net.fabric.add_firewall(A)
    net.fabric.send(datagram(THERE, HERE, b"unasked"))
    net.world.run()
    net.fabric.send(datagram(HERE, THERE))
    net.world.run()
    net.fabric.send(datagram(THERE, HERE, b"answer"))
    net.fabric.send(datagram(ELSEWHERE, HERE, b"unasked"))
    net.world.run()
    assert net.a.payloads == [b"answer"]
    assert firewall.packets_kept_out == 2
    net.fabric.remove_firewall(A)
    net.fabric.send(datagram(ELSEWHERE, HERE, b"open"))
    net.world.run()
    assert net.a.payloads == [b"answer", b"open"]


def test_a_firewall_that_refuses_says_so(net: Net) -> None:
    net.fabric.add_firewall(A, refuse=True)
    net.fabric.send(Packet(SYN, THERE, HERE))
    net.world.run()
    assert [packet.error for packet in net.b.packets] == [errno.ECONNREFUSED]


def test_bursts_are_as_long_as_nobody_is_hurt(net: Net) -> None:
    assert net.fabric.burst_bytes(A, B) > 40 * SEGMENT
    net.fabric.set_access(Access(Link(bandwidth=1_000_000, queue_bytes=40_000), Link()), A)
    assert net.fabric.burst_bytes(A, B) == 3 * SEGMENT
    net.fabric.set_access(Access(Link(bandwidth=1000), Link()), A)
    assert net.fabric.burst_bytes(A, B) == SEGMENT
    net.fabric.set_access(Access(Link(loss=RandomLoss(0.1)), Link()), A)
    assert net.fabric.burst_bytes(A, B) == SEGMENT
    with net.fabric.rules.add(lambda packet: PASS):
        assert net.fabric.burst_bytes(B, C) == SEGMENT
    assert net.fabric.burst_bytes(B, C) > SEGMENT


def test_a_capture_has_what_its_host_sends_and_receives(net: Net) -> None:
    file = io.BytesIO()
    capture = net.fabric.capture(file, A)
    net.fabric.send(datagram(HERE, THERE))
    net.fabric.send(datagram(THERE, HERE))
    net.fabric.send(datagram(THERE, ELSEWHERE))
    net.world.run()
    net.fabric.end_capture(A)
    net.fabric.send(datagram(HERE, THERE))
    net.world.run()
    assert capture.packets == 2


def test_a_backbone_has_no_bandwidth(net: Net) -> None:
    with pytest.raises(ValueError, match="bandwidth"):
        net.fabric.set_backbone(Link(bandwidth=1000))


def rough_run(seed: int) -> str:
    net = Net(seed)
    link = Link(LogNormal(0.01, 1), 50_000, 20_000, RandomLoss(0.05), 0.1, 0.1)
    net.fabric.set_access(Access(link, link), A, C)
    net.fabric.set_access(Access(link, link), B)
    for number in range(200):
        for source, destination in ((HERE, THERE), (THERE, ELSEWHERE), (ELSEWHERE, HERE)):
            packet = datagram(source, destination, bytes([number]) * 300)
            net.world.schedule(number / 50, net.fabric.send, packet)
    net.world.run()
    return net.world.trace.hexdigest()


def test_the_same_seed_is_the_same_run() -> None:
    assert rough_run(1) == rough_run(1)
    assert rough_run(1) != rough_run(2)


def test_the_plain_case_is_a_few_microseconds(net: Net) -> None:
    packet = Packet(DATA, HERE, THERE, b"x")
    net.fabric.send(packet)
    best = 1.0
    for _ in range(20):
        began = perf_counter()
        for _ in range(100):
            net.fabric.send(packet)
        best = min(best, (perf_counter() - began) / 100)
    assert best < 20e-6
