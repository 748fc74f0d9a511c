import itertools

import pytest

from kit.hosts import two_hosts
from rawserver.simulation import World
from rawserver.simulation.guard import RealWorldError
from rawserver.simulation.world import BEGINNING


def test_things_happen_in_the_order_of_their_time() -> None:
    world = World()
    seen: list[tuple[float, str]] = []
    for delay, name in ((0.3, "c"), (0.1, "a"), (0.2, "b")):
        world.schedule(delay, lambda name=name: seen.append((world.now, name)))
    world.run()
    assert [name for _, name in seen] == ["a", "b", "c"]
    assert [at - BEGINNING for at, _ in seen] == pytest.approx([0.1, 0.2, 0.3])


def order_of_ten(seed: int) -> list[int]:
    world = World(seed)
    order: list[int] = []
    for number in range(10):
        world.schedule(1.0, order.append, number)
    world.run()
    return order


def test_the_seed_decides_between_those_of_one_time() -> None:
    orders = [tuple(order_of_ten(seed)) for seed in range(5)]
    assert len(set(orders)) == 5
    assert [tuple(order_of_ten(seed)) for seed in range(5)] == orders


def test_those_of_one_tie_keep_their_order() -> None:
    world = World()
    order: list[int] = []
    tie = world.draw_tie()
    for number in range(10):
        world.call_at(BEGINNING + 1, tie, order.append, (number,))
    world.run()
    assert order == list(range(10))


def test_a_cancelled_event_does_not_happen() -> None:
    world = World()
    seen: list[int] = []
    event = world.schedule(1.0, seen.append, 1)
    event.cancel()
    world.schedule(2.0, seen.append, 2)
    world.run()
    assert seen == [2]
    assert event.cancelled


def test_what_should_have_happened_before_happens_now() -> None:
    world = World()
    times: list[float] = []
    world.schedule(1.0, lambda: world.call_at(BEGINNING, 0.5, lambda: times.append(world.now)))
    world.run()
    assert times == [BEGINNING + 1.0]


def test_it_runs_to_a_time_for_a_time_and_to_a_condition() -> None:
    world = World()
    seen: list[int] = []
    for number in range(10):
        world.schedule(number + 0.5, seen.append, number)
    world.run(until=BEGINNING + 2)
    assert (seen, world.now) == ([0, 1], BEGINNING + 2)
    world.run(seconds=2.0)
    assert (seen, world.now) == ([0, 1, 2, 3], BEGINNING + 4)
    assert world.run(condition=lambda: len(seen) == 7)
    assert world.now == BEGINNING + 6.5
    assert not world.run(seconds=1.0, condition=lambda: len(seen) == 100)
    world.run()
    assert len(seen) == 10
    assert world.next_at() is None
    assert world.events == 10


def test_a_condition_that_holds_lets_nothing_happen() -> None:
    world = World()
    world.schedule(0.0, pytest.fail)
    assert world.run(condition=lambda: True)


def test_time_passes_with_what_is_due_in_it() -> None:
    world = World()
    seen: list[int] = []
    world.schedule(0.5, seen.append, 1)
    world.schedule(1.5, seen.append, 2)
    world.pass_by(1.0)
    assert (seen, world.now) == ([1], BEGINNING + 1)


def test_an_error_ends_the_run_and_the_rest_happens_in_the_next() -> None:
    world = World()
    seen: list[int] = []
    world.schedule(1.0, lambda: seen[0])
    world.schedule(2.0, seen.append, 1)
    with pytest.raises(IndexError):
        world.run()
    world.run()
    assert seen == [1]
    assert world.events == 2


def test_names_of_hosts_are_given_once() -> None:
    world, one, _ = two_hosts()
    assert world.hosts["one"] is one
    with pytest.raises(ValueError, match="one"):
        world.add_host("one", "10.0.0.3")


def test_a_child_of_chance_depends_on_the_seed_and_its_name_alone() -> None:
    numbers = [
        World(seed).child_random(name).random()
        for seed, name in itertools.product((1, 2), ("a", "b"))
    ]
    assert len(set(numbers)) == 4
    world = World(1)
    world.random.random()
    assert world.child_random("a").random() == numbers[0]


def test_the_real_world_is_out_of_reach_while_it_runs() -> None:
    import time

    world = World()
    world.schedule(1.0, lambda: time.monotonic())
    with pytest.raises(RealWorldError, match="test_world"):
        world.run()
    assert time.monotonic()
