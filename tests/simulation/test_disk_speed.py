"""A medium does one thing after the other, and who asks waits for those before."""

import pytest

from rawserver.simulation.cost_meter import CostMeter
from rawserver.simulation.disk_speed import INSTANT, DiskQueue, DiskSpeed


class Clock:
    now = 100.0

    def time(self) -> float:
        return self.now


def test_each_call_costs_its_search_and_its_bytes() -> None:
    meter = CostMeter()
    queue = DiskQueue(Clock(), meter, DiskSpeed(0.5, 10.0, 100.0, 2.0))
    queue.read(20)
    assert meter.take() == 2.5
    queue.restart()
    queue.write(50)
    assert meter.take() == 0.5
    queue.restart()
    queue.synchronize()
    assert meter.take() == 2.0


def test_calls_of_one_worker_follow_one_another() -> None:
    meter = CostMeter()
    queue = DiskQueue(Clock(), meter, DiskSpeed(0.5, 10.0, 10.0, 2.0))
    for _ in range(4):
        queue.seek()
    assert meter.seconds == 2.0


def test_two_workers_wait_for_one_medium() -> None:
    clock, meter = Clock(), CostMeter()
    queue = DiskQueue(clock, meter, DiskSpeed(0.5, 10.0, 10.0, 2.0))
    queue.occupy(3.0)
    assert meter.take() == 3.0
    clock.now += 1.0
    queue.seek()
    assert meter.take() == 2.5
    clock.now += 100.0
    queue.seek()
    assert meter.take() == pytest.approx(0.5)


def test_what_a_loop_spent_and_nobody_took_keeps_no_worker_waiting() -> None:
    clock, meter = Clock(), CostMeter()
    queue = DiskQueue(clock, meter, DiskSpeed(0.5, 10.0, 10.0, 2.0))
    for _ in range(100):
        clock.now += 1.0
        queue.seek()
    assert meter.seconds == 50.0
    clock.now += 1.0
    with meter.apart():
        queue.seek()
        assert meter.seconds == 0.5


def test_one_that_takes_no_time() -> None:
    meter = CostMeter()
    queue = DiskQueue(Clock(), meter, INSTANT)
    queue.read(1 << 30)
    queue.write(1 << 30)
    queue.synchronize()
    assert meter.take() == 0.0
