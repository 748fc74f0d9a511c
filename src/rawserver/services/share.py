"""Sharing: a tracker and a seeder for any number of torrents, in one process on one RawServer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from rawserver.engine import RawServer
from rawserver.services.peer import Address
from rawserver.services.peer_port import PeerPort
from rawserver.services.resume_record import resume_path
from rawserver.services.storage import StorageError
from rawserver.services.torrent import Torrent, TorrentOwner
from rawserver.services.torrent_status import TorrentStatus
from rawserver.services.tracker import Asker, Tracker
from rawserver.services.tracker.only_listed import OnlyListed
from rawserver.services.tracker.published import Published
from rawserver.services.tracker_client import TrackerClient
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import AnnounceRequest, Event
from rawserver.wire.compact_peers import ip_to_text, is_address
from rawserver.wire.magnet import build_magnet
from rawserver.wire.metainfo import Metainfo

if TYPE_CHECKING:
    from rawserver.engine.tls import TlsClient

# Peers of a share come and go within minutes, and it has few of them.
TRACKER_INTERVAL_SECONDS = 120
# Long enough for a peer to reach us first, on its second try too: aria2 tries encryption, and
# then without. Two that dial at once make a connection too many.
DIAL_BACK_SECONDS = 5.0


class SharedTorrent(TorrentOwner):
    """One torrent of a `Share`: where others find it, and how it goes."""

    def __init__(
        self, share: Share, metainfo: Metainfo, root: str, just_made: bool,
        tiers: Sequence[Sequence[str]], ready: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        self._share = share
        self._ready = ready
        self._failed = failed
        self._root = root
        self.metainfo = metainfo
        self.torrent_url = share.publish(metainfo)
        self.magnet = build_magnet(
            metainfo.info_hash,
            metainfo.name,
            [url for tier in tiers for url in tier],
            [(share.host, share.port)],
        )
        self._torrent = Torrent(
            share.raw_server,
            share.peer_port,
            metainfo,
            root,
            self,
            tiers=share.tiers_to_announce(tiers),
            resume_path=resume_path(root),
            read_only=True,
            just_made=just_made,
            announced_ip=share.announced_ip,
            tracker_client=share.tracker_client,
        )

    def start(self) -> None:
        """Look at the data (if it was not just hashed), then serve it."""
        self._torrent.start()

    def stop(self, done: Callable[[], None]) -> None:
        """Leave the swarm, then call `done`."""
        self._torrent.stop(done)

    def status(self) -> TorrentStatus:
        """Return a snapshot."""
        return self._torrent.status()

    def dial_back(self, peer_id: bytes, address: Address) -> None:
        """Dial a peer that we heard of, unless it has reached us after a while."""
        self._share.raw_server.add_task(
            self._torrent.dial_unless_joined, DIAL_BACK_SECONDS, (peer_id, address), self._torrent
        )

    def report(self, text: str) -> None:
        self._share.report(text)

    def torrent_checked(self) -> None:
        status = self.status()
        if not status.pieces_have:
            self._failed(StorageError(f"{self._root}: holds nothing of {self.metainfo.name}"))
            return
        if status.pieces_have < status.num_pieces:
            missing = status.num_pieces - status.pieces_have
            verb = "is" if missing == 1 else "are"
            self.report(
                f"{self.metainfo.name}: {missing} of {status.num_pieces} pieces {verb} "
                "missing or bad"
            )
        self._ready()

    def torrent_failed(self, error: BaseException) -> None:
        self._failed(error)


class Share:
    """Opens a port for peers and, unless others track, one for the tracker; then takes torrents.

    `host` is the address that other machines are told (None: the one of the network that this
    machine's traffic leaves by); `port` and `tracker_port` 0 take any free one; `announce` names
    trackers to use in place of the embedded one; `upload_limit` is in bytes per second, 0 for
    none; `tls` says whom to trust at trackers of https://, None: whom the system does. Raises
    OSError when a port cannot be had.
    """

    def __init__(
        self,
        raw_server: RawServer,
        *,
        host: str | None = None,
        port: int = 0,
        tracker_port: int = 0,
        announce: Sequence[str] = (),
        upload_limit: int = 0,
        tls: TlsClient | None = None,
        report: Callable[[str], None],
    ) -> None:
        self.raw_server = raw_server
        self.report = report
        self.host = host or raw_server.network.primary_address()
        self.peer_port = PeerPort(raw_server, port, upload_limit=upload_limit)
        self.port = self.peer_port.port
        self.tracker_client = TrackerClient(raw_server, tls=tls)
        self.tracker_url: str | None = None
        self._tracker: Tracker | None = None
        self._torrents: list[SharedTorrent] = []
        self._published = Published()
        self._paths: dict[str, bytes] = {}
        self.tiers: tuple[tuple[str, ...], ...] = tuple((url,) for url in announce)
        if not announce:
            self._open_tracker(tracker_port)

    def _open_tracker(self, port: int) -> None:
        self._tracker = Tracker(
            self.raw_server,
            interval=TRACKER_INTERVAL_SECONDS,
            catalog=self._published,
            gates=[OnlyListed(self._published)],
            watchers=[self._heard],
        )
        try:
            self._tracker.listen(port)
        except OSError:
            self.peer_port.close()
            raise
        self.tracker_url = f"{self._base_url()}/announce"
        self.tiers = ((self.tracker_url,),)

    def _heard(self, announce: AnnounceRequest, asker: Asker, result: AnnounceResult) -> None:
        """Dial who announced to our tracker, if he does not reach us by himself."""
        if announce.left and announce.event is not Event.STOPPED:
            for shared in self._torrents:
                if shared.metainfo.info_hash == announce.info_hash:
                    shared.dial_back(announce.peer_id, (ip_to_text(asker.ip), announce.port))

    def _base_url(self) -> str:
        assert self._tracker is not None
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._tracker.port}"

    @property
    def announced_ip(self) -> str:
        """The address to give to our own tracker, which sees us come from this machine."""
        return self.host if self._tracker is not None and is_address(self.host) else ""

    def tiers_to_announce(self, tiers: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the tiers as we announce to them: to our own tracker within this machine.

        Whatever others must use to reach this host need not lead back to it from here.
        """
        if self._tracker is None:
            return [list(tier) for tier in tiers]
        inside = f"http://127.0.0.1:{self._tracker.port}/announce"
        return [[inside if url == self.tracker_url else url for url in tier] for tier in tiers]

    def publish(self, metainfo: Metainfo) -> str | None:
        """Serve a .torrent beside the tracker; returns its URL, None without a tracker."""
        if self._tracker is None:
            return None
        self._published.add(metainfo)
        name = quote(metainfo.name, safe="")
        path = f"/{name}.torrent"
        if self._paths.setdefault(path, metainfo.info_hash) != metainfo.info_hash:
            # Another of the same name is shared, too.
            path = f"/{name}-{metainfo.info_hash.hex()}.torrent"
        self._tracker.publish(path, metainfo.raw, "application/x-bittorrent")
        return self._base_url() + path

    def add(
        self,
        metainfo: Metainfo,
        root: str,
        *,
        just_made: bool = False,
        tiers: Sequence[Sequence[str]] | None = None,
        ready: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> SharedTorrent:
        """Serve the data at `root` (the file, or the folder that holds the files).

        `tiers` are the trackers to announce to, by default the share's own; `ready()` is called
        once it is served, `failed(error)` if its data cannot be read.
        """
        tiers = self.tiers if tiers is None else tiers
        shared = SharedTorrent(self, metainfo, root, just_made, tiers, ready, failed)
        self._torrents.append(shared)
        shared.start()
        return shared

    def stop(self, done: Callable[[], None]) -> None:
        """Leave all swarms (the trackers are told), close the ports, then call `done`."""
        waiting = len(self._torrents)

        def one_left() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting <= 0:
                self._close()
                done()

        for shared in self._torrents:
            shared.stop(one_left)
        if not self._torrents:
            one_left()

    def _close(self) -> None:
        self.peer_port.close()
        if self._tracker is not None:
            self._tracker.close()
