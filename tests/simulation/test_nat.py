import errno
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.fake_world import FakeReceiver, FakeWorld, datagram
from rawserver.simulation.fabric import Fabric
from rawserver.simulation.link import Access, Link
from rawserver.simulation.nat import (
    FULL_CONE,
    MOST_CONTACTS,
    PORT_RESTRICTED_CONE,
    RESTRICTED_CONE,
    SYMMETRIC,
    Nat,
    NatKind,
)
from rawserver.simulation.packet import (
    ACK,
    DATAGRAM,
    FIN,
    SYN,
    SYN_ACK,
    Endpoint,
    Packet,
    unreachable,
)
from rawserver.simulation.rules import between

HOME, NEIGHBOUR, PUBLIC = "192.168.0.2", "192.168.0.3", "1.1.1.1"
SERVER, OTHER = "8.8.8.8", "9.9.9.9"


class Net:
    """Two hosts behind a router, and two outside."""

    def __init__(self, kind: NatKind = PORT_RESTRICTED_CONE, **options: object) -> None:
        self.world = FakeWorld()
        self.fabric = Fabric(self.world)
        self.at = {ip: FakeReceiver(self.world) for ip in (HOME, NEIGHBOUR, SERVER, OTHER)}
        for ip, receiver in self.at.items():
            self.fabric.attach(ip, receiver)
        self.nat = self.fabric.add_nat(PUBLIC, HOME, NEIGHBOUR, kind=kind, **options)

    def pass_on(
        self, source: Endpoint, destination: Endpoint, kind: int = DATAGRAM
    ) -> list[Packet]:
        """Send a packet; returns what arrived at all hosts."""
        for receiver in self.at.values():
            receiver.packets.clear()
        self.fabric.send(Packet(kind, source, destination, b"x"))
        self.world.run()
        return [packet for receiver in self.at.values() for packet in receiver.packets]

    def seen_from(self, source: Endpoint, destination: Endpoint) -> Endpoint:
        """Send a packet; returns the source that its receiver sees."""
        [packet] = self.pass_on(source, destination)
        assert packet.destination == destination
        return packet.source

    def reaches(self, source: Endpoint, public: Endpoint) -> bool:
        return [packet.source for packet in self.pass_on(source, public)] == [source]


def test_outside_the_public_address_is_seen_and_answers_come_back() -> None:
    net = Net()
    assert net.seen_from((HOME, 5000), (SERVER, 53)) == (PUBLIC, 5000)
    [answer] = net.pass_on((SERVER, 53), (PUBLIC, 5000))
    assert (answer.source, answer.destination) == ((SERVER, 53), (HOME, 5000))


def test_a_cone_has_one_public_port_whatever_the_other_end() -> None:
    net = Net()
    assert net.seen_from((HOME, 5000), (SERVER, 53)) == (PUBLIC, 5000)
    assert net.seen_from((HOME, 5000), (OTHER, 54)) == (PUBLIC, 5000)


def test_a_symmetric_nat_has_one_for_each_other_end() -> None:
    net = Net(SYMMETRIC)
    ports = [
        net.seen_from((HOME, 5000), end)[1] for end in ((SERVER, 53), (SERVER, 54), (OTHER, 53))
    ]
    assert len(set(ports)) == 3
    assert net.seen_from((HOME, 5000), (SERVER, 53))[1] == ports[0]


@pytest.mark.parametrize(
    ("kind", "same_port", "same_address", "anyone"),
    [
        (FULL_CONE, True, True, True),
        (RESTRICTED_CONE, True, True, False),
        (PORT_RESTRICTED_CONE, True, False, False),
        (SYMMETRIC, True, False, False),
    ],
)
def test_who_may_send_to_the_public_port(
    kind: NatKind, same_port: bool, same_address: bool, anyone: bool
) -> None:
    net = Net(kind)
    public = net.seen_from((HOME, 5000), (SERVER, 53))
    assert net.reaches((SERVER, 53), public) == same_port
    assert net.reaches((SERVER, 54), public) == same_address
    assert net.reaches((OTHER, 53), public) == anyone
    assert not net.reaches((OTHER, 53), (PUBLIC, 6000))
    assert net.nat.packets_kept_out == 1 + (not same_address) + (not anyone)


