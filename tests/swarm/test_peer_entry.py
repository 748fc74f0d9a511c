import pytest

from rawserver.swarm.peer_entry import (
    ADDRESS_AT,
    HIDDEN,
    IPV4,
    IPV6,
    KIND_AT,
    PARTIAL_SEED,
    SEED,
    PeerEntry,
    PeerLayout,
)

PEER_ID = b"-RW0100-abcdefghijkl"


def test_an_entry_takes_few_bytes() -> None:
    assert (IPV4.stride, IPV6.stride) == (37, 49)


@pytest.mark.parametrize("layout", [IPV4, IPV6])
def test_what_an_announce_repeats_stands_together(layout: PeerLayout) -> None:
    ip = bytes(range(layout.width - 2))
    entry = PeerEntry(9, SEED | HIDDEN, 0xABCDEF01, ip + b"\x1a\xe1", PEER_ID, 5, 200)
    packed = layout.entry.pack(*entry)
    name = layout.name.pack(SEED | HIDDEN, 0xABCDEF01, ip, 6881, PEER_ID)
    assert packed.index(name) == KIND_AT
    assert layout.parts.unpack(name) == entry[1:5]
    assert packed.index(entry.address) == ADDRESS_AT
    assert packed.index(PEER_ID) == layout.id_at
    assert packed[layout.age_at] == packed[KIND_AT + layout.age_after_kind] == 200
    assert PeerEntry._make(layout.entry.unpack(packed)) == entry


def test_kinds_can_be_hidden() -> None:
    assert not {0, SEED, PARTIAL_SEED} & {0 | HIDDEN, SEED | HIDDEN, PARTIAL_SEED | HIDDEN}
