from random import Random

from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.peer_entry import HIDDEN, IPV4, IPV6, PARTIAL_SEED, SEED
from rawserver.swarm.peer_table import make_cipher
from rawserver.swarm.tracked_swarm import SwarmChain, TrackedSwarm
from rawserver.wire.scrape import ScrapeFile

HASH = b"h" * 20


def test_its_numbers_are_those_of_a_scrape() -> None:
    swarm = TrackedSwarm(HASH)
    for kind in (SEED, SEED | HIDDEN, PARTIAL_SEED, PARTIAL_SEED | HIDDEN, 0, HIDDEN, HIDDEN):
        swarm.count(kind, 1)
    swarm.downloaded = 9
    assert swarm.summary() == ScrapeFile(HASH, 2, 9, 5, 3)
    swarm.count(PARTIAL_SEED, -1)
    swarm.count(SEED | HIDDEN, -1)
    assert swarm.summary() == ScrapeFile(HASH, 1, 9, 4, 3)


def test_tables_come_and_go() -> None:
    swarm, cipher = TrackedSwarm(HASH), make_cipher(Random(1))
    assert swarm.tables() == []
    six = swarm.begin_table(IPV6, cipher)
    four = swarm.begin_table(IPV4, cipher)
    assert swarm.tables() == [four, six]
    assert (swarm.table(IPV4), swarm.table(IPV6)) == (four, six)
    swarm.end_table(four)
    assert swarm.tables() == [six]
    swarm.end_table(six)
    assert swarm.tables() == []
    swarm.begin_table(IPV4, cipher)
    swarm.count(SEED, 1)
    swarm.clear()
    assert (swarm.tables(), swarm.summary()) == ([], ScrapeFile(HASH, 0, 0, 0, 0))


def swarms_of(count: int) -> tuple[SwarmChain, list[TrackedSwarm]]:
    chain, swarms = SwarmChain(), [TrackedSwarm(bytes([n]) * 20) for n in range(count)]
    for swarm in swarms:
        chain.append(swarm)
    return chain, swarms


def test_a_chain_has_its_swarms_in_order() -> None:
    chain, swarms = swarms_of(5)
    assert list(chain) == swarms
    chain.remove(swarms[2])
    chain.remove(swarms[0])
    chain.remove(swarms[4])
    assert list(chain) == [swarms[1], swarms[3]]
    chain.append(swarms[0])
    assert list(chain) == [swarms[1], swarms[3], swarms[0]]
    assert list(SwarmChain()) == []


@given(st.data())
def test_who_goes_through_a_chain_misses_nobody_that_stays_and_meets_nobody_twice(
    data: st.DataObject,
) -> None:
    chain, swarms = swarms_of(8)
    there, seen = list(swarms), []
    stays = set(swarms)
    for swarm in chain:
        seen.append(swarm)
        for gone in data.draw(st.lists(st.sampled_from(there), unique=True)) if there else []:
            chain.remove(gone)
            there.remove(gone)
            stays.discard(gone)
        if data.draw(st.booleans()) and len(swarms) < 20:
            new = TrackedSwarm(bytes([len(swarms)]) * 20)
            swarms.append(new)
            there.append(new)
            chain.append(new)
    assert stays <= set(seen)
    assert len(seen) == len(set(seen))
    assert seen == [swarm for swarm in swarms if swarm in seen]
    assert list(chain) == there