def test_the_port_of_a_neighbour_is_not_shared() -> None:
    net = Net()
    first = net.seen_from((HOME, 5000), (SERVER, 53))
    second = net.seen_from((NEIGHBOUR, 5000), (SERVER, 53))
    assert first != second
    [answer] = net.pass_on((SERVER, 53), second)
    assert answer.destination == (NEIGHBOUR, 5000)


def test_ports_may_not_be_preserved() -> None:
    net = Net(preserve_ports=False)
    port = net.seen_from((HOME, 5000), (SERVER, 53))[1]
    assert port != 5000
    assert net.seen_from((HOME, 5000), (OTHER, 53))[1] == port


def test_udp_and_tcp_have_ports_of_their_own() -> None:
    net = Net()
    net.pass_on((HOME, 5000), (SERVER, 53))
    assert net.pass_on((SERVER, 53), (PUBLIC, 5000), SYN_ACK) == []
    [syn] = net.pass_on((NEIGHBOUR, 5000), (SERVER, 53), SYN)
    assert syn.source == (PUBLIC, 5000)


def test_a_silent_mapping_is_forgotten() -> None:
    net = Net(udp_seconds=30)
    public = net.seen_from((HOME, 5000), (SERVER, 53))
    net.world.now += 29
    assert net.reaches((SERVER, 53), public)
    net.world.now += 29
    assert net.reaches((SERVER, 53), public)
    net.world.now += 31
    assert not net.reaches((SERVER, 53), public)
    assert net.seen_from((NEIGHBOUR, 5000), (SERVER, 53)) == public


def test_a_closed_connection_is_forgotten_sooner() -> None:
    net = Net()
    net.pass_on((HOME, 5000), (SERVER, 80), SYN)
    net.world.now += 7000
    assert net.pass_on((SERVER, 80), (PUBLIC, 5000), ACK)
    net.pass_on((HOME, 5000), (SERVER, 80), FIN)
    net.world.now += 200
    assert net.pass_on((SERVER, 80), (PUBLIC, 5000), ACK)
    net.world.now += 300
    assert net.pass_on((SERVER, 80), (PUBLIC, 5000), ACK) == []
    [syn] = net.pass_on((HOME, 5000), (SERVER, 80), SYN)
    assert syn.source == (PUBLIC, 5000)


def test_a_full_table_takes_nobody_until_one_is_forgotten() -> None:
    net = Net(most_mappings=2, udp_seconds=30)
    for port in (1, 2, 3):
        net.pass_on((HOME, port), (SERVER, 53))
    assert net.nat.packets_without_mapping == 1
    net.world.now += 31
    assert len(net.pass_on((HOME, 3), (SERVER, 53))) == 1


def test_who_was_sent_to_long_ago_may_send_no_longer() -> None:
    net = Net()
    for port in range(1, MOST_CONTACTS + 2):
        net.nat.send_out(datagram((HOME, 5000), (OTHER, port)))
    net.world.run()
    assert not net.reaches((OTHER, 1), (PUBLIC, 5000))
    assert net.reaches((OTHER, 2), (PUBLIC, 5000))


def test_a_hairpin_shows_the_public_address() -> None:
    for hairpin in (True, False):
        net = Net(FULL_CONE, hairpin=hairpin)
        public = net.seen_from((HOME, 5000), (SERVER, 53))
        arrived = net.pass_on((NEIGHBOUR, 6000), public)
        expected = [((PUBLIC, 6000), (HOME, 5000))] if hairpin else []
        assert [(packet.source, packet.destination) for packet in arrived] == expected


def test_neighbours_reach_each_other_by_their_own_addresses() -> None:
    net = Net()
    assert net.seen_from((HOME, 5000), (NEIGHBOUR, 6000)) == (HOME, 5000)
    assert net.world.now == 1000


