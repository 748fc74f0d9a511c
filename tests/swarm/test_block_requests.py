from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawserver.swarm import block_requests
from rawserver.swarm.asked_blocks import QUIET_SECONDS
from rawserver.swarm.bitfield import Bitfield
from rawserver.swarm.block_requests import (
    ENDGAME_DEPTH,
    MAX_PEERS_PER_BLOCK,
    PAROLE_SECONDS,
    Block,
    BlockRequests,
)
from rawserver.swarm.piece_picker import PiecePicker

BLOCK = 16
BLOCKS = 4


class Swarm:
    """Requests for `pieces` pieces of four blocks each, the last of them short."""

    def __init__(self, pieces: int, seed: int = 1) -> None:
        self.full = Bitfield.full(pieces)
        self.picker = PiecePicker(pieces, Random(seed))
        sizes = [BLOCK * BLOCKS] * (pieces - 1) + [BLOCK * BLOCKS - 5]
        self.requests: BlockRequests[str] = BlockRequests(sizes.__getitem__, self.picker, BLOCK)

    def ask(self, peer: str, count: int) -> list[Block]:
        return self.requests.next_blocks(peer, self.full, count)

    def deliver(self, peer: str, blocks: list[Block]) -> int | None:
        """The index of the piece that these blocks made complete, if one."""
        complete = None
        for block in blocks:
            received = self.requests.received(peer, block)
            assert received is not None
            if received.piece_complete:
                complete = block.index
        return complete


def test_a_peer_gets_piece_after_piece_in_order() -> None:
    swarm = Swarm(3)
    blocks = swarm.ask("a", 6)
    assert [block.begin for block in blocks] == [0, 16, 32, 48, 0, 16]
    assert len({block.index for block in blocks[:4]}) == 1
    more = swarm.ask("a", 100)
    assert len(set(blocks + more)) == 12
    assert sum(block.length for block in blocks + more) == 3 * BLOCK * BLOCKS - 5
    assert swarm.requests.outstanding("a") == 12


def test_peers_work_on_pieces_of_their_own() -> None:
    swarm = Swarm(8)
    asked = {peer: swarm.ask(peer, 2) for peer in "abc"}
    asked["b"] += swarm.ask("b", 2)
    assert len({block.index for blocks in asked.values() for block in blocks}) == 3
    assert len({block.index for block in asked["b"]}) == 1


def test_pieces_are_shared_when_no_other_is_left() -> None:
    swarm = Swarm(1)
    assert [block.begin for block in swarm.ask("a", 1)] == [0]
    assert not swarm.requests.endgame
    assert [block.begin for block in swarm.ask("b", 2)] == [16, 32]
    assert [block.begin for block in swarm.ask("a", 1)] == [48]
    assert swarm.requests.endgame


def test_pieces_are_shared_when_many_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_requests, "MAX_STARTED_BYTES", 2 * BLOCK * BLOCKS)
    swarm = Swarm(9)
    for peer in "ab":
        swarm.ask(peer, 1)
    third = swarm.ask("c", 6)
    assert swarm.picker.wanted == 7
    assert len(set(third)) == 6
    assert swarm.ask("d", 1)  # nothing is left to be shared: a new one after all
    assert swarm.picker.wanted == 6


def test_pieces_that_are_complete_are_no_longer_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_requests, "MAX_STARTED_BYTES", 2 * BLOCK * BLOCKS)
    swarm = Swarm(9)
    for _ in range(2):
        swarm.deliver("a", swarm.ask("a", 4))
    swarm.ask("b", 1)
    swarm.ask("c", 1)
    assert swarm.picker.wanted == 5


def test_a_peer_that_is_unchoked_again_goes_on_with_its_piece() -> None:
    swarm = Swarm(9)
    begun = {peer: swarm.ask(peer, 4) for peer in "abc"}
    for peer in "abc":
        swarm.deliver(peer, begun[peer][:2])
        swarm.requests.choked(peer)
    for peer in "cba":
        assert swarm.ask(peer, 2) == begun[peer][2:]


def test_a_peer_that_was_snubbed_once_counts_again() -> None:
    swarm = Swarm(1)
    swarm.ask("a", 4)
    swarm.requests.snubbed("a")
    swarm.requests.choked("a")
    assert len(swarm.ask("a", 4)) == 4
    assert len(swarm.ask("b", 4)) == 4
    swarm.requests.lost("b")
    assert swarm.requests.endgame  # what a was asked for is not free


def test_a_piece_is_complete_with_its_last_block() -> None:
    swarm = Swarm(2)
    blocks = swarm.ask("a", 4)
    assert swarm.deliver("a", blocks[:3]) is None
    assert swarm.deliver("a", blocks[3:]) == blocks[0].index
    swarm.requests.piece_verified(blocks[0].index)
    assert swarm.requests.remaining == 1


