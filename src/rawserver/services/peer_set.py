"""Who a torrent is connected to, whom it dials, and who may not join."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING

from rawserver.services.peer import MAX_HELD_SECONDS, Address, Peer
from rawserver.swarm.bans import Bans
from rawserver.swarm.candidates import Candidates
from rawserver.swarm.rate import RateWindow
from rawserver.wire.peer_wire import KEEP_ALIVE

if TYPE_CHECKING:
    from rawserver.services.peer_port import PeerPort
    from rawserver.services.torrent import Torrent

# BitTorrent 4.0.3's max_initiate and max_allow_in: dialling stops and newcomers are refused.
MAX_PEERS_DIALLED = 40
MAX_PEERS = 80
# BEP 3: "keepalives are generally sent once every two minutes"; who lets two pass is gone.
KEEP_ALIVE_SECONDS = 110.0
SILENCE_SECONDS = 250.0


class PeerSet:
    """The peers of one torrent, in the order in which they joined."""

    def __init__(self, port: PeerPort, torrent: Torrent, report: Callable[[str], None]) -> None:
        self._port = port
        self._torrent = torrent
        self._report = report
        self._joined: dict[Peer, None] = {}
        self._dialling: dict[Peer, None] = {}
        # The ticks, for all rates of the torrent; and those whose rates are measured in each: on
        # the others nothing moves.
        self.window = RateWindow()
        self._moving: dict[Peer, None] = {}
        # Nobody's last message in or out, or news to be told, is older; all may be younger. So a
        # tick need not look at each peer: they are many, and seldom is anything due.
        self._oldest_received = self._oldest_sent = self._oldest_news = -inf
        self._bans = Bans()
        self.candidates = Candidates()

    def __iter__(self) -> Iterator[Peer]:
        # A copy: whoever goes through the peers may close some on the way.
        return iter(list(self._joined))

    def __len__(self) -> int:
        return len(self._joined)

    @property
    def seeds(self) -> int:
        return sum(peer.bits.is_full for peer in self._joined)

    # Dialling.

    def found(self, addresses: Iterable[Address], source: str, now: float) -> None:
        """Take addresses that a tracker or a person gave, and dial."""
        for address in addresses:
            self.candidates.add(address, source, now)
        self.dial_more(now)

    def dial_more(self, now: float) -> None:
        """Dial known addresses while there are few peers."""
        while len(self._joined) + len(self._dialling) < MAX_PEERS_DIALLED:
            address = self.candidates.next_to_dial(now)
            if address is None:
                return
            if address[0] in self._bans:
                self.candidates.ban(address)
                continue
            self.candidates.dialled(address, now)
            self._dialling[self._port.dial(address, self._torrent)] = None

    def completed(self, now: float) -> None:
        """Note that we have everything: who else has it is of no use any more."""
        self.candidates.postpone(now)
        self.look_at_all()

    def dial_failed(self, peer: Peer, now: float) -> None:
        """Note that nobody answered at an address."""
        self._dialling.pop(peer, None)
        self.candidates.failed(peer.address, now)

    # Joining and leaving.

    def join(self, peer: Peer, now: float) -> bool:
        """Take in a peer whose handshake is right; or close it, saying why, and return False."""
        self._dialling.pop(peer, None)
        self._port.peer_gone(peer)
        reason = self._reason_to_refuse(peer)
        if reason:
            if peer.outgoing:
                self._came_to_nothing(peer, now)
            peer.close(reason)
            return False
        self._joined[peer] = None
        self.moves(peer)
        self.look_at_all()
        if peer.outgoing:
            self.candidates.connected(peer.address, now)
        return True

    def _came_to_nothing(self, peer: Peer, now: float) -> None:
        twin = self._twin_of(peer)
        if twin is not None and twin.listens_at is None:
            # It had dialled us: this is where it listens, and need not be dialled while it is here.
            twin.listens_at = peer.address
            self.candidates.connected(peer.address, now)
        else:
            self.candidates.failed(peer.address, now)

    def _twin_of(self, peer: Peer) -> Peer | None:
        return next((other for other in self._joined if other.peer_id == peer.peer_id), None)

    def _reason_to_refuse(self, peer: Peer) -> str:
        if peer.address[0] in self._bans:
            return "sent bad data before"
        if len(self._joined) >= MAX_PEERS:
            return f"there are {MAX_PEERS} peers already"
        twin = self._twin_of(peer)
        if twin is None:
            return ""
        # Both sides dialled at once: both keep the connection that the larger id started, so
        # that they do not each close the other's. One on which data flow is never given up.
        ours_wins = self._port.peer_id > peer.peer_id
        is_idle = not twin.downloaded.total and not twin.uploaded.total
        if twin.outgoing != peer.outgoing and peer.outgoing == ours_wins and is_idle:
            twin.close("is connected twice")
            return ""
        return "is connected twice"

    def lost(self, peer: Peer, now: float) -> bool:
        """Forget a peer whose connection has ended; True if it had joined."""
        if peer in self._dialling:
            self.dial_failed(peer, now)
        if peer not in self._joined:
            return False
        del self._joined[peer]
        self._moving.pop(peer, None)
        address = peer.listens_at
        if peer.bits.is_full and self._torrent.have.is_full:
            # Whichever of us saw it first has parted: neither need come back.
            if address is None:
                self.candidates.postpone(now, peer.address[0])
            else:
                self.candidates.is_seed(address)
        elif address is not None:
            self.candidates.disconnected(address, now)
        return True

    def drop_guilty(self, address: Address, index: int) -> None:
        """Drop who sent bad data for a piece, and ban the host unless innocents share it."""
        if self._bans.is_guilty(address):
            return  # another piece that it spoiled before it was dropped
        ip = address[0]
        shared = any(peer.address[0] == ip and peer.address != address for peer in self._joined)
        banned = self._bans.strike(address, shared)
        self.candidates.ban(address)
        end = "and is banned" if banned else "and is dropped"
        self._report(f"peer {ip}:{address[1]} sent bad data for piece {index} {end}")
        for peer in self:
            if peer.address == address or (banned and peer.address[0] == ip):
                peer.close(f"sent bad data for piece {index}")

    # Once a second.

    def moves(self, peer: Peer) -> None:
        """Measure a peer's rates from now on, until nothing moves any more."""
        peer.rests = False
        self._moving[peer] = None

    def have_news(self, now: float) -> None:
        """Note that some peers are yet to be told of a piece."""
        self._oldest_news = min(self._oldest_news, now)

    def look_at_all(self) -> None:
        """Have the next tick look at each peer: there may be one that is of no use any more."""
        self._oldest_received = -inf

    def tick(self, now: float, complete: bool) -> None:
        """Measure rates, keep connections alive, end those that are of no use."""
        self.window.tick(now)
        for peer in list(self._moving):
            peer.measure(self.window)
            if peer.rests:
                del self._moving[peer]
        if (
            now - self._oldest_received > SILENCE_SECONDS
            or now - self._oldest_sent > KEEP_ALIVE_SECONDS
            or now - self._oldest_news > MAX_HELD_SECONDS
        ):
            self._look_at_each(now, complete)
        self.dial_more(now)

    def _look_at_each(self, now: float, complete: bool) -> None:
        self._oldest_received = self._oldest_sent = self._oldest_news = now
        for peer in self:
            if now - peer.last_received_at > SILENCE_SECONDS:
                peer.close(f"was silent for {SILENCE_SECONDS:.0f} seconds")
            elif complete and peer.bits.is_full:
                peer.close("has everything, as we have")
            elif now - peer.last_sent_at > KEEP_ALIVE_SECONDS:
                peer.send(KEEP_ALIVE)
            else:
                peer.send_old_news(now)
            self._oldest_received = min(self._oldest_received, peer.last_received_at)
            self._oldest_sent = min(self._oldest_sent, peer.last_sent_at)
            self._oldest_news = min(self._oldest_news, peer.news_since)

    def close_all(self, reason: str) -> None:
        """End every connection and every dial."""
        for peer in [*self._joined, *self._dialling]:
            peer.close(reason)
