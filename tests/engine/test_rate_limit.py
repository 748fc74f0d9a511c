import gc

import pytest

from kit.fake_loop import FakeLoop
from rawserver.engine.rate_bucket import RateBucket
from rawserver.engine.rate_limit import RateLimit


class Leaf:
    """Passes all that it is allowed, for ever."""

    def __init__(self) -> None:
        self.total = 0

    def serve(self, allowance: int) -> tuple[int, bool]:
        self.total += allowance
        return allowance, True


def test_a_limit_has_two_trees_of_its_own_shape() -> None:
    loop = FakeLoop()
    process = RateLimit(loop, download=1000.0)
    service = RateLimit(loop, upload=2000.0, parent=process)
    assert (process.download.rate, process.upload.rate) == (1000.0, None)
    assert (service.download.rate, service.upload.rate) == (None, 2000.0)
    assert service.parent is process
    assert service.download.parent is process.download
    assert service.upload.parent is process.upload
    assert process.download.parent is process.upload.parent is process.parent is None


def test_the_directions_know_nothing_of_each_other() -> None:
    loop = FakeLoop()
    process = RateLimit(loop, download=1e6, upload=1e5)
    connection = RateLimit(loop, parent=process)
    reader, writer = Leaf(), Leaf()
    connection.download.wait(reader)
    connection.upload.wait(writer)
    loop.run(10.0)
    assert reader.total == pytest.approx(1e7, rel=0.02)
    assert writer.total == pytest.approx(1e6, rel=0.02)
    connection.download.leave(reader)
    loop.run(10.0)
    assert reader.total == pytest.approx(1e7, rel=0.02)
    assert writer.total == pytest.approx(2e6, rel=0.02)


def test_every_level_holds() -> None:
    loop = FakeLoop()
    process = RateLimit(loop, upload=1e6)
    service = RateLimit(loop, upload=6e5, parent=process)
    contexts = [RateLimit(loop, upload=rate, parent=service) for rate in (1e5, None, None)]
    connections = [RateLimit(loop, parent=context) for context in contexts for _ in range(3)]
    connections[3].set(upload=2e4)
    other = RateLimit(loop, parent=process)
    leaves = [Leaf() for _ in connections]
    for connection, leaf in zip(connections, leaves, strict=True):
        connection.upload.wait(leaf)
    loner = Leaf()
    other.upload.wait(loner)
    loop.run(20.0)
    rates = [leaf.total / 20.0 for leaf in leaves]
    assert sum(rates[:3]) == pytest.approx(1e5, rel=0.03)
    assert rates[3] == pytest.approx(2e4, rel=0.03)
    assert rates[4:6] == pytest.approx([9e4] * 2, rel=0.03)
    assert rates[6:] == pytest.approx([2e5 / 3] * 3, rel=0.03)
    assert sum(rates) == pytest.approx(5e5, rel=0.03)
    assert loner.total / 20.0 == pytest.approx(5e5, rel=0.03)


def test_one_direction_may_be_changed_alone() -> None:
    limit = RateLimit(FakeLoop(), 1000.0, 2000.0)
    limit.set(download=None)
    assert (limit.download.rate, limit.upload.rate) == (None, 2000.0)
    limit.set(upload=5.0)
    assert (limit.download.rate, limit.upload.rate) == (None, 5.0)
    limit.set()
    assert (limit.download.rate, limit.upload.rate) == (None, 5.0)


def test_a_change_is_made_whole_or_not_at_all() -> None:
    limit = RateLimit(FakeLoop(), 1000.0, 2000.0)
    with pytest.raises(ValueError, match="above 0"):
        limit.set(download=1.0, upload=0.0)
    assert (limit.download.rate, limit.upload.rate) == (1000.0, 2000.0)
    with pytest.raises(ValueError, match="above 0"):
        RateLimit(FakeLoop(), download=-1.0)


def test_a_limit_that_is_removed_leaves_those_beneath_to_its_parent() -> None:
    loop = FakeLoop()
    service = RateLimit(loop, upload=1e6)
    context = RateLimit(loop, upload=10.0, parent=service)
    leaf = Leaf()
    RateLimit(loop, parent=context).upload.wait(leaf)
    loop.run(1.0)
    before = leaf.total
    context.remove()
    loop.run(1.0)
    assert leaf.total - before == pytest.approx(1e6, rel=0.15)


def test_a_connection_moves_to_another_context() -> None:
    loop = FakeLoop()
    slow, fast = RateLimit(loop, 1e3, 1e3), RateLimit(loop, 1e6, 1e6)
    connection = RateLimit(loop, parent=slow)
    reader, writer = Leaf(), Leaf()
    connection.download.wait(reader)
    connection.upload.wait(writer)
    loop.run(10.0)
    connection.move(fast)
    assert connection.parent is fast
    assert reader.total <= 1e4 + slow.download.burst
    loop.run(10.0)
    assert reader.total == writer.total
    assert reader.total == pytest.approx(1e7, rel=0.02)
    with pytest.raises(ValueError, match="beneath itself"):
        fast.move(connection)
    assert fast.parent is None
    assert connection.parent is fast


def test_nothing_holds_a_limit_that_nobody_uses() -> None:
    loop = FakeLoop()
    process = RateLimit(loop, 1e3, 1e3)
    for _ in range(3):
        limit, leaf = RateLimit(loop, 1e3, 1e3, process), Leaf()
        limit.upload.wait(leaf)
        loop.run(5.0)
        limit.upload.leave(leaf)
    assert not loop.waiting
    del limit
    gc.collect()
    held = [thing for thing in gc.get_objects() if isinstance(thing, RateBucket)]
    assert not [bucket for bucket in held if bucket.parent in (process.upload, process.download)]
