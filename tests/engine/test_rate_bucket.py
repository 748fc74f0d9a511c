import gc
import math
import random
import sys
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from kit.fake_loop import FakeLoop, FakeTask
from rawserver.engine.rate_bucket import (
    LEAST_ALLOWANCE,
    LEAST_BURST,
    MOST_QUANTUM,
    SEGMENT,
    SERVES_PER_RUN,
    RateBucket,
)
from rawserver.engine.rawserver import RawServer

MEGABYTE = 1e6


class Tap:
    """A leaf with so many bytes to pass, `most` of them at one serve."""

    def __init__(self, pending: float = math.inf, most: float = math.inf) -> None:
        self.pending = pending
        self.most = most
        self.total = 0
        self.allowances: list[int] = []
        self.then: Callable[[], object] = lambda: None

    def serve(self, allowance: int) -> tuple[int, bool]:
        self.allowances.append(allowance)
        used = int(min(allowance, self.pending, self.most))
        self.pending -= used
        self.total += used
        self.then()
        return used, self.pending > 0


def waiting_taps(bucket: RateBucket, count: int) -> list[Tap]:
    taps = [Tap() for _ in range(count)]
    for tap in taps:
        bucket.wait(tap)
    return taps


def emptied(loop: FakeLoop, rate: float, parent: RateBucket | None = None) -> RateBucket:
    """Return a bucket that begins without its burst."""
    bucket = RateBucket(loop, rate, parent)
    bucket._tokens = 0.0
    return bucket


# Rates.


@pytest.mark.parametrize("rate", [1.0, 333.3, 1e3, 1e5, MEGABYTE, 1e8, 1e10])
def test_in_the_long_run_no_byte_of_the_rate_is_lost(rate: float) -> None:
    loop = FakeLoop()
    bucket = RateBucket(loop, rate)
    (tap,) = waiting_taps(bucket, 1)
    seconds = max(0.2, min(5000 / rate * 50, 60.0)) if rate > 1e8 else max(60.0, 5000 / rate)
    seconds = min(seconds, 5e9 / rate)
    loop.run(seconds)
    assert tap.total == pytest.approx(bucket.burst + rate * seconds - bucket.tokens, rel=1e-9)
    assert tap.total >= rate * seconds


@pytest.mark.parametrize("rate", [1e3, MEGABYTE])
def test_timers_that_are_late_cost_nothing(rate: float) -> None:
    loop = FakeLoop()
    bucket = emptied(loop, rate)
    (tap,) = waiting_taps(bucket, 1)
    chance = random.Random(5)
    while loop.now < 20.0:
        loop.turn(chance.uniform(0.0, 0.04))
    # What may still lie in the bucket, or wait for a turn that has not come.
    assert tap.total + bucket.tokens == pytest.approx(rate * loop.now, rel=1e-9)


def test_a_pause_is_made_up_for_by_the_burst_and_no_more() -> None:
    loop = FakeLoop()
    bucket = emptied(loop, MEGABYTE)
    loop.turn(100.0)
    (tap,) = waiting_taps(bucket, 1)
    for _ in range(100):
        loop.turn()
    assert bucket.burst - LEAST_ALLOWANCE < tap.total <= bucket.burst == MEGABYTE / 10


def test_nobody_is_served_in_crumbs() -> None:
    loop = FakeLoop()
    root = emptied(loop, MEGABYTE)
    slow = RateBucket(loop, 10e3, root)
    taps = waiting_taps(root, 3) + waiting_taps(slow, 3)
    loop.run(5.0)
    allowances = [allowance for tap in taps for allowance in tap.allowances]
    assert min(allowances) >= LEAST_ALLOWANCE
    assert max(allowances) <= SEGMENT + LEAST_ALLOWANCE


def test_one_without_any_limit_is_served_in_large_pieces_in_the_next_turn() -> None:
    loop = FakeLoop()
    tap = Tap(pending=3 * MOST_QUANTUM)
    RateBucket(loop, None, RateBucket(loop)).wait(tap)
    assert not tap.allowances
    loop.turn()
    assert tap.allowances == [MOST_QUANTUM] * 3
    assert not loop.waiting


def test_one_run_does_not_serve_without_end() -> None:
    loop = FakeLoop()
    bucket = RateBucket(loop, 1e12)
    (tap,) = waiting_taps(bucket, 1)
    for turns in range(1, 4):
        loop.turn()
        assert len(tap.allowances) == turns * SERVES_PER_RUN


