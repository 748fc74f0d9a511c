"""A torrent of ours to put a scripted peer against."""

from pathlib import Path

from kit.content import metainfo_of, random_bytes
from rawserver import RawServer
from rawserver.services.peer_port import PeerPort
from rawserver.services.torrent import Torrent, TorrentOwner
from rawserver.wire.metainfo import Metainfo


class Owner(TorrentOwner):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.checked = False
        self.completed = 0
        self.error: BaseException | None = None

    def report(self, text: str) -> None:
        self.reports.append(text)

    def torrent_checked(self) -> None:
        self.checked = True

    def torrent_completed(self) -> None:
        self.completed += 1

    def torrent_failed(self, error: BaseException) -> None:
        self.error = error


class Scene:
    """A port with one torrent on it: `have` of its bytes are on disk, the rest is wanted."""

    def __init__(
        self,
        raw_server: RawServer,
        folder: Path,
        size: int = 200_000,
        have: int = 0,
        upload_limit: int = 0,
        metainfo: Metainfo | None = None,
        **options: object,
    ) -> None:
        self.raw_server = raw_server
        self.data = random_bytes(size)
        self.metainfo = metainfo or metainfo_of(self.data)
        self.path = folder / self.metainfo.name
        if have:
            self.path.write_bytes(self.data[:have])
        self.owner = Owner()
        self.port = PeerPort(raw_server, 0, "127.0.0.1", upload_limit=upload_limit)
        self.torrent = Torrent(
            raw_server,
            self.port,
            self.metainfo,
            str(self.path),
            self.owner,
            **options,  # type: ignore[arg-type]
        )
        self.torrent.start()
