from collections import Counter
from itertools import pairwise
from random import Random
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.peer_tables import assert_sound, entries_of
from rawserver.swarm.peer_entry import HIDDEN, IPV4, IPV6, PARTIAL_SEED, SEED, PeerEntry
from rawserver.swarm.peer_table import MOST_IN_A_BUCKET, PeerTable, make_cipher, share_of

CIPHER = make_cipher(Random(1))
CRC_BLIND_PLACES = (0x145FA, 0x2A5D0, 0x42F66, 0x869C2)


def entry(number: int, kind: int = 0, layout_length: int = 4) -> PeerEntry:
    address = number.to_bytes(layout_length, "big") + b"\0\x01"
    return PeerEntry(0, kind, number, address, b"-RW0100-%012d" % number, 0, 9)


def table_of(count: int, kind: int = 0) -> PeerTable:
    table = PeerTable(IPV4, CIPHER)
    for number in range(1, count + 1):
        table.add(entry(number, kind))
    return table


def take(table: PeerTable, number: int) -> PeerEntry:
    return table.remove(*table.find(entry(number).peer_id))


def test_a_cipher_is_a_permutation_by_chance() -> None:
    assert sorted(CIPHER) == list(range(256))
    assert make_cipher(Random(1)) == CIPHER != make_cipher(Random(2))


def test_strangers_cannot_choose_bytes_that_leave_the_bucket_the_same() -> None:
    # Any byte put at these places leaves the low nine bits of a CRC-32 as they are.
    patterns = [0]
    for basis in CRC_BLIND_PLACES:
        patterns += [pattern ^ basis for pattern in patterns]
    ids = {
        bytes([byte if pattern >> place & 1 else 0 for place in range(20)])
        for pattern in patterns
        for byte in range(256)
    }
    assert len({crc32(peer_id) & 511 for peer_id in ids}) == 1
    table = PeerTable(IPV4, CIPHER)
    for number, peer_id in enumerate(sorted(ids)):
        table.add(entry(number)._replace(peer_id=peer_id))
    assert_sound(table)
    assert max(map(len, table.buckets)) < 6 * MOST_IN_A_BUCKET * IPV4.stride


def test_peers_are_found_and_others_are_not() -> None:
    table = table_of(500)
    assert_sound(table)
    for number in range(1, 501):
        bucket, at = table.find(entry(number).peer_id)
        assert table.entry(bucket, at)[1:] == entry(number)[1:]
        assert table.address_of(entry(number).peer_id) == entry(number).address
    assert table.find(entry(501).peer_id)[1] == -1
    assert table.address_of(entry(501).peer_id) == bytes(6)


def test_what_looks_like_a_peer_id_across_two_entries_is_none() -> None:
    table = PeerTable(IPV4, CIPHER)
    first = PeerEntry(0, 0, 0, b"addres", b"x" * 14 + b"inside", 0, 0)
    table.add(first)
    table.add(entry(1))
    bucket = table.buckets[0]
    for start in range(len(bucket) - 19):
        peer_id = bytes(bucket[start : start + 20])
        found = table.find(peer_id)[1]
        assert found == (start - IPV4.id_at if start % IPV4.stride == IPV4.id_at else -1)