@pytest.mark.parametrize("rate", [0, -1.0, math.inf, math.nan])
def test_what_is_no_rate_is_refused_and_changes_nothing(rate: float) -> None:
    bucket = RateBucket(FakeLoop(), 5000.0)
    with pytest.raises(ValueError, match="above 0"):
        bucket.set_rate(rate)
    with pytest.raises(ValueError, match="above 0"):
        bucket.set_rate(1.0, burst=rate)
    assert (bucket.rate, bucket.burst) == (5000.0, LEAST_BURST)


def test_a_larger_burst_may_pass_at_once_and_asks_for_fewer_timers() -> None:
    loop = FakeLoop()
    bucket = RateBucket(loop, 10e3, burst=40e3)
    (tap,) = waiting_taps(bucket, 1)
    for _ in range(2):
        loop.turn()
    assert 40e3 - LEAST_ALLOWANCE < tap.total <= 40e3
    runs = 0
    while loop.now < 20.0:
        loop.run(min(task.due for task in loop.waiting) - loop.now)
        runs += 1
    assert runs <= 12
    assert tap.total + bucket.tokens == pytest.approx(40e3 + 10e3 * loop.now)


# Shares.


def test_leaves_have_equal_shares_in_bytes_whatever_they_use_at_once() -> None:
    loop = FakeLoop()
    bucket = emptied(loop, MEGABYTE)
    taps = [Tap(most=most) for most in (math.inf, 1448, 700, 300, 50)]
    for tap in taps:
        bucket.wait(tap)
    loop.run(10.0)
    for tap in taps:
        assert tap.total == pytest.approx(2 * MEGABYTE, abs=2 * (SEGMENT + LEAST_ALLOWANCE))


def test_contexts_have_equal_shares_however_many_wait_in_them() -> None:
    loop = FakeLoop()
    root = emptied(loop, MEGABYTE)
    (alone,) = waiting_taps(RateBucket(loop, None, root), 1)
    crowd = waiting_taps(RateBucket(loop, None, root), 100)
    loop.run(20.0)
    assert alone.total == pytest.approx(10 * MEGABYTE, rel=0.001)
    assert sum(tap.total for tap in crowd) == pytest.approx(10 * MEGABYTE, rel=0.001)
    assert max(tap.total for tap in crowd) - min(tap.total for tap in crowd) <= 2 * SEGMENT


def test_who_always_asks_anew_gets_what_those_get_who_stay() -> None:
    loop = FakeLoop()
    root = emptied(loop, MEGABYTE)
    (stays,) = waiting_taps(root, 1)

    class Returning(Tap):
        def serve(self, allowance: int) -> tuple[int, bool]:
            used, _ = super().serve(allowance)
            loop.add_task(lambda: root.wait(self))
            return used, False

    returns = Returning()
    root.wait(returns)
    loop.run(20.0)
    # It is not there when a run goes on to its end without it: it has that much less.
    assert stays.total + returns.total == pytest.approx(20 * MEGABYTE, rel=0.01)
    assert returns.total > 0


def test_what_one_cannot_use_its_siblings_do() -> None:
    loop = FakeLoop()
    root = emptied(loop, MEGABYTE)
    slow = emptied(loop, 100e3, root)
    free = RateBucket(loop, None, root)
    (limited,), (other,) = waiting_taps(slow, 1), waiting_taps(free, 1)
    loop.run(10.0)
    assert limited.total + slow.tokens == pytest.approx(MEGABYTE, rel=1e-6)
    assert other.total + limited.total + root.tokens == pytest.approx(10 * MEGABYTE, rel=1e-6)
    free.leave(other)
    slow.leave(limited)
    (alone,) = waiting_taps(RateBucket(loop, None, root), 1)
    loop.run(10.0)
    assert alone.total == pytest.approx(10 * MEGABYTE, rel=0.02)


