import socket
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kit.scripted_network import ipv4, ipv6
from rawserver.engine.address_order import MOST_ADDRESSES, in_order_of_attempts
from rawserver.engine.network import SocketAddress

ADDRESSES = st.builds(
    SocketAddress,
    st.sampled_from([socket.AF_INET, socket.AF_INET6]),
    st.tuples(st.integers(0, 40).map(str), st.just(80)),
)


def test_families_take_turns_beginning_with_the_resolvers_first() -> None:
    found = [ipv6(1), ipv6(2), ipv6(3), ipv4(1), ipv4(2)]
    assert list(in_order_of_attempts(found)) == [ipv6(1), ipv4(1), ipv6(2), ipv4(2), ipv6(3)]
    assert list(in_order_of_attempts(found[::-1]))[:2] == [ipv4(2), ipv6(3)]


def test_an_address_that_is_named_twice_is_tried_once() -> None:
    assert list(in_order_of_attempts([ipv4(1), ipv6(1), ipv4(1)])) == [ipv4(1), ipv6(1)]


def test_nothing_comes_of_nothing() -> None:
    assert not in_order_of_attempts([])


def test_an_answer_with_thousands_of_addresses_is_cut_with_both_families_in_it() -> None:
    found = [ipv6(number) for number in range(3000)] + [ipv4(number) for number in range(3000)]
    ordered = in_order_of_attempts(found)
    assert len(ordered) == MOST_ADDRESSES
    assert sum(one.family == socket.AF_INET for one in ordered) == MOST_ADDRESSES // 2


@given(st.lists(ADDRESSES, max_size=60))
def test_it_is_a_permutation_that_keeps_each_familys_order_and_alternates(
    found: list[SocketAddress],
) -> None:
    distinct = list(dict.fromkeys(found))
    ordered = list(in_order_of_attempts(found))
    assert sorted(ordered) == sorted(distinct)
    assert ordered[:1] == distinct[:1]
    for family in (socket.AF_INET, socket.AF_INET6):
        assert [one for one in ordered if one.family == family] == [
            one for one in distinct if one.family == family
        ]
    fewer = min(
        sum(one.family == family for one in ordered) for family in (socket.AF_INET, socket.AF_INET6)
    )
    for one, other in pairwise(ordered[: 2 * fewer]):
        assert one.family != other.family
