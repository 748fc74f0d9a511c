"""Python's collector of cyclic garbage, which goes through a world of a million objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Net allocations between two collections of the young. Python's 700 are a few events' worth here,
# nearly all of which is freed without the collector.
YOUNG_OBJECTS = 50_000
# More in a large world: what a collection finds is not worth its way through cold memory. A peer
# of a swarm holds 5,000 and more, so that garbage adds a third to the objects at the most, and
# far less to the bytes.
YOUNG_OBJECTS_PER_HOST = 2_000


@contextmanager
def rare_collections(num_hosts: int = 0) -> Iterator[None]:
    """Collect garbage more rarely inside; a collector that is off, or even rarer, stays so.

    At the end all that is young is collected. So who runs a world in short slices does it inside.
    """
    before = gc.get_threshold()
    young = max(YOUNG_OBJECTS, YOUNG_OBJECTS_PER_HOST * num_hosts)
    if 0 < before[0] < young:
        gc.set_threshold(young, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
