"""Work takes the time that what it did took, in order, on so many workers."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from kit.virtual_time import VirtualTime
from rawserver.engine.contexts import Contexts
from rawserver.engine.work import Work
from rawserver.simulation.cost_meter import CostMeter
from rawserver.simulation.workers import SimulatedWorkers


class Desk:
    """Starts work and notes when its outcome was told."""

    def __init__(self, num_workers: int, overhead: float = 0.0, per_byte: float = 0.0) -> None:
        self.world = VirtualTime()
        self.meter = CostMeter()
        self.workers = SimulatedWorkers(
            self.world.schedule,
            self.meter,
            num_workers,
            overhead_seconds=overhead,
            seconds_per_byte=per_byte,
        )
        self.began = self.world.now
        self.told: list[tuple[float, object, object]] = []
        self.ran: list[tuple[float, object]] = []

    def _post(self, func: Any, delay: float, args: tuple[Any, ...], context: Any) -> None:
        func(*args)

    def start(self, name: object, seconds: float = 0.0, num_bytes: int = 0) -> None:
        def work() -> object:
            self.ran.append((round(self.world.now - self.began, 6), name))
            self.meter.seconds += seconds
            self.meter.num_bytes += num_bytes
            return name

        self.start_func(work)

    def start_func(self, func: Callable[[], object]) -> None:
        def done(result: object, error: object) -> None:
            self.told.append((round(self.world.now - self.began, 6), result, error))

        self.workers.start(Work(self._post, Contexts(), func, (), done, None))


def test_it_is_told_when_its_time_is_over() -> None:
    desk = Desk(1, overhead=0.5, per_byte=0.001)
    desk.start("a", seconds=2.0, num_bytes=100)
    assert not desk.ran
    desk.world.run(seconds=2.0)
    assert desk.ran == [(0.5, "a")]
    assert not desk.told
    desk.world.run(seconds=2.0)
    assert desk.told == [(2.6, "a", None)]
    assert desk.workers.unfinished == 0


def test_one_worker_does_one_thing_after_the_other() -> None:
    desk = Desk(1)
    for name in "abc":
        desk.start(name, seconds=1.0)
    assert desk.workers.unfinished == 3
    desk.world.run()
    assert desk.ran == [(0.0, "a"), (1.0, "b"), (2.0, "c")]
    assert [at for at, _, _ in desk.told] == [1.0, 2.0, 3.0]


def test_a_long_one_holds_up_no_other_worker() -> None:
    desk = Desk(2)
    desk.start("long", seconds=10.0)
    for name in "abc":
        desk.start(name, seconds=1.0)
    desk.world.run()
    assert [result for _, result, _ in desk.told] == ["a", "b", "c", "long"]


@pytest.mark.parametrize("num_workers", [1, 3])
def test_all_are_told_once_and_never_more_run_than_there_are_workers(num_workers: int) -> None:
    desk, chance = Desk(num_workers, overhead=0.01), random.Random(3)
    for name in range(50):
        desk.start(name, seconds=chance.random())
        desk.world.run(seconds=chance.random() / 2)
    desk.world.run()
    assert sorted(result for _, result, _ in desk.told) == list(range(50))
    assert [name for _, name in desk.ran] == sorted(name for _, name in desk.ran) or num_workers > 1
    begun = {name: at for at, name in desk.ran}
    for at, _ in desk.ran:
        running = [name for end, name, _ in desk.told if begun[name] <= at < end]
        assert len(running) <= num_workers


def test_an_error_takes_its_time_too() -> None:
    desk = Desk(1)

    def fail() -> None:
        desk.meter.seconds += 3.0
        raise OSError(5, "broken")

    desk.start_func(fail)
    desk.world.run()
    [(at, result, error)] = desk.told
    assert (at, result) == (3.0, None)
    assert isinstance(error, OSError)


def test_the_loops_own_account_is_left_alone() -> None:
    desk = Desk(1)
    desk.meter.seconds = 7.0
    desk.start("a", seconds=1.0)
    desk.world.run()
    assert desk.meter.take() == 7.0
    assert desk.told[0][0] == 1.0


def test_a_plain_function_keeps_its_worker_as_long() -> None:
    desk = Desk(1)
    seen: list[float] = []

    def plain() -> None:
        seen.append(desk.world.now - desk.began)
        desk.meter.seconds += 2.0

    desk.workers.start(plain)
    desk.workers.start(plain)
    desk.world.run()
    assert seen == [0.0, 2.0]


def test_nothing_is_told_once_it_has_stopped_and_it_can_begin_anew() -> None:
    desk = Desk(2)
    for name in "abcd":
        desk.start(name, seconds=5.0)
    desk.world.run(seconds=1.0)
    desk.workers.stop()
    assert desk.workers.unfinished == 0
    desk.start("later", seconds=1.0)
    desk.world.run()
    assert [result for _, result, _ in desk.told] == ["later"]


def test_work_may_start_work_and_stop_all() -> None:
    desk = Desk(1)
    desk.start_func(lambda: desk.start("inner", seconds=1.0))
    desk.world.run()
    assert [result for _, result, _ in desk.told] == [None, "inner"]
    desk.start_func(desk.workers.stop)
    desk.world.run()
    assert len(desk.told) == 2
    assert desk.workers.unfinished == 0