@pytest.mark.parametrize(("rate", "contexts"), [(100e3, 20), (MEGABYTE, 45), (20e6, 45)])
def test_a_rate_below_ones_share_is_had_in_full_in_a_crowd(rate: float, contexts: int) -> None:
    loop = FakeLoop()
    root = emptied(loop, rate)
    own = rate / (contexts + 1) * 0.9
    slow = [emptied(loop, own, root) for _ in range(contexts)]
    limited = [waiting_taps(bucket, 1)[0] for bucket in slow]
    (greedy,) = waiting_taps(root, 1)
    loop.run(2.0)  # until they have lost their common beat
    before = [tap.total + bucket.tokens for tap, bucket in zip(limited, slow, strict=True)]
    greedy.total = 0
    loop.run(2.0)
    after = [tap.total + bucket.tokens for tap, bucket in zip(limited, slow, strict=True)]
    for had, has in zip(before, after, strict=True):
        assert has - had == pytest.approx(own * 2.0, rel=1e-3)
    assert greedy.total == pytest.approx(rate * 2.0 - own * 2.0 * contexts, rel=0.2)


def test_a_leaf_that_passes_nothing_and_stays_holds_up_nobody() -> None:
    loop = FakeLoop()
    root = emptied(loop, MEGABYTE)
    stuck = [Tap(most=0) for _ in range(5)]
    for tap in stuck:
        RateBucket(loop, None, root).wait(tap)
    (other,) = waiting_taps(RateBucket(loop, None, root), 1)
    for _ in range(1000):
        loop.turn(0.001)
    assert other.total + root.tokens == pytest.approx(MEGABYTE)


# Changes while somebody waits.


def test_a_higher_rate_is_felt_at_once_by_those_who_wait() -> None:
    loop = FakeLoop()
    root = RateBucket(loop)
    bucket = emptied(loop, 10.0, root)
    (tap,) = waiting_taps(bucket, 1)
    loop.run(1.0)
    assert tap.total == 0
    bucket.set_rate(MEGABYTE)
    loop.run(1.0)
    assert tap.total + bucket.tokens == pytest.approx(10 + MEGABYTE)


def test_a_lower_rate_holds_from_now_on() -> None:
    loop = FakeLoop()
    bucket = emptied(loop, MEGABYTE)
    (tap,) = waiting_taps(bucket, 1)
    loop.run(1.0)
    before = tap.total
    bucket.set_rate(1e3)
    assert bucket.tokens <= bucket.burst == LEAST_BURST
    loop.run(10.0)
    assert tap.total - before <= 10 * 1e3 + LEAST_BURST


def test_from_a_limit_to_none_and_back() -> None:
    loop = FakeLoop()
    bucket = emptied(loop, 1e3)
    tap = Tap(pending=20 * MEGABYTE)
    bucket.wait(tap)
    bucket.set_rate(None)
    for _ in range(3):
        loop.turn()
    assert tap.total > 9 * MEGABYTE
    bucket.set_rate(1e3)
    before = tap.total
    loop.run(100.0)
    assert tap.total - before + bucket.tokens == pytest.approx(100e3 + LEAST_BURST)


def test_setting_the_same_rate_again_and_again_gives_nothing() -> None:
    loop = FakeLoop()
    bucket = emptied(loop, MEGABYTE)
    (tap,) = waiting_taps(bucket, 1)
    for _ in range(1000):
        loop.turn(0.001)
        bucket.set_rate(MEGABYTE)
    assert tap.total <= MEGABYTE


def test_who_moves_takes_along_those_who_wait() -> None:
    loop = FakeLoop()
    slow, fast = emptied(loop, 10.0), RateBucket(loop, MEGABYTE)
    bucket = RateBucket(loop, None, slow)
    tap = Tap(pending=50_000)
    bucket.wait(tap)
    assert slow.waiting == 1
    bucket.move(fast)
    assert (slow.waiting, fast.waiting) == (0, 1)
    loop.turn()
    assert tap.pending == 0
    assert not loop.waiting
    bucket.wait(tap)
    bucket.move(None)
    assert fast.waiting == 0
    assert len(loop.waiting) == 1


def test_a_bucket_is_never_beneath_itself() -> None:
    loop = FakeLoop()
    root = RateBucket(loop)
    leaf = RateBucket(loop, None, RateBucket(loop, None, root))
    for parent in (root, leaf):
        with pytest.raises(ValueError, match="beneath itself"):
            root.move(parent)
    assert root.parent is None


# Out of turn.


