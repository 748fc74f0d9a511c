"""Python's collector of cyclic garbage, which goes through a world of a million objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Net allocations between two collections of the young. Python's 700 are a few events' worth here,
# nearly all of which is freed without the collector.
YOUNG_OBJECTS = 50_000


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage more rarely inside; a collector that is off, or even rarer, stays so."""
    before = gc.get_threshold()
    if 0 < before[0] < YOUNG_OBJECTS:
        gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
