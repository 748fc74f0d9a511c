from dataclasses import dataclass

import pytest

from kit.fake_world import datagram
from rawserver.simulation.packet import Packet
from rawserver.simulation.rules import (
    DROP,
    PASS,
    Deliver,
    Drop,
    Pass,
    Rule,
    Rules,
    Verdict,
    addresses_of,
    between,
    flapping,
    isolate,
    partition,
    with_chance,
)


@dataclass(frozen=True)
class Machine:
    addresses: tuple[str, ...]


A = Machine(("10.0.0.1", "fd00::1"))
B = Machine(("10.0.0.2",))
C = Machine(("10.0.0.3",))


def verdict(rule: Rule, source: str, destination: str) -> Verdict:
    return rule(datagram((source, 1), (destination, 2)))


def test_the_first_verdict_that_is_not_pass_counts() -> None:
    rules = Rules()
    asked: list[str] = []

    def note(name: str, answer: Verdict) -> Rule:
        def judge(packet: Packet) -> Verdict:
            asked.append(name)
            return answer

        return judge

    rules.add(note("second", Deliver(1)))
    rules.add(note("third", DROP))
    rules.add(note("first", Pass()), first=True)
    assert rules.judge(datagram(("10.0.0.1", 1), ("10.0.0.2", 2))) == Deliver(1)
    assert asked == ["first", "second"]


def test_a_rule_ends_with_its_block_or_by_its_removal() -> None:
    rules = Rules()
    assert not rules
    with rules.add(lambda packet: DROP) as handle:
        assert len(rules) == 1
        handle.remove()
        assert len(rules) == 0
    with pytest.raises(ZeroDivisionError), rules.add(lambda packet: DROP):
        raise ZeroDivisionError
    assert len(rules) == 0
    assert rules.judge(datagram(("10.0.0.1", 1), ("10.0.0.2", 2))) == PASS


def test_a_rule_may_remove_itself() -> None:
    rules = Rules()

    def once(packet: Packet) -> Verdict:
        handle.remove()
        return DROP

    handle = rules.add(once)
    rules.add(lambda packet: Deliver(2))
    packet = datagram(("10.0.0.1", 1), ("10.0.0.2", 2))
    assert [rules.judge(packet), rules.judge(packet)] == [DROP, Deliver(2)]


def test_two_rules_alike_are_two() -> None:
    rules = Rules()
    rule = between([A], [B])
    first, second = rules.add(rule), rules.add(rule)
    first.remove()
    first.remove()
    assert len(rules) == 1
    second.remove()
    assert len(rules) == 0


def test_between_is_for_all_addresses_of_both() -> None:
    rule = between([A], [B])
    assert verdict(rule, "fd00::1", "10.0.0.2") == DROP
    assert verdict(rule, "10.0.0.2", "10.0.0.1") == DROP
    assert verdict(rule, "10.0.0.3", "10.0.0.1") == PASS
    assert verdict(rule, "10.0.0.1", "fd00::1") == PASS


def test_a_cut_may_be_one_way() -> None:
    rule = between([A, "10.0.0.9"], [B], both=False)
    assert verdict(rule, "10.0.0.1", "10.0.0.2") == DROP
    assert verdict(rule, "10.0.0.9", "10.0.0.2") == DROP
    assert verdict(rule, "10.0.0.2", "10.0.0.1") == PASS


def test_a_partition_separates_its_sides_alone() -> None:
    rule = partition([A], [B], [C])
    assert verdict(rule, "10.0.0.1", "10.0.0.2") == DROP
    assert verdict(rule, "10.0.0.3", "10.0.0.2") == DROP
    assert verdict(rule, "10.0.0.1", "fd00::1") == PASS
    assert verdict(rule, "10.0.0.1", "10.0.0.4") == PASS
    assert verdict(rule, "10.0.0.4", "10.0.0.1") == PASS
    with pytest.raises(ValueError, match="two sides"):
        partition([A], [A])


def test_who_is_isolated_reaches_itself() -> None:
    rule = isolate(A, B)
    assert verdict(rule, "10.0.0.1", "10.0.0.3") == DROP
    assert verdict(rule, "10.0.0.3", "10.0.0.1") == DROP
    assert verdict(rule, "10.0.0.1", "10.0.0.2") == DROP
    assert verdict(rule, "10.0.0.1", "fd00::1") == PASS
    assert verdict(rule, "10.0.0.3", "10.0.0.4") == PASS


def test_a_link_flaps_on_schedule() -> None:
    times = iter([100.0, 100.0, 101.9, 102.0, 102.9, 103.0, 105.5, 106.0, 102.5])
    rule = flapping(between([A], [B]), lambda: next(times), up_seconds=2, down_seconds=1)
    seen = [verdict(rule, "10.0.0.1", "10.0.0.2") for _ in range(7)]
    assert seen == [PASS, PASS, DROP, DROP, PASS, DROP, PASS]
    assert verdict(rule, "10.0.0.1", "10.0.0.3") == PASS
    with pytest.raises(ValueError, match="flaps"):
        flapping(rule, lambda: 0.0, 0, 0)


def test_chance_takes_a_part() -> None:
    draws = iter([0.1, 0.9, 0.5])
    rule = with_chance(between([A], [B]), lambda: next(draws), 0.5)
    assert [verdict(rule, "10.0.0.1", "10.0.0.2") for _ in range(3)] == [Drop(), PASS, PASS]
    # Nothing is drawn for others.
    assert verdict(rule, "10.0.0.1", "10.0.0.3") == PASS


def test_addresses_of_hosts_and_of_addresses() -> None:
    assert addresses_of(A, "1.2.3.4") == {"10.0.0.1", "fd00::1", "1.2.3.4"}