def test_what_was_not_asked_for_is_not_received() -> None:
    swarm = Swarm(2)
    assert swarm.requests.received("a", Block(0, 0, BLOCK)) is None
    [block] = swarm.ask("a", 1)
    assert swarm.requests.received("b", block) is None
    assert swarm.requests.received("a", block._replace(length=BLOCK - 1)) is None
    assert swarm.requests.received("a", block._replace(begin=1)) is None
    assert swarm.requests.received("a", block) == (False, ())
    assert swarm.requests.received("a", block) is None


@pytest.mark.parametrize("event", ["choked", "lost"])
def test_what_a_peer_will_not_send_is_asked_of_the_next(event: str) -> None:
    swarm = Swarm(3)
    blocks = swarm.ask("a", 3)
    getattr(swarm.requests, event)("a")
    assert swarm.requests.outstanding("a") == 0
    assert swarm.requests.received("a", blocks[0]) is None
    assert swarm.ask("b", 3) == blocks


def test_events_of_peers_that_were_asked_for_nothing() -> None:
    swarm = Swarm(1)
    for event in (swarm.requests.choked, swarm.requests.lost, swarm.requests.snubbed):
        event("nobody")
    assert not swarm.requests.rejected("nobody", Block(0, 0, BLOCK))
    assert swarm.requests.outstanding("nobody") == 0


def test_a_rejected_block_is_free_again() -> None:
    swarm = Swarm(1)
    blocks = swarm.ask("a", 4)
    assert swarm.requests.rejected("a", blocks[1])
    assert not swarm.requests.rejected("a", blocks[1])
    assert swarm.ask("b", 1) == [blocks[1]]


def test_blocks_of_a_snubbed_peer_go_to_others_and_still_count_if_they_come() -> None:
    swarm = Swarm(1)
    blocks = swarm.ask("a", 4)
    swarm.requests.snubbed("a")
    swarm.requests.snubbed("a")
    assert swarm.requests.outstanding("a") == 4
    assert swarm.ask("a", 4) == []
    assert swarm.ask("b", 2) == blocks[:2]
    assert swarm.requests.received("a", blocks[0]) == (False, ("b",))
    assert swarm.requests.received("b", blocks[1]) == (False, ("a",))
    assert swarm.requests.received("a", blocks[2]) == (False, ())
    assert swarm.ask("b", 4) == blocks[3:]
    assert swarm.requests.received("b", blocks[3]) == (True, ("a",))
    assert swarm.requests.outstanding("a") == 0


def test_the_loss_of_a_helper_frees_what_a_snubbed_peer_owes() -> None:
    swarm = Swarm(1)
    blocks = swarm.ask("a", 4)
    swarm.requests.snubbed("a")
    assert swarm.ask("b", 4) == blocks
    swarm.requests.lost("b")
    assert swarm.ask("c", 4) == blocks


def test_the_endgame_asks_a_few_peers_for_the_same() -> None:
    swarm = Swarm(1)
    blocks = swarm.ask("a", 4)
    for peer in "bcd"[: MAX_PEERS_PER_BLOCK - 1]:
        assert swarm.ask(peer, 9) == blocks
    assert swarm.ask("late", 9) == []
    assert swarm.ask("b", 9) == []
    received = swarm.requests.received("b", blocks[0])
    assert received == (False, ("a", "c"))
    swarm.requests.lost("b")
    assert swarm.ask("late", 9) == blocks[1:]


def test_peers_that_are_quiet_do_not_keep_the_endgame_from_others() -> None:
    swarm = Swarm(1)
    blocks = swarm.ask("a", 4)
    for peer in "bc":
        assert swarm.ask(peer, 9) == blocks
    assert not swarm.requests.tick(100.0)
    assert swarm.ask("fast", 9) == []
    assert not swarm.requests.tick(99.0 + QUIET_SECONDS)
    assert swarm.ask("fast", 9) == []
    assert swarm.requests.tick(100.0 + QUIET_SECONDS)
    assert not swarm.requests.tick(101.0 + QUIET_SECONDS)
    assert swarm.ask("fast", 9) == blocks
    assert swarm.requests.received("fast", blocks[0]) == (False, ("a", "b", "c"))


