from collections import Counter
from random import Random

from kit.registry_promises import Desk, numbers
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.nearest import by_labels, nearest_first
from rawserver.wire.compact_peers import ip_to_bytes

ASKER = bytes([10, 1, 2, 3])


def pack(*texts: str) -> bytes:
    """Peers at port 1 of addresses."""
    return b"".join(ip_to_bytes(text) + b"\0\x01" for text in texts)


def test_the_same_address_comes_first_then_the_same_network() -> None:
    choose = nearest_first(Random(1))
    candidates = pack("10.1.3.3", "10.1.2.9", "10.1.2.3", "192.0.2.1", "10.1.2.8")
    assert choose(ASKER, candidates, 1) == pack("10.1.2.3")
    two = {choose(ASKER, candidates, 2) for _ in range(50)}
    assert two == {pack("10.1.2.3", "10.1.2.8"), pack("10.1.2.3", "10.1.2.9")}
    assert len(choose(ASKER, candidates, 4)) == 24
    assert len(choose(ASKER, candidates, 9)) == 30


def test_of_ipv6_addresses_the_first_64_bits_are_the_network() -> None:
    choose = nearest_first(Random(1))
    candidates = pack("2001:db8:0:2::1", "2001:db8:0:1:ffff::1", "2001:db8:0:1::1")
    asker = ip_to_bytes("2001:db8:0:1::1")
    assert choose(asker, candidates, 1) == pack("2001:db8:0:1::1")
    assert choose(asker, candidates, 2) == pack("2001:db8:0:1::1", "2001:db8:0:1:ffff::1")


def test_chance_fills_up_what_is_left() -> None:
    choose = nearest_first(Random(1))
    candidates = pack("10.1.2.9", *[f"192.0.2.{n}" for n in range(10)])
    drawn: Counter[bytes] = Counter()
    for _ in range(1000):
        chosen = choose(ASKER, candidates, 3)
        drawn.update(chosen[at : at + 6] for at in range(0, 18, 6))
    assert drawn.pop(pack("10.1.2.9")) == 1000
    assert len(drawn) == 10
    assert all(130 < count < 270 for count in drawn.values())


def test_those_with_the_most_labels_in_common_come_first() -> None:
    labels = {
        1: ("east", "rack 1"), 2: ("east", "rack 2"), 3: ("west", "rack 1"), 4: (),
        5: ("west", "rack 9"),
    }  # fmt: skip
    choose = by_labels(lambda ip: labels[ip[3]], Random(1))

    def places(asker: int, wanted: int) -> list[int]:
        candidates = pack(*[f"10.0.0.{n}" for n in labels if n != asker])
        chosen = choose(bytes([10, 0, 0, asker]), candidates, wanted)
        return [chosen[at + 3] for at in range(0, len(chosen), 6)]

    # Rack 1 of the west has one label in common with rack 1 of the east, as has rack 2 of the east.
    assert sorted(places(1, 2)) == [2, 3]
    assert places(5, 1) == [3]
    assert sorted(places(4, 9)) == [1, 2, 3, 5]


def test_a_registry_with_it_tells_of_neighbours() -> None:
    random = Random(1)
    desk = Desk(lambda **options: MemoryRegistry(random, choose=nearest_first(random), **options))
    for number in range(600):
        desk.announce(number, numwant=0)
    # Numbers from 256 to 511 are in one /24.
    assert all(256 <= number < 512 for number in desk.told(300, numwant=50))
    result = desk.announce(599, numwant=200)
    near = [number for number in numbers(result.peers4) if number >= 512]
    assert sorted(near) == list(range(512, 599))