def test_a_private_address_is_not_reached_from_outside() -> None:
    net = Net(FULL_CONE)
    net.pass_on((HOME, 5000), (SERVER, 53))
    [report] = net.pass_on((SERVER, 53), (HOME, 5000))
    assert (report.destination, report.error) == ((SERVER, 53), errno.EHOSTUNREACH)


def test_a_forwarded_port_is_reached_by_everybody() -> None:
    net = Net(SYMMETRIC)
    net.nat.forward_port(6881, (HOME, 5000), udp=False)
    [syn] = net.pass_on((OTHER, 99), (PUBLIC, 6881), SYN)
    assert syn.destination == (HOME, 5000)
    [answer] = net.pass_on((HOME, 5000), (OTHER, 99), SYN_ACK)
    assert answer.source == (PUBLIC, 6881)
    assert net.pass_on((OTHER, 99), (PUBLIC, 6881)) == []


def test_a_router_switched_off_and_on_knows_its_forwards_alone() -> None:
    net = Net(FULL_CONE)
    net.nat.forward_port(6881, (HOME, 6881), udp=True)
    public = net.seen_from((HOME, 5000), (SERVER, 53))
    net.nat.forget()
    assert not net.reaches((SERVER, 53), public)
    assert net.reaches((SERVER, 53), (PUBLIC, 6881))


def test_news_of_what_did_not_arrive_is_translated_both_ways() -> None:
    net = Net(FULL_CONE)
    public = net.seen_from((HOME, 5000), (SERVER, 53))
    sent = datagram(public, (SERVER, 53))
    net.at[HOME].packets.clear()
    net.fabric.send(unreachable(sent, SERVER, errno.ECONNREFUSED))
    net.world.run()
    [report] = net.at[HOME].packets
    assert report.about is not None
    assert (report.destination, report.error) == ((HOME, 5000), errno.ECONNREFUSED)
    assert (report.about.source, report.about.destination) == ((HOME, 5000), (SERVER, 53))

    [inside] = net.pass_on((SERVER, 53), public)
    net.fabric.send(unreachable(inside, HOME, errno.ECONNREFUSED))
    net.world.run()
    [report] = net.at[SERVER].packets
    assert report.about is not None
    assert (report.source, report.destination) == ((PUBLIC, 0), (SERVER, 53))
    assert (report.about.source, report.about.destination) == ((SERVER, 53), public)


def test_hosts_behind_two_routers_punch_holes() -> None:
    net = Net()
    net.fabric.add_nat("2.2.2.2", SERVER)
    # Both send to the other's public address; the first one is kept out, but makes the hole.
    assert net.pass_on((HOME, 5000), ("2.2.2.2", 6000)) == []
    [second] = net.pass_on((SERVER, 6000), (PUBLIC, 5000))
    assert (second.source, second.destination) == (("2.2.2.2", 6000), (HOME, 5000))
    [third] = net.pass_on((HOME, 5000), ("2.2.2.2", 6000))
    assert third.destination == (SERVER, 6000)


def test_a_router_may_be_behind_another() -> None:
    net = Net()
    outer = net.fabric.add_nat("3.3.3.3", PUBLIC, preserve_ports=False)
    source = net.seen_from((HOME, 5000), (SERVER, 53))
    assert source[0] == "3.3.3.3"
    [answer] = net.pass_on((SERVER, 53), source)
    assert answer.destination == (HOME, 5000)
    assert net.fabric.nat_of(PUBLIC) is outer


def test_hosts_behind_a_router_share_its_line() -> None:
    net = Net()
    net.fabric.set_access(Access(Link(bandwidth=29), Link(bandwidth=29)), PUBLIC)
    net.fabric.send(datagram((HOME, 5000), (SERVER, 53)))
    net.fabric.send(datagram((NEIGHBOUR, 6000), (SERVER, 53)))
    net.world.run()
    assert net.at[SERVER].times == pytest.approx([1001.02, 1002.02])
    net.fabric.send(datagram((SERVER, 53), (PUBLIC, 5000)))
    net.fabric.send(datagram((SERVER, 53), (PUBLIC, 6000)))
    net.world.run()
    [first] = net.at[HOME].times
    [second] = net.at[NEIGHBOUR].times
    assert second - first == pytest.approx(1)