def test_who_sends_again_is_quiet_no_longer() -> None:
    swarm = Swarm(1)
    blocks = swarm.ask("a", 4)
    for peer in "bc":
        assert swarm.ask(peer, 9) == blocks
    for now in (100.0, 100.0 + QUIET_SECONDS):
        swarm.requests.tick(now)
    assert swarm.requests.received("a", blocks[0]) == (False, ("b", "c"))
    swarm.requests.tick(101.0 + QUIET_SECONDS)
    # One place is the sender's; of the quiet ones nobody has one.
    assert [swarm.ask(peer, 9) for peer in "def"] == [blocks[1:], blocks[1:], []]


def test_the_endgame_asks_little_ahead() -> None:
    swarm = Swarm(20)
    assert len(swarm.ask("a", 500)) == 80
    assert len(swarm.ask("b", 500)) == ENDGAME_DEPTH
    assert swarm.ask("b", 500) == []


def shared_piece(swarm: Swarm) -> tuple[list[Block], list[Block]]:
    ours, others = swarm.ask("a", 2), swarm.ask("b", 2)
    assert swarm.deliver("a", ours) is None
    assert swarm.deliver("b", others) == 0
    return ours, others


def test_a_failed_piece_names_who_sent_each_block() -> None:
    swarm = Swarm(1)
    ours, others = shared_piece(swarm)
    assert swarm.requests.senders(0) == ("a", "b")
    expected = [*((block, "a") for block in ours), *((block, "b") for block in others)]
    assert list(swarm.requests.piece_failed(0)) == expected
    assert swarm.requests.senders(0) == ()


def test_a_piece_on_parole_comes_from_one_peer() -> None:
    swarm = Swarm(1)
    shared_piece(swarm)
    swarm.requests.piece_failed(0)
    first = swarm.ask("b", 3)
    assert swarm.ask("a", 4) == []
    rest = swarm.ask("b", 4)
    assert swarm.ask("a", 4) == []
    assert swarm.deliver("b", first + rest) == 0
    assert swarm.requests.senders(0) == ("b",)
    swarm.requests.piece_verified(0)
    assert swarm.requests.remaining == 0


@pytest.mark.parametrize("event", ["choked", "lost", "snubbed"])
def test_parole_passes_to_another_peer_when_the_first_fails(event: str) -> None:
    swarm = Swarm(1)
    shared_piece(swarm)
    swarm.requests.piece_failed(0)
    blocks = swarm.ask("b", 4)
    getattr(swarm.requests, event)("b")
    assert swarm.ask("a", 3) == blocks[:3]
    assert swarm.ask("c", 4) == []


def test_parole_ends_when_it_takes_too_long() -> None:
    swarm = Swarm(1)
    shared_piece(swarm)
    swarm.requests.piece_failed(0)
    swarm.requests.tick(0.0)
    blocks = swarm.ask("b", 2)
    swarm.requests.tick(100.0)
    swarm.requests.tick(99.9 + PAROLE_SECONDS)
    assert swarm.ask("a", 4) == []
    swarm.requests.tick(100.0 + PAROLE_SECONDS)
    rest = swarm.ask("a", 4)
    assert {*blocks, *rest} == {*swarm.ask("b", 4), *blocks}
    assert len(rest) == 4


def test_a_piece_that_failed_with_one_sender_is_wanted_like_any_other() -> None:
    swarm = Swarm(1)
    assert swarm.deliver("a", swarm.ask("a", 4)) == 0
    assert {peer for _, peer in swarm.requests.piece_failed(0)} == {"a"}
    assert swarm.picker.wanted == 1


def test_a_piece_that_could_not_be_written_is_fetched_again() -> None:
    swarm = Swarm(1)
    swarm.deliver("a", swarm.ask("a", 4))
    swarm.requests.abandon(0)
    assert swarm.deliver("b", swarm.ask("b", 4)) == 0


def test_verdicts_on_pieces_that_are_not_complete_are_our_bug() -> None:
    requests = Swarm(1).requests
    for verdict in (requests.piece_verified, requests.piece_failed, requests.abandon):
        with pytest.raises(ValueError, match="not complete"):
            verdict(0)


