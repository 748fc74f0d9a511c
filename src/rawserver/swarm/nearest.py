"""Peers near the asker first: for a registry's `choose`."""

from __future__ import annotations

from collections.abc import Callable

from rawserver.swarm.peer_choice import Choose
from rawserver.swarm.registry import Random

# What an operator usually gives to one network: RFC 4291 has 64 bits for the network, and IPv4
# networks are seldom longer than 24.
_NETWORK_LENGTH = {4: 3, 16: 8}

# Labels of an address, from the widest (a site) to the narrowest (a rack).
LabelOf = Callable[[bytes], tuple[str, ...]]


def nearest_first(random: Random) -> Choose:
    """Return a hook that takes those with the asker's ip first, then those of his /24 or /64.

    Others fill up what is left, by chance.
    """

    def distance(asker: bytes, ip: bytes) -> int:
        if ip == asker:
            return 0
        length = _NETWORK_LENGTH[len(asker)]
        return 1 if ip[:length] == asker[:length] else 2

    return _by_distance(distance, random)


def by_labels(label_of: LabelOf, random: Random) -> Choose:
    """Return a hook that takes those first who have the most labels in common with the asker.

    `label_of(ip)` says what an address (4 or 16 bytes) is labelled: say, zone and rack. Labels are
    compared one by one; one that an address has not is in common with nobody's.
    """

    def distance(asker: bytes, ip: bytes) -> int:
        pairs = zip(label_of(asker), label_of(ip), strict=False)
        return -sum(mine == other for mine, other in pairs)

    return _by_distance(distance, random)


def _by_distance(distance: Callable[[bytes, bytes], int], random: Random) -> Choose:
    def choose(asker: bytes, candidates: bytes, wanted: int) -> bytes:
        width = len(asker) + 2
        peers = [candidates[at : at + width] for at in range(0, len(candidates), width)]
        # Chance decides among those that are as near.
        ranked = sorted([(distance(asker, peer[:-2]), random.random(), peer) for peer in peers])
        return b"".join([peer for _, _, peer in ranked[:wanted]])

    return choose
