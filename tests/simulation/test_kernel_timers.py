"""Timers as coarse as a kernel's."""

from kit.fake_world import FakeWorld
from rawserver.simulation.kernel_timers import TICKS_PER_SECOND, KernelTimers

TICK = 1 / TICKS_PER_SECOND


def test_a_call_comes_with_the_first_tick_after_its_time() -> None:
    world = FakeWorld()
    timers = KernelTimers(world)
    times: list[float] = []
    for after in (0.0, 0.5 * TICK, TICK, 10.3 * TICK):
        timers.call_at(1000.0 + after, lambda: times.append(world.now))
    world.run()
    ticks = [(at - 1000.0) / TICK for at in times]
    assert [round(tick, 6) for tick in ticks] == [1, 1, 2, 11]


def test_the_calls_of_a_tick_come_in_order_and_are_one_event() -> None:
    world = FakeWorld()
    timers = KernelTimers(world)
    seen: list[int] = []
    for number in range(5):
        timers.call_at(1000.1 + number / 10_000, seen.append, (number,))
    assert world._count == 1
    world.run()
    assert seen == [0, 1, 2, 3, 4]


def test_a_call_may_add_another() -> None:
    world = FakeWorld()
    timers = KernelTimers(world)
    times: list[float] = []

    def again() -> None:
        times.append(world.now)
        if len(times) < 3:
            timers.call_at(world.now, again)

    timers.call_at(1000.0, again)
    world.run()
    assert [round((at - 1000.0) / TICK, 6) for at in times] == [1, 2, 3]
