"""Packets that get lost on the way, one by one or many in a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Protocol


class Loss(Protocol):
    """A way in which packets get lost."""

    def start(self, random: Random, /) -> Callable[[float], bool]:
        """Return what tells whether a packet is lost: called for each of a link, with its time."""


@dataclass(frozen=True, slots=True)
class RandomLoss:
    """Each packet is lost with the same probability, whatever became of the others."""

    probability: float

    def __post_init__(self) -> None:
        _check(self.probability)

    def start(self, random: Random) -> Callable[[float], bool]:
        """Return what tells whether the next packet is lost."""
        draw = random.random
        probability = self.probability
        return lambda at: draw() < probability


@dataclass(frozen=True, slots=True)
class BurstLoss:
    """Loss in bursts, after Gilbert and Elliott: a link is good or bad, and changes by chance.

    Before each packet it turns bad with probability `enter` and good again with `leave`, so that
    a burst is 1 / `leave` packets long on average and the link is bad for a part
    `enter` / (`enter` + `leave`) of them. `good` and `bad` are the parts lost in either state. What
    makes a link bad does not wait for packets: one that nothing has passed for `lull` seconds is
    good. (Else the same burst would have each retransmission of a sender that backs off.)
    """

    enter: float
    leave: float
    good: float = 0.0
    bad: float = 1.0
    lull: float = 0.1

    def __post_init__(self) -> None:
        for probability in (self.enter, self.leave, self.good, self.bad):
            _check(probability)

    def start(self, random: Random) -> Callable[[float], bool]:
        """Return what tells whether the next packet is lost; the link is good at first."""
        draw = random.random
        is_bad = False
        last_at = -inf

        def lost(at: float) -> bool:
            nonlocal is_bad, last_at
            if at > last_at + self.lull:
                is_bad = False
            last_at = at
            if draw() < (self.leave if is_bad else self.enter):
                is_bad = not is_bad
            return draw() < (self.bad if is_bad else self.good)

        return lost


def _check(probability: float) -> None:
    if not 0 <= probability <= 1:
        raise ValueError(f"{probability} is no probability")