def test_taking_is_bounded_by_the_least_on_the_way_up_and_charged_all_the_way() -> None:
    loop = FakeLoop()
    root = RateBucket(loop, 50e3)
    middle = RateBucket(loop, None, root)
    bucket = RateBucket(loop, 30e3, middle)
    assert bucket.take(1000) == 1000
    assert (bucket.tokens, root.tokens, middle.tokens) == (2000, 4000, math.inf)
    assert bucket.take(9000) == 2000
    assert bucket.take(1) == 0
    assert middle.take(9000) == 2000
    assert (bucket.tokens, root.tokens) == (0, 0)
    bucket.give_back(500)
    assert (bucket.tokens, root.tokens) == (500, 500)
    bucket.give_back(10_000)
    assert (bucket.tokens, root.tokens) == (3000, 5000)
    assert not loop.waiting


def test_taking_without_a_limit_gets_all_and_nothing_of_nothing() -> None:
    bucket = RateBucket(FakeLoop(), None, RateBucket(FakeLoop()))
    assert bucket.take(10**12) == 10**12
    assert bucket.take(0) == 0


def test_a_token_that_is_not_whole_yet_stays() -> None:
    loop = FakeLoop()
    bucket = emptied(loop, 1.0)
    loop.turn(0.75)
    assert bucket.take(10) == 0
    loop.turn(0.75)
    assert bucket.take(10) == 1
    assert bucket.tokens == 0.5


def test_taking_overtakes_nobody_who_waits_on_the_way_up() -> None:
    loop = FakeLoop()
    root = emptied(loop, MEGABYTE)
    one, other = RateBucket(loop, None, root), RateBucket(loop, None, root)
    tap = Tap(pending=60_000)
    one.wait(tap)
    while tap.pending:
        loop.turn(0.01)
        if tap.pending:
            assert other.take(1) == root.take(1) == 0
    loop.turn(0.01)
    assert other.take(1) == 1


def test_who_waits_for_tokens_of_his_own_bucket_does_not_hold_up_its_siblings() -> None:
    loop = FakeLoop()
    root = RateBucket(loop, MEGABYTE)
    slow = emptied(loop, 1e3, root)
    waiting_taps(slow, 1)
    assert root.waiting == 0
    assert slow.take(1) == 0
    assert RateBucket(loop, None, root).take(100) == 100


# What a leaf may do.


def test_a_leaf_is_never_served_from_within_a_call() -> None:
    loop = FakeLoop()
    bucket = RateBucket(loop)
    tap, other = Tap(pending=100), Tap(pending=100)

    def ask_again() -> None:
        bucket.wait(other)
        bucket.set_rate(None)
        assert not other.allowances

    tap.then = ask_again
    bucket.wait(tap)
    assert not tap.allowances
    loop.turn()
    assert other.total == 100


def test_a_leaf_that_leaves_while_served_is_served_no_more_whatever_it_says() -> None:
    loop = FakeLoop()
    bucket = RateBucket(loop)
    tap = Tap()
    tap.then = lambda: bucket.leave(tap)
    bucket.wait(tap)
    for _ in range(3):
        loop.turn()
    assert len(tap.allowances) == 1
    assert not loop.waiting


def test_waiting_twice_is_waiting_once() -> None:
    loop = FakeLoop()
    bucket = RateBucket(loop)
    tap = Tap(pending=10)
    bucket.wait(tap)
    bucket.wait(tap)
    assert bucket.waiting == 1
    bucket.leave(tap)
    bucket.leave(tap)
    assert bucket.waiting == 0
    assert not loop.waiting


def test_a_fault_of_a_leaf_drops_it_alone_and_counts_all_that_it_was_allowed() -> None:
    loop = FakeLoop()
    root = RateBucket(loop, MEGABYTE)
    bucket = RateBucket(loop, None, root)
    faulty, sound = Tap(), Tap(pending=30_000)

    def fail() -> None:
        raise RuntimeError("a fault")

    faulty.then = fail
    bucket.wait(faulty)
    bucket.wait(sound)
    with pytest.raises(RuntimeError, match="a fault"):
        loop.turn()
    assert root.tokens == root.burst - faulty.allowances[0]
    loop.turn()
    assert sound.total == 30_000
    assert len(faulty.allowances) == 1
    assert not loop.waiting


