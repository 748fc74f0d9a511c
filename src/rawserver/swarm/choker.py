"""Whom to upload to: the best givers while we download, everybody in turn once we only give.

Every unchoked peer that is interested holds one of a fixed number of slots. Rounds come every ten
seconds; between them only free slots are filled (BEP 3, "Choking and Optimistic Unchoking").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

# As BitTorrent 4.0.3: long enough for TCP to reach its rate, short enough to answer a change.
ROUND_SECONDS = 10.0
# Three rounds: long enough for a peer to answer an optimistic unchoke with one of its own (BEP 3).
OPTIMISTIC_SECONDS = 30.0
# libtorrent's default, and one more than BitTorrent 4.0.3 used for an unlimited rate. More would
# hand whole pieces on later, as each peer gets a smaller share; fewer leave a fast uplink idle
# when some of them are slow.
SLOTS = 8
# Peers this new have no piece to trade yet, so they are three times as likely as others to be
# unchoked optimistically (BEP 3).
NEW_PEER_SECONDS = 60.0
NEW_PEER_WEIGHT = 3.0
# Timers fire a little early or late; a peer unchoked three rounds ago has had its time.
_SLACK_SECONDS = 1.0


class Random(Protocol):
    """What the choker asks of chance."""

    def random(self) -> float: ...


class ChokerPeer(Protocol):
    """What the choker asks of a peer. Rates are in bytes a second, times in seconds."""

    @property
    def interested(self) -> bool: ...
    @property
    def choked_by_us(self) -> bool: ...
    @property
    def download_rate(self) -> float: ...
    @property
    def upload_rate(self) -> float: ...
    @property
    def snubbed(self) -> bool: ...
    @property
    def connected_at(self) -> float: ...
    @property
    def unchoked_at(self) -> float:
        """When it was last unchoked; when it connected, if it never was."""


PeerT = TypeVar("PeerT", bound=ChokerPeer)


class Decision(NamedTuple, Generic[PeerT]):
    """The peers whose state is to change. Choke first: then no more than the slots are taken."""

    unchoke: list[PeerT]
    choke: list[PeerT]


class Choker:
    """Decides who holds a slot. It keeps no peers; it is given all of them each time."""

    def __init__(self, random: Random, slots: int = SLOTS) -> None:
        """Give out `slots` slots; ValueError if that is none."""
        if slots < 1:
            raise ValueError(f"a choker needs a slot, not {slots}")
        self._random = random
        self.slots = slots
        self._rounds = 0

    def round(self, peers: Sequence[PeerT], now: float, seeding: bool) -> Decision[PeerT]:
        """Decide anew who holds a slot; called every ROUND_SECONDS. `now` is in seconds."""
        self._rounds += 1
        interested = [peer for peer in peers if peer.interested]
        if seeding:
            chosen = self._in_turn(interested, now)
        else:
            chosen = self._best_givers(interested)
            chosen += self._optimistic(interested, chosen, now)
        return _changes(peers, chosen)

    def interest_changed(self, peers: Sequence[PeerT], peer: PeerT) -> Decision[PeerT]:
        """Give free slots out at once when a peer's interest began or ended, or the peer left.

        A peer that is no longer interested keeps no slot.
        """
        loses = not peer.interested and not peer.choked_by_us and peer in peers
        free = self._free_slots(peers)
        unchoke: list[PeerT] = []
        if free > 0:  # mostly there is none
            waiting = [other for other in peers if other.interested and other.choked_by_us]
            unchoke = self._longest_waiting(waiting)[:free]
        return Decision(unchoke, [peer] if loses else [])

    def has_free_slot(self, peers: Iterable[PeerT]) -> bool:
        """Tell whether somebody who becomes interested would be unchoked at once."""
        return self._free_slots(peers) > 0

    def _free_slots(self, peers: Iterable[ChokerPeer]) -> int:
        free = self.slots
        for peer in peers:
            if not peer.choked_by_us and peer.interested:
                free -= 1
        return free

    # While we download.

    def _best_givers(self, interested: list[PeerT]) -> list[PeerT]:
        """Return those that give us most; all slots but one are theirs."""
        givers = [peer for peer in interested if peer.download_rate > 0 and not peer.snubbed]
        givers.sort(key=lambda peer: -peer.download_rate)
        return givers[: self.slots - 1]

    def _optimistic(self, interested: list[PeerT], chosen: list[PeerT], now: float) -> list[PeerT]:
        """Choose for the slots that nobody earned: each for thirty seconds, then the next."""
        taken = {id(peer) for peer in chosen}
        others = [peer for peer in interested if id(peer) not in taken]
        holders = [peer for peer in others if not peer.choked_by_us]
        holders.sort(key=lambda peer: -peer.unchoked_at)
        recent = [peer for peer in holders if not _had_its_time(peer, now)]
        waiting = [peer for peer in others if peer.choked_by_us]
        free = self.slots - len(chosen)
        drawn = self._draw(waiting, free - len(recent), now)
        # Those that had their time go on if nobody waits for it.
        rest = [peer for peer in holders if _had_its_time(peer, now)]
        return [*recent, *drawn, *rest][:free]

    def _draw(self, peers: list[PeerT], count: int, now: float) -> list[PeerT]:
        """Draw peers at random, new ones being more likely."""
        peers = list(peers)
        drawn: list[PeerT] = []
        while peers and len(drawn) < count:
            weights = [
                NEW_PEER_WEIGHT if now - peer.connected_at < NEW_PEER_SECONDS else 1.0
                for peer in peers
            ]
            mark = self._random.random() * sum(weights)
            place = 0
            while place < len(peers) - 1 and mark >= weights[place]:
                mark -= weights[place]
                place += 1
            drawn.append(peers.pop(place))
        return drawn

    # Once we only give.

    def _in_turn(self, interested: list[PeerT], now: float) -> list[PeerT]:
        """Keep the holders but for a few that had their time, if others wait.

        As in BitTorrent 4.0.3 a third of the slots passes on in three rounds, spread over them.
        Who held its slot longest makes room and who waited longest comes next. Rates are not
        asked: a choker that favours the fast lets few of them keep a seed to themselves.
        """
        holders = [peer for peer in interested if not peer.choked_by_us]
        holders.sort(key=lambda peer: -peer.unchoked_at)
        waiting = self._longest_waiting([peer for peer in interested if peer.choked_by_us])
        free = max(0, self.slots - len(holders))
        replaced = min(self._turnover(), len(waiting) - free)
        keep = min(self.slots, len(holders))
        while replaced > 0 and keep and _had_its_time(holders[keep - 1], now):
            keep -= 1
            replaced -= 1
        kept = holders[:keep]
        return [*kept, *waiting[: self.slots - keep]]

    def _turnover(self) -> int:
        """Return how many slots pass on in this round."""
        in_three_rounds = (self.slots + 2) // 3
        step = self._rounds % 3
        return in_three_rounds * (step + 1) // 3 - in_three_rounds * step // 3

    def _longest_waiting(self, peers: list[PeerT]) -> list[PeerT]:
        order = [(peer.unchoked_at, self._random.random(), peer) for peer in peers]
        order.sort(key=lambda entry: entry[:2])
        return [peer for _, _, peer in order]


def _had_its_time(peer: ChokerPeer, now: float) -> bool:
    return now - peer.unchoked_at >= OPTIMISTIC_SECONDS - _SLACK_SECONDS


def _changes(peers: Sequence[PeerT], chosen: list[PeerT]) -> Decision[PeerT]:
    slots = {id(peer) for peer in chosen}  # by identity: only to ask, never to go through
    return Decision(
        unchoke=[peer for peer in chosen if peer.choked_by_us],
        choke=[peer for peer in peers if not peer.choked_by_us and id(peer) not in slots],
    )
