from random import Random

from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry import (
    DEFAULT_NUMWANT,
    MAX_NUMWANT,
    AnnounceResult,
    Registry,
)


def test_a_result_needs_its_numbers_alone() -> None:
    assert AnnounceResult(1, 2, 3) == (1, 2, 3, b"", b"", (), False)


def test_a_registry_in_memory_is_one() -> None:
    registry: Registry = MemoryRegistry(Random(1))
    assert len(registry) == registry.num_peers == registry.expire(0.0) == 0


def test_the_most_peers_of_a_reply_fit_a_datagram() -> None:
    # RFC 8200, section 5: 1,280 bytes pass everywhere; 20 of the reply, 28 of IPv4 and UDP.
    assert DEFAULT_NUMWANT <= MAX_NUMWANT
    assert 20 + 28 + 6 * MAX_NUMWANT <= 1280