class Schedule:
    """A random swarm at work, watched from outside."""

    PIECES = 6

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.swarm = Swarm(self.PIECES, seed)
        self.bits: dict[str, Bitfield] = {}
        self.asked: dict[str, dict[Block, None]] = {}
        self.verified: set[int] = set()
        self.complete: list[int] = []
        self.log: list[object] = []
        self.now = 0.0
        self.joined = 0

    def run(self, steps: int) -> None:
        acts = [self.join, self.ask, self.ask, self.deliver, self.deliver, self.deliver, self.have,
                self.judge, self.choke, self.snub, self.lose, self.reject, self.tick]  # fmt: skip
        for _ in range(steps):
            self.random.choice(acts)()

    def peer(self) -> str | None:
        return self.random.choice(list(self.bits)) if self.bits else None

    def join(self, full: bool = False) -> str:
        name = f"p{self.joined}"
        self.joined += 1
        bits = Bitfield(self.PIECES)
        for index in range(self.PIECES):
            if full or self.random.random() < 0.5:
                bits.set(index)
        self.bits[name], self.asked[name] = bits, {}
        self.swarm.picker.add_bits(bits)
        return name

    def have(self) -> None:
        if peer := self.peer():
            index = self.random.randrange(self.PIECES)
            if index not in self.bits[peer]:
                self.bits[peer].set(index)
                self.swarm.picker.peer_has(index)

    def ask(self, peer: str | None = None) -> int:
        if not (peer := peer or self.peer()):
            return 0
        count = self.random.randint(1, 12)
        blocks = self.swarm.requests.next_blocks(peer, self.bits[peer], count)
        self.log.append((peer, blocks))
        assert len(set(blocks)) == len(blocks) <= count
        for block in blocks:
            assert block not in self.asked[peer], "outstanding twice with one peer"
            assert block.index not in self.verified, "asked for once verified"
            assert block.index not in self.complete, "asked for once complete"
            assert block.index in self.bits[peer], "asked of a peer that lacks it"
            self.asked[peer][block] = None
        assert self.swarm.requests.outstanding(peer) == len(self.asked[peer])
        return len(blocks)

    def deliver(self, peer: str | None = None) -> None:
        if not (peer := peer or self.peer()) or not self.asked[peer]:
            return
        block = self.random.choice(list(self.asked[peer]))
        del self.asked[peer][block]
        received = self.swarm.requests.received(peer, block)
        assert received is not None
        for other in received.cancel:
            del self.asked[other][block]
        assert not any(block in asked for asked in self.asked.values())
        if received.piece_complete:
            self.complete.append(block.index)

    def judge(self, good: bool | None = None) -> None:
        if self.complete:
            index = self.complete.pop()
            verdict = self.random.random()
            if good or verdict < 0.6:
                self.swarm.requests.piece_verified(index)
                self.verified.add(index)
            elif verdict < 0.9:
                delivered = self.swarm.requests.piece_failed(index)
                assert len({block for block, _ in delivered}) == len(delivered) == BLOCKS
            else:
                self.swarm.requests.abandon(index)

    def choke(self) -> None:
        if peer := self.peer():
            self.swarm.requests.choked(peer)
            self.asked[peer].clear()

    def snub(self) -> None:
        if peer := self.peer():
            self.swarm.requests.snubbed(peer)

    def lose(self) -> None:
        if peer := self.peer():
            self.swarm.picker.remove_bits(self.bits.pop(peer))
            self.swarm.requests.lost(peer)
            del self.asked[peer]

    def reject(self) -> None:
        if (peer := self.peer()) and self.asked[peer]:
            block = self.random.choice(list(self.asked[peer]))
            del self.asked[peer][block]
            assert self.swarm.requests.rejected(peer, block)

    def tick(self) -> None:
        self.now += 20.0
        self.swarm.requests.tick(self.now)

    def finish_with_one_good_peer(self) -> None:
        """Everybody else goes silent: one seed must be able to get all that is missing."""
        for peer in self.bits:
            self.swarm.requests.snubbed(peer)
        seed = self.join(full=True)
        while self.complete:
            self.judge(good=True)
        while len(self.verified) < self.PIECES:
            assert self.ask(seed), "a block was lost"
            while self.asked[seed]:
                self.deliver(seed)
            while self.complete:
                self.judge(good=True)
        assert self.swarm.requests.remaining == 0
        assert self.ask(seed) == 0
        assert not any(self.asked.values())


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(0, 300))
def test_no_block_is_lost_or_asked_for_in_vain(seed: int, steps: int) -> None:
    schedule = Schedule(seed)
    schedule.run(steps)
    schedule.finish_with_one_good_peer()


def test_the_same_chance_gives_the_same_requests() -> None:
    logs = []
    for _ in range(2):
        schedule = Schedule(77)
        schedule.run(1000)
        logs.append(schedule.log)
    assert logs[0] == logs[1]
    assert len(logs[0]) > 50


class Forgetful(BlockRequests[str]):
    """It looks anew each time."""

    def next_blocks(self, peer: str, bits: Bitfield, count: int) -> list[Block]:
        self._chances += 1
        return super().next_blocks(peer, bits, count)


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(0, 500))
def test_what_is_in_vain_is_known_without_another_look(seed: int, steps: int) -> None:
    schedule, forgetful = Schedule(seed), Schedule(seed)
    forgetful.swarm.requests.__class__ = Forgetful
    schedule.run(steps)
    forgetful.run(steps)
    assert schedule.log == forgetful.log
