"""One torrent, joined together: its data, its peers, its trackers, what it gets and gives.

All that can happen to it: it is started (and looks at what is on disk), addresses are found,
peers join and are lost, pieces are verified, it completes, it fails, it is stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from rawserver.engine import RawServer, Where
from rawserver.services.announcer import Announcer
from rawserver.services.checker import Checker
from rawserver.services.download import Download
from rawserver.services.peer import Address, Peer
from rawserver.services.peer_set import PeerSet
from rawserver.services.resume_record import FileStamp
from rawserver.services.storage import Storage
from rawserver.services.torrent_status import TorrentState, TorrentStatus
from rawserver.services.tracker_client import TrackerClient
from rawserver.services.upload import Upload
from rawserver.swarm.bitfield import Bitfield
from rawserver.swarm.rate import RateMeter
from rawserver.wire.metainfo import Metainfo
from rawserver.wire.peer_wire import encode_bitfield

if TYPE_CHECKING:
    from rawserver.services.peer_port import PeerPort

TICK_SECONDS = 1.0
# A kill at any moment costs at most the re-hash of what is newer than the record.
RESUME_SAVE_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.02


class TorrentOwner:
    """Who runs a torrent and wants to hear of it; each is called from the loop."""

    def report(self, text: str) -> None:
        """Show a person one line."""

    def torrent_checked(self) -> None:
        """What is on disk is known; the torrent serves from now on."""

    def torrent_completed(self) -> None:
        """The last piece has been verified and written (or was there from the start)."""

    def torrent_failed(self, error: BaseException) -> None:
        """The torrent cannot go on: its data cannot be read or written."""


class Torrent:
    """A torrent of this process, and the context that owns its tasks and connections.

    `root` is the path of the file, or of the folder, that holds the data; `tiers` are the
    trackers (BEP 12), asked through `tracker_client` (which may be shared; None: one of its own),
    and `announced_ip` the address that those on this machine are told. What was verified is noted
    at `resume_path` (None: nowhere). `read_only` gives what is there and changes nothing on disk.
    `just_made` says that the hashes have just been made from these data.
    """

    def __init__(
        self,
        raw_server: RawServer,
        port: PeerPort,
        metainfo: Metainfo,
        root: str,
        owner: TorrentOwner,
        *,
        tiers: Sequence[Sequence[str]] = (),
        first_peers: Iterable[Address] = (),
        resume_path: str | None = None,
        read_only: bool = False,
        just_made: bool = False,
        announced_ip: str = "",
        tracker_client: TrackerClient | None = None,
    ) -> None:
        self.raw_server = raw_server
        self.metainfo = metainfo
        self.have = Bitfield(metainfo.num_pieces)
        self.state = TorrentState.CHECKING
        self._port = port
        self._owner = owner
        self._first_peers = tuple(first_peers)
        self._read_only = read_only
        self._just_made = just_made
        self._was_checked = False
        self._storage = Storage(raw_server.network.disk, metainfo, root)
        self._started_at = raw_server.network.time()
        self.peers = PeerSet(port, self, owner.report)
        self._received = RateMeter()
        self._sent = RateMeter()
        self._bytes_verified = 0
        self.upload = Upload(self, self._storage, self.peers, port.upload_limiter)
        self.download = Download(self, self._storage, self.peers)
        raw_server.add_context(self)
        self._announcer = Announcer(
            raw_server, tiers, self, self._found, owner.report, client=tracker_client,
            ip=announced_ip, context=self,
        )  # fmt: skip
        self._checker = Checker(
            raw_server, metainfo, self._storage, resume_path, self._checked, owner.report, self
        )

    # Its life.

    def start(self) -> None:
        """Look at what is on disk, then join the swarm."""
        if self._just_made:
            everything = Bitfield.full(self.metainfo.num_pieces)
            self.raw_server.add_task(self._checked, 0, (everything, None), self)
        else:
            self._checker.start()

    def _checked(self, have: Bitfield | None, error: BaseException | None) -> None:
        if have is None:
            self.fail(error or OSError("the data could not be checked"))
            return
        for index in have:
            self.have.set(index)
            self._bytes_verified += self.metainfo.piece_size(index)
        self._was_checked = True
        if have.is_full or self._read_only:
            self._run()
        else:
            self.raw_server.start_work(self._storage.prepare, (), self._prepared, self)

    def _prepared(self, result: None, error: BaseException | None) -> None:
        if error is not None:
            self.fail(error)
        else:
            self._run()

    def _run(self) -> None:
        complete = self.have.is_full
        wants = not complete and not self._read_only
        self.state = TorrentState.DOWNLOADING if wants else TorrentState.SEEDING
        self._port.add(self)
        self.download.start(wants)
        self.upload.start()
        self._announcer.start()
        self.raw_server.add_task(self._tick, TICK_SECONDS, (), self)
        self.raw_server.add_task(self._save_regularly, RESUME_SAVE_SECONDS, (), self)
        self.peers.found(self._first_peers, "person", self.raw_server.network.time())
        self._owner.torrent_checked()
        if complete:
            self._owner.torrent_completed()

    def stop(self, done: Callable[[], None]) -> None:
        """Leave: tell the tracker, end the connections, note what is verified; then `done`."""
        was_running = self.state in (TorrentState.DOWNLOADING, TorrentState.SEEDING)
        self.state = TorrentState.STOPPED
        self._port.remove(self)
        self._checker.cancel()
        self.peers.close_all("we leave")
        if was_running:
            self._announcer.stop(lambda: self._left(done))
        else:
            self._left(done)

    def _left(self, done: Callable[[], None]) -> None:
        if self.download.writing:
            # What is verified and is being written belongs in the record.
            self.raw_server.add_task(self._left, LOOK_AGAIN_SECONDS, (done,), self)
            return

        def saved(error: BaseException | None) -> None:
            if error is not None:
                self._owner.report(f"what is verified could not be noted: {error}")
            self._storage.close()
            self.raw_server.remove_context(self)
            done()

        self._save_resume(saved)

    def fail(self, error: BaseException) -> None:
        """End because of a fault of the disk; what is verified stays."""
        if self.state is not TorrentState.STOPPED:
            self.stop(lambda: self._owner.torrent_failed(error))

    def got_exception(self, error: BaseException, where: Where) -> None:
        """Hear of a fault in one of our own handlers; RawServer has ended what it touched."""
        self._owner.report(f"internal fault: {where}: {type(error).__name__}: {error}")

    # Its peers.

    def _found(self, addresses: Iterable[Address]) -> None:
        self.peers.found(addresses, "tracker", self.raw_server.network.time())

    def dial(self, address: Address) -> None:
        """Dial an address that a person gave, now or when it is known what is on disk."""
        if self.state is TorrentState.CHECKING:
            self._first_peers += (address,)
        elif self.state is not TorrentState.STOPPED:
            self.peers.found([address], "person", self.raw_server.network.time())

    def dial_unless_joined(self, peer_id: bytes, address: Address) -> None:
        """Dial a peer whose id is known, if it is not here."""
        if all(peer.peer_id != peer_id for peer in self.peers):
            self.dial(address)

    def dial_failed(self, peer: Peer, error: BaseException) -> None:
        """Hear that a dial came to nothing."""
        self.peers.dial_failed(peer, self.raw_server.network.time())

    def is_ourselves(self, address: Address) -> None:
        """Never dial this address again: we are there."""
        self.peers.candidates.is_ourselves(address)

    def peer_joined(self, peer: Peer) -> None:
        """Take a peer whose handshake was right."""
        if self.peers.join(peer, self.raw_server.network.time()) and self.have.count:
            peer.send(encode_bitfield(self.have.to_bytes()))

    def peer_lost(self, peer: Peer) -> None:
        """Forget a peer whose connection has ended."""
        now = self.raw_server.network.time()
        if self.peers.lost(peer, now) and self.state is not TorrentState.STOPPED:
            self.download.peer_lost(peer)
            self.upload.interest_changed(peer)

    def drop_guilty(self, address: Address, index: int) -> None:
        """Drop and perhaps ban who sent bad data."""
        self.peers.drop_guilty(address, index)

    # Its pieces.

    def piece_verified(self, index: int) -> None:
        """Count a piece that is on disk."""
        self._bytes_verified += self.metainfo.piece_size(index)
        self.peers.have_news(self.raw_server.network.time())
        self.upload.tell_of(index)
        if self.have.is_full and self.state is TorrentState.DOWNLOADING:
            self.state = TorrentState.SEEDING
            self.peers.completed(self.raw_server.network.time())
            self._announcer.completed()
            self._save_resume(self._report_save)
            self._owner.torrent_completed()

    def _save_regularly(self) -> None:
        self.raw_server.add_task(self._save_regularly, RESUME_SAVE_SECONDS, (), self)
        if self.state is TorrentState.DOWNLOADING:
            self._save_resume(self._report_save)

    def _report_save(self, error: BaseException | None) -> None:
        if error is not None:
            self._owner.report(f"what is verified could not be noted: {error}")

    def _save_resume(self, saved: Callable[[BaseException | None], None]) -> None:
        """Note what is verified; the stamps of the files first, as `Checker.save` wants it."""
        if self._read_only or not self._was_checked:
            saved(None)
            return

        def stamped(stamps: tuple[FileStamp, ...] | None, error: BaseException | None) -> None:
            if stamps is None:
                saved(error)
                return
            arguments = (self.have.copy(), tuple(self.download.writing), stamps)
            self.raw_server.start_work(
                self._checker.save, arguments, lambda _, error: saved(error), self
            )

        self.raw_server.start_work(self._checker.stamps, (), stamped, self)

    # What trackers and people hear.

    def _tick(self) -> None:
        self.raw_server.add_task(self._tick, TICK_SECONDS, (), self)
        if self.state is TorrentState.STOPPED:
            return
        now = self.raw_server.network.time()
        self.peers.tick(now, self.have.is_full)
        self.download.look_for_snubs(now)
        for meter, total in (
            (self._received, self.bytes_downloaded),
            (self._sent, self.bytes_uploaded),
        ):
            meter.add(total - meter.total)
            meter.tick(self.peers.window)

    @property
    def info_hash(self) -> bytes:
        return self.metainfo.info_hash

    @property
    def peer_id(self) -> bytes:
        return self._port.peer_id

    @property
    def listening_port(self) -> int:
        return self._port.port

    @property
    def num_peers(self) -> int:
        return len(self.peers)

    @property
    def bytes_downloaded(self) -> int:
        return self.download.bytes_received

    @property
    def bytes_uploaded(self) -> int:
        return self.upload.bytes_sent

    @property
    def progress(self) -> int:
        """A number that changes whenever data is checked or comes in."""
        return self.bytes_downloaded + self._bytes_verified + self.bytes_checked

    @property
    def bytes_checked(self) -> int:
        """How much was hashed to learn what is on disk."""
        return self._checker.bytes_checked

    @property
    def bytes_left(self) -> int:
        return self.metainfo.total_size - self._bytes_verified

    def status(self) -> TorrentStatus:
        """Return a snapshot for a person or a program."""
        return TorrentStatus(
            state=self.state,
            total_size=self.metainfo.total_size,
            bytes_verified=self._bytes_verified,
            pieces_have=self.have.count,
            num_pieces=self.metainfo.num_pieces,
            peers=len(self.peers),
            seeds=self.peers.seeds,
            bytes_downloaded=self.bytes_downloaded,
            bytes_uploaded=self.bytes_uploaded,
            bytes_wasted=self.download.bytes_wasted,
            download_rate=self._received.rate,
            upload_rate=self._sent.rate,
            seconds=self.raw_server.network.time() - self._started_at,
        )