def test_rules_see_packets_before_and_after_the_router() -> None:
    net = Net(FULL_CONE)
    public = net.seen_from((HOME, 5000), (SERVER, 53))
    for ends in ((HOME, SERVER), (PUBLIC, SERVER)):
        with net.fabric.rules.add(between(ends[:1], ends[1:])):
            assert net.pass_on((HOME, 5000), (SERVER, 53)) == []
            assert net.pass_on((SERVER, 53), public) == []
            assert len(net.pass_on((HOME, 5000), (OTHER, 53))) == 1


def test_who_leaves_the_router_has_its_own_address_again() -> None:
    net = Net()
    net.fabric.put_behind(None, HOME)
    assert net.seen_from((HOME, 5000), (SERVER, 53)) == (HOME, 5000)


def test_ports_end_before_mappings_do_not() -> None:
    class Nowhere:
        def send(self, packet: Packet) -> int:
            return 0

        def hand_down(self, public_ip: str, packet: Packet) -> None:
            raise AssertionError("nothing arrives")

        def drop(self, reason: str, packet: Packet) -> None:
            assert reason == "nat full"

    nat = Nat(Nowhere(), PUBLIC, lambda: 0.0, Random(1), most_mappings=100)
    for port in range(150):
        nat.send_out(datagram((HOME, 1024 + port % 2), (SERVER, 53)))
        nat.send_out(datagram((f"192.168.1.{port}", 1024), (SERVER, 53)))
    assert nat.packets_without_mapping == 150 - 98


def test_there_are_not_so_many_ports() -> None:
    with pytest.raises(ValueError, match="ports"):
        Net(most_mappings=60_000)


def test_what_is_kept_out_is_in_the_trace() -> None:
    net = Net()
    net.pass_on((SERVER, 53), (PUBLIC, 5000))
    net.pass_on((NEIGHBOUR, 1), (PUBLIC, 5000))
    assert net.world.trace.drops == {"nat": 1, "no hairpin": 1}


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([FULL_CONE, RESTRICTED_CONE, PORT_RESTRICTED_CONE, SYMMETRIC]),
    st.booleans(),
    st.lists(
        st.tuples(
            st.sampled_from(["out", "in", "wait"]),
            st.sampled_from([(HOME, 5000), (HOME, 5001), (NEIGHBOUR, 5000)]),
            st.sampled_from([(SERVER, 53), (SERVER, 54), (OTHER, 53)]),
        ),
        max_size=30,
    ),
)
def test_only_who_was_sent_to_lately_comes_in(
    kind: NatKind, preserve_ports: bool, steps: list[tuple[str, Endpoint, Endpoint]]
) -> None:
    net = Net(kind, preserve_ports=preserve_ports, udp_seconds=100)
    # What a mapping of its own is for, and the public port of it.
    ports: dict[tuple[Endpoint, Endpoint | None], Endpoint] = {}
    sent: set[tuple[Endpoint, Endpoint]] = set()
    for step, inside, outside in steps:
        key = (inside, outside if kind is SYMMETRIC else None)
        if step == "out":
            public = net.seen_from(inside, outside)
            assert ports.setdefault(key, public) == public
            assert len(set(ports.values())) == len(ports)
            sent.add((inside, outside))
        elif step == "wait":
            net.world.now += 101
            ports.clear()
            sent.clear()
        elif key in ports:
            is_known = {
                0: True,
                1: any((inside, (outside[0], port)) in sent for port in (53, 54)),
                2: (inside, outside) in sent,
            }[kind.filtering]
            arrived = net.pass_on(outside, ports[key])
            assert [packet.destination for packet in arrived] == [inside] * is_known