def test_what_a_leaf_passes_beyond_its_allowance_is_a_debt() -> None:
    class Greedy(Tap):
        def serve(self, allowance: int) -> tuple[int, bool]:
            self.total += 10_000
            return 10_000, True

    loop = FakeLoop()
    bucket = emptied(loop, 20e3)
    tap = Greedy()
    bucket.wait(tap)
    loop.run(60.0)
    assert tap.total == pytest.approx(20e3 * 60, abs=10_000)


def test_the_root_itself_may_move_while_it_serves() -> None:
    loop = FakeLoop()
    root, above = RateBucket(loop), RateBucket(loop, MEGABYTE)
    tap = Tap(pending=500_000)

    def move() -> None:
        if root.parent is None:
            root.move(above)

    tap.then = move
    root.wait(tap)
    loop.turn()
    assert len(tap.allowances) == 1
    assert above.waiting == 1
    loop.run(1.0)
    assert tap.pending == 0
    assert not loop.waiting


# Costs.


def test_ten_thousand_who_wait_have_one_timer() -> None:
    loop = FakeLoop()
    bucket = emptied(loop, 1e3)
    taps = waiting_taps(bucket, 10_000)
    assert len(loop.waiting) == 1
    for tap in taps:
        bucket.leave(tap)
    assert not loop.waiting


def test_a_run_is_one_task_and_a_refill_another() -> None:
    loop = FakeLoop()
    delays: list[float] = []
    add_task = loop.add_task

    def note(func: Callable[..., object], delay: float = 0.0) -> FakeTask:
        delays.append(delay)
        return add_task(func, delay)

    loop.add_task = note  # type: ignore[assignment]
    bucket = RateBucket(loop, MEGABYTE, RateBucket(loop))
    for _ in range(50):
        tap = Tap(pending=1000)
        bucket.wait(tap)
        loop.turn()
        assert tap.total == 1000
    assert delays == [0.0] * 50
    waiting_taps(bucket, 3)
    loop.turn()
    # What it still has is served; then it waits for tokens, and for its turn at the root.
    loop.run(0.06)
    assert delays[50:] == [0.0, pytest.approx(0.05, rel=0.02), 0.0, pytest.approx(0.05, rel=0.02)]


