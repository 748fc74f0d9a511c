"""Swarms that survive a restart."""

from random import Random

import pytest

from kit.tracker_desk import ADDRESS, GETTER, HASH, SEED
from rawserver.services.tracker.registry_section import RegistrySection
from rawserver.services.tracker.state_file import Section
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry_state import RegistryStateError
from rawserver.wire.announce_request import Event


def registry() -> MemoryRegistry:
    return MemoryRegistry(Random(1), peer_lifetime_seconds=600.0)


def announce(known: MemoryRegistry, peer_id: bytes, left: int, now: float) -> int:
    return known.announce(HASH, peer_id, ADDRESS, 6881, left, Event.NONE, 50, now).complete


def test_peers_come_back_as_old_as_they_are_by_then() -> None:
    before = registry()
    announce(before, SEED, 0, 1000.0)
    announce(before, GETTER, 1, 1300.0)
    section: Section = RegistrySection(before)
    blocks = list(section.dump(1400.0))
    after = registry()
    RegistrySection(after).restore(blocks, 50.0, away=60.0)
    assert after.num_peers == 2
    for second in range(50, 250):
        after.expire(float(second))
    assert after.num_peers == 1, "the seed had been silent for 460 seconds"
    assert announce(after, GETTER, 1, 250.0) == 0


def test_what_is_cut_short_is_refused() -> None:
    before = registry()
    announce(before, SEED, 0, 1000.0)
    blocks = list(RegistrySection(before).dump(1000.0))
    with pytest.raises(RegistryStateError):
        RegistrySection(registry()).restore(blocks[:-1], 0.0, away=0.0)
