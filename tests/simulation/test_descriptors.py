import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.hosts import code_of, two_hosts
from rawserver.simulation import MachineLimits
from rawserver.simulation.descriptors import FIRST, Descriptors
from rawserver.simulation.wakeup import SimulatedWakeup


def opened(count: int) -> list[SimulatedWakeup]:
    _, host, _ = two_hosts()
    return [SimulatedWakeup(host.kernel) for _ in range(count)]


def test_the_lowest_free_number_is_given() -> None:
    made = opened(5)
    assert [one.fileno() for one in made] == [3, 4, 5, 6, 7]
    for index in (3, 1):
        made[index].close()
    kernel = made[0].kernel
    assert [SimulatedWakeup(kernel).fileno() for _ in range(3)] == [4, 6, 8]


def test_a_number_of_nothing_is_bad() -> None:
    [one] = opened(1)
    descriptors = one.kernel.descriptors
    assert descriptors.all() == [one]
    one.close()
    assert code_of(descriptors.get, FIRST) == errno.EBADF
    assert len(descriptors) == 0


@pytest.mark.parametrize(
    ("limit", "system_limit", "code"), [(6, 100, errno.EMFILE), (100, 6, errno.ENFILE)]
)
def test_there_are_so_many(limit: int, system_limit: int, code: int) -> None:
    [_description] = opened(1)
    descriptors = Descriptors(MachineLimits(limit, system_limit))
    made = [SimulatedWakeup.__new__(SimulatedWakeup) for _ in range(4)]
    for one in made[:3]:
        descriptors.open(one)
    assert code_of(descriptors.open, made[3]) == code
    descriptors.close(made[1])
    descriptors.open(made[3])
    assert made[3].descriptor == 4


@given(st.lists(st.integers(0, 9), max_size=40))
def test_it_is_always_the_lowest(choices: list[int]) -> None:
    [description] = opened(1)
    kernel = description.kernel
    free = set(range(FIRST + 1, 100))
    made: list[SimulatedWakeup] = []
    for choice in choices:
        if choice < 6 or not made:
            one = SimulatedWakeup(kernel)
            assert one.fileno() == min(free)
            free.remove(one.fileno())
            made.append(one)
        else:
            one = made.pop(choice % len(made))
            free.add(one.fileno())
            one.close()