def calls_of(func: Callable[[], object]) -> int:
    """Count the calls, of Python and of C, that one call makes."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # a collection would call whoever watches collections
    sys.setprofile(note)
    try:
        func()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def test_no_operation_costs_more_with_ten_thousand_than_with_ten() -> None:
    costs: list[list[int]] = []
    for leaves in (10, 10_000):
        loop = FakeLoop()
        root = RateBucket(loop, 1e9)
        bucket = RateBucket(loop, None, RateBucket(loop, None, root))
        taps = waiting_taps(bucket, leaves)
        middle, last = taps[leaves // 2], Tap()
        costs.append(
            [
                calls_of(loop.turn),
                calls_of(lambda bucket=bucket, last=last: bucket.wait(last)),
                calls_of(lambda bucket=bucket, middle=middle: bucket.leave(middle)),
                calls_of(lambda bucket=bucket: bucket.take(1)),
                calls_of(lambda root=root: root.set_rate(2e9)),
            ]
        )
    assert costs[0] == costs[1]


def test_a_raw_server_is_a_scheduler() -> None:
    server = RawServer()
    bucket = RateBucket(server, 1e9)
    tap = Tap(pending=100_000)
    bucket.wait(tap)
    server.listen_once(0)
    assert tap.pending == 0
    server.close()


# Storms.


class Storm(RuleBasedStateMachine):
    """Everything at random, from the loop and from within serves, against a plain model."""

    @initialize(rates=st.lists(st.sampled_from([None, 700, 5e3, 1e5, 1e8]), min_size=7, max_size=7))
    def plant(self, rates: list[float | None]) -> None:
        self.loop = FakeLoop()
        self.buckets: list[RateBucket] = []
        for number, rate in enumerate(rates):
            parent = self.buckets[(number - 1) // 2] if number else None
            self.buckets.append(RateBucket(self.loop, rate, parent))
        self.leaves = [self.make_leaf(number) for number in range(10)]
        self.where: dict[int, RateBucket] = {}
        # What stands over the rate in each bucket, and when that was.
        self.over = dict.fromkeys(self.buckets, 0.0)
        self.at = dict.fromkeys(self.buckets, 0.0)
        self.script: list[tuple[int, int, int]] = []

    def make_leaf(self, number: int) -> Tap:
        tap = Tap(pending=0)
        serve = tap.serve

        def checked(allowance: int) -> tuple[int, bool]:
            bucket = self.where[number]
            used, more = serve(allowance)
            self.passed(bucket, used)
            if self.script:
                self.act(*self.script.pop())
            if not more:
                self.where.pop(number, None)
            return used, more

        tap.serve = checked  # type: ignore[method-assign]
        return tap

    def passed(self, bucket: RateBucket | None, count: int) -> None:
        while bucket is not None:
            if bucket.rate is not None:
                gone = bucket.rate * (self.loop.now - self.at[bucket])
                self.over[bucket] = max(0.0, self.over[bucket] - gone) + count
                self.at[bucket] = self.loop.now
                assert self.over[bucket] <= bucket.burst + 0.01
            bucket = bucket.parent

    def act(self, what: int, which: int, size: int) -> None:
        number, bucket = which % len(self.leaves), self.buckets[which % len(self.buckets)]
        leaf = self.leaves[number]
        if what == 0:
            leaf.pending += size
            if number not in self.where:
                self.where[number] = bucket
            self.where[number].wait(leaf)
        elif what == 1 and number in self.where:
            self.where.pop(number).leave(leaf)
        elif what == 2:
            self.set_rate(bucket, [None, 600, 9e3, 2e5, 5e7][size % 5])
        elif what == 3:
            self.take(bucket, size)
        elif what == 4:
            self.move(bucket, self.buckets[size % len(self.buckets)])

    def set_rate(self, bucket: RateBucket, rate: float | None) -> None:
        bucket.set_rate(rate)
        self.over[bucket], self.at[bucket] = 0.0, self.loop.now

    def take(self, bucket: RateBucket, size: int) -> None:
        held_up, above = False, bucket
        while above is not None:
            held_up = held_up or (above.rate is not None and above.waiting > 0)
            above = above.parent
        got = bucket.take(size)
        assert 0 <= got <= size
        assert not (held_up and got)
        bucket.give_back(got - got // 2)
        self.passed(bucket, got // 2)

    def move(self, bucket: RateBucket, parent: RateBucket) -> None:
        above: RateBucket | None = parent
        while above is not None:
            if above is bucket:
                parent = None  # type: ignore[assignment]
                break
            above = above.parent
        bucket.move(parent)

    actions = st.tuples(st.integers(0, 4), st.integers(0, 69), st.integers(1, 20_000))

    @rule(action=actions)
    def act_from_the_loop(self, action: tuple[int, int, int]) -> None:
        self.act(*action)

    @rule(number=st.integers(0, 9), bucket=st.integers(0, 6), size=st.integers(1, 20_000))
    def wait(self, number: int, bucket: int, size: int) -> None:
        self.act(0, number + 10 * (bucket * 5 % 7), size)

    @rule(script=st.lists(actions, max_size=5))
    def act_within_serves(self, script: list[tuple[int, int, int]]) -> None:
        self.script = script

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.03, 0.2, 3.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.loop.turn(seconds)

    @invariant()
    def nobody_is_forgotten_and_nothing_else_is_scheduled(self) -> None:
        if not hasattr(self, "loop"):
            return
        assert self.where == {
            number: bucket
            for bucket in self.buckets
            for number, leaf in enumerate(self.leaves)
            if leaf in bucket._ring
        }
        for bucket in self.buckets:
            refills = bucket._refill is not None
            runs = bucket._run_task is not None
            stands = bucket.parent is not None and bucket in bucket.parent._ring
            assert refills + runs + stands == (bucket.waiting > 0)
            assert bucket.rate is None or bucket._tokens <= bucket.burst
            assert refills or not bucket.waiting or bucket.tokens >= LEAST_ALLOWANCE
        scheduled = [
            task
            for bucket in self.buckets
            for task in (bucket._refill, bucket._run_task)
            if task is not None
        ]
        assert len(self.loop.waiting) == len(scheduled)
        assert all(task in self.loop.waiting for task in scheduled)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.script = []
            for _ in range(1000):
                if not self.where:
                    break
                self.loop.run(1.0)
            assert not self.where
            assert not self.loop.waiting


def test_a_storm_forgets_nobody_and_lets_nobody_past_a_rate() -> None:
    run_state_machine_as_test(
        Storm, settings=settings(max_examples=50, stateful_step_count=30, deadline=None)
    )