def test_buckets_come_and_go_one_at_a_time() -> None:
    table = PeerTable(IPV6, CIPHER)
    numbers = []
    for number in range(1000):
        table.add(entry(number, layout_length=16))
        numbers.append(len(table.buckets))
    assert numbers[-1] == -(-1000 // MOST_IN_A_BUCKET)
    assert {after - before for before, after in pairwise(numbers)} == {0, 1}
    assert_sound(table)
    for number in range(1000):
        before = len(table.buckets)
        take(table, number)
        assert before - len(table.buckets) in (0, 1)
        if number % 50 == 0:
            assert_sound(table)
    assert (table.num_peers, len(table.buckets), table.mask) == (0, 1, 0)


def test_a_pinned_table_does_not_shrink() -> None:
    table = table_of(500)
    buckets = len(table.buckets)
    table.pins += 1
    for number in range(1, 501):
        take(table, number)
    assert len(table.buckets) == buckets
    table.pins -= 1
    assert table.shrink()
    assert len(table.buckets) == buckets - 1
    while table.shrink():
        pass
    assert len(table.buckets) == 1
    assert_sound(table)


def test_strangers_cannot_choose_peer_ids_that_meet_in_one_bucket() -> None:
    # Ids that differ by multiples of what CRC-32 divides by have all the same checksum.
    polynomial = 0x104C11DB7
    base = int.from_bytes(b"-RW0100-" + bytes(12), "big")
    chosen, number = [], 1
    while len(chosen) < 1200:
        product, rest = 0, number
        for bit in range(rest.bit_length()):
            product ^= (polynomial << bit) if rest >> bit & 1 else 0
        chosen.append(reflected(base ^ product))
        number += 1
    table = PeerTable(IPV4, CIPHER)
    for each in chosen:
        table.add(PeerEntry(0, 0, 0, b"addres", each, 0, 0))
    assert max(map(len, table.buckets)) // IPV4.stride < 6 * MOST_IN_A_BUCKET


def reflected(value: int) -> bytes:
    """CRC-32 takes the bits of each byte from the lowest on."""
    packed = value.to_bytes(20, "big")
    return bytes([int(f"{byte:08b}"[::-1], 2) for byte in packed])


@pytest.mark.parametrize("kind", [0, SEED, PARTIAL_SEED])
def test_each_kind_has_its_ring_and_the_hidden_have_none(kind: int) -> None:
    table = table_of(20, kind)
    assert len(table.ring_of(kind)) == 20
    for number in range(21, 30):
        table.add(entry(number, kind | HIDDEN))
    assert len(table.ring_of(kind)) == 20
    assert sum(len(table.ring_of(other)) for other in (0, SEED, PARTIAL_SEED)) == 20
    assert_sound(table)


def test_tables_without_a_kind_do_not_share_those_of_others() -> None:
    first, second = table_of(3, SEED), table_of(0)
    assert len(second.seeds) == len(second.downloaders) == len(first.downloaders) == 0


@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0, 1, 2, 4, 5, 6])), max_size=150))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_and_goes_the_table_is_sound(history: list[tuple[int, int]]) -> None:
    table, model = PeerTable(IPV4, CIPHER), {}
    for number, kind in history:
        if number in model:
            assert take(table, number).kind == model.pop(number)
        else:
            table.add(entry(number, kind))
            model[number] = kind
    assert {each.key: each.kind for each in entries_of(table)} == model
    assert_sound(table)


@given(st.integers(0, 60), st.integers(0, 90), st.integers(0, 90), st.integers(0, 99))
def test_a_share_is_by_numbers_but_one_at_least(
    wanted: int, these: int, others: int, seed: int
) -> None:
    share = share_of(wanted, these, others, Random(seed).random)
    assert 0 <= share <= min(wanted, these)
    # The others are enough for the rest, unless these are all taken.
    assert wanted - share <= others or share == these
    if these and wanted:
        assert share >= 1
        exact = wanted * these / (these + others)
        assert share <= max(1, exact + 1, wanted - others)


def test_the_share_is_right_on_average() -> None:
    random = Random(1).random
    shares = Counter(share_of(50, 13, 100, random) for _ in range(4000))
    assert set(shares) == {5, 6}
    assert abs(sum(share * n for share, n in shares.items()) / 4000 - 50 * 13 / 113) < 0.05


@pytest.mark.parametrize("partial", [0, 5])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_who_asks_gets_as_many_as_there_are_and_never_himself(
    partial: int, data: st.DataObject
) -> None:
    seeds, downloaders = data.draw(st.integers(0, 9)), data.draw(st.integers(1, 9))
    wanted, kind = data.draw(st.integers(0, 25)), data.draw(st.sampled_from([0, SEED]))
    table = table_of(downloaders)
    for number in range(100, 100 + seeds):
        table.add(entry(number, SEED))
    for number in range(200, 200 + partial):
        table.add(entry(number, PARTIAL_SEED))
    visible = data.draw(st.booleans()) and kind == 0
    asker = entry(1 if visible else 999)
    random = Random(data.draw(st.integers(0, 99))).random
    others = downloaders - visible
    expected = min(wanted, others if kind else others + seeds + partial)
    packed = table.draw(kind, visible, asker.address, wanted, random)
    given_ = {packed[at : at + 6] for at in range(0, len(packed), 6)}
    assert len(given_) == len(packed) // 6 == expected
    assert asker.address not in given_
    ids = table.draw_ids(kind, visible, asker.peer_id, wanted, random)
    assert len(ids) == expected
    assert asker.peer_id not in ids.values()
    for drawn in (given_, set(ids)):
        if not kind and seeds and wanted:
            assert any(int.from_bytes(each[:4], "big") in range(100, 110) for each in drawn)
