import errno

from kit.fake_world import FakeWorld, datagram
from rawserver.simulation.firewall import Firewall
from rawserver.simulation.packet import DATA, RST, SYN, UNREACHABLE, Packet, unreachable

INSIDE = ("10.0.0.1", 1000)
OUTSIDE = ("8.8.8.8", 53)


def test_what_was_asked_for_comes_in() -> None:
    world = FakeWorld()
    firewall = Firewall(lambda: world.now)
    assert not firewall.admits(datagram(OUTSIDE, INSIDE))
    firewall.outgoing(datagram(INSIDE, OUTSIDE))
    assert firewall.admits(datagram(OUTSIDE, INSIDE))
    assert not firewall.admits(datagram(("8.8.8.8", 54), INSIDE))
    assert not firewall.admits(datagram(OUTSIDE, ("10.0.0.1", 1001)))
    assert not firewall.admits(Packet(SYN, OUTSIDE, INSIDE))
    assert firewall.packets_kept_out == 4


def test_a_silent_flow_is_forgotten_and_a_lively_one_is_not() -> None:
    world = FakeWorld()
    firewall = Firewall(lambda: world.now, udp_seconds=30, tcp_seconds=300)
    firewall.outgoing(datagram(INSIDE, OUTSIDE))
    firewall.outgoing(Packet(SYN, INSIDE, OUTSIDE))
    world.now += 20
    assert firewall.admits(datagram(OUTSIDE, INSIDE))
    world.now += 20
    assert firewall.admits(datagram(OUTSIDE, INSIDE))
    world.now += 31
    assert not firewall.admits(datagram(OUTSIDE, INSIDE))
    assert firewall.admits(Packet(DATA, OUTSIDE, INSIDE))
    world.now += 301
    assert not firewall.admits(Packet(DATA, OUTSIDE, INSIDE))


def test_open_ports_are_reachable() -> None:
    firewall = Firewall(lambda: 0.0, open_ports=[1000])
    assert firewall.admits(Packet(SYN, OUTSIDE, INSIDE))
    assert not firewall.admits(Packet(SYN, OUTSIDE, ("10.0.0.1", 1001)))


def test_a_full_table_forgets_who_was_silent_longest() -> None:
    firewall = Firewall(lambda: 0.0, most_flows=2)
    for port in (1, 2):
        firewall.outgoing(datagram(INSIDE, ("8.8.8.8", port)))
    firewall.outgoing(datagram(INSIDE, ("8.8.8.8", 1)))
    firewall.outgoing(datagram(INSIDE, ("8.8.8.8", 3)))
    admitted = [firewall.admits(datagram(("8.8.8.8", port), INSIDE)) for port in (1, 2, 3)]
    assert admitted == [True, False, True]


def test_news_about_what_was_sent_comes_in() -> None:
    firewall = Firewall(lambda: 0.0)
    sent = datagram(INSIDE, OUTSIDE)
    report = unreachable(sent, "8.8.8.8", errno.ECONNREFUSED)
    assert not firewall.admits(report)
    firewall.outgoing(sent)
    assert firewall.admits(report)
    firewall.outgoing(unreachable(datagram(OUTSIDE, INSIDE), "10.0.0.1", errno.ECONNREFUSED))
    assert not firewall.admits(Packet(UNREACHABLE, OUTSIDE, INSIDE))


def test_who_is_refused_hears_of_it_unless_it_is_an_error_itself() -> None:
    firewall = Firewall(lambda: 0.0, refuse=True)
    packet = Packet(SYN, OUTSIDE, INSIDE)
    refusal = firewall.refusal(packet)
    assert refusal is not None
    assert (refusal.kind, refusal.destination) == (UNREACHABLE, OUTSIDE)
    assert (refusal.error, refusal.about) == (errno.ECONNREFUSED, packet)
    assert firewall.refusal(Packet(RST, OUTSIDE, INSIDE)) is None
    assert Firewall(lambda: 0.0).refusal(packet) is None
