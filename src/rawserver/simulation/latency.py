"""How long things take: distributions of seconds, drawn from a source of chance."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from random import Random
from typing import Protocol


class Latency(Protocol):
    """A distribution of seconds, none of them negative."""

    def sample(self, random: Random, /) -> float:
        """Draw one."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < inf:
            raise ValueError(f"{self.seconds} is no latency")

    def sample(self, random: Random) -> float:
        """Return it; draws nothing."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything between two bounds, as likely as anything else."""

    least: float
    most: float

    def __post_init__(self) -> None:
        _check_bounds(self.least, self.most)

    def sample(self, random: Random) -> float:
        """Draw one."""
        return self.least + (self.most - self.least) * random.random()


@dataclass(frozen=True, slots=True)
class Normal:
    """A bell around a mean, cut off at `least` and `most`: what is beyond becomes the bound."""

    mean: float
    deviation: float
    least: float = 0.0
    most: float = inf

    def __post_init__(self) -> None:
        _check_bounds(self.least, self.most)

    def sample(self, random: Random) -> float:
        """Draw one."""
        seconds = random.normalvariate(self.mean, self.deviation)
        if seconds < self.least:
            return self.least
        return seconds if seconds < self.most else self.most


@dataclass(frozen=True, slots=True)
class LogNormal:
    """`least`, and on top of it often little and sometimes much: the delays of busy networks.

    Half of the samples are `median` or less above `least`; `shape` is the deviation of the
    logarithm (0.5 is mild, 1.5 is wild). What is more than `most` becomes that.
    """

    median: float
    shape: float
    least: float = 0.0
    most: float = inf

    def __post_init__(self) -> None:
        _check_bounds(self.least, self.most)
        if self.median <= 0:
            raise ValueError("the median must be more than 0")

    def sample(self, random: Random) -> float:
        """Draw one."""
        return min(self.least + random.lognormvariate(log(self.median), self.shape), self.most)


@dataclass(frozen=True, slots=True)
class Pareto:
    """`least` or more, with a heavy tail: of many samples the few largest are most of the sum.

    The smaller `shape`, the heavier; at 1 or less there is no mean, so `most` bounds it.
    """

    least: float
    shape: float
    most: float

    def __post_init__(self) -> None:
        _check_bounds(self.least, self.most)
        if self.least <= 0 or self.shape <= 0:
            raise ValueError("least and shape must be more than 0")

    def sample(self, random: Random) -> float:
        """Draw one."""
        # 1 - random() is never 0; the cut bounds the power before it could overflow.
        power = log(self.most / self.least) * self.shape
        if -log(1 - (draw := random.random())) >= power:
            return self.most
        return float(self.least * (1 - draw) ** (-1 / self.shape))


def _check_bounds(least: float, most: float) -> None:
    if not 0 <= least <= most:
        raise ValueError(f"no latency is from {least} to {most}")
