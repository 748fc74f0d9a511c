"""libtorrent, in this process."""

from pathlib import Path
from typing import Any

from interop.peers.program import missing, wait_for

try:
    import libtorrent as lt
except ImportError:
    lt = None

SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "allow_multiple_connections_per_ip": True,
}


def need_libtorrent() -> Any:
    """Return the module."""
    if lt is None:
        missing("libtorrent")
    return lt


class LibtorrentPeer:
    """One session with one torrent."""

    def __init__(self, torrent: Path, save: Path, seed: bool = False) -> None:
        self.session = need_libtorrent().session(SETTINGS)
        parameters = lt.add_torrent_params()
        parameters.ti = lt.torrent_info(str(torrent))
        parameters.save_path = str(save)
        self.handle = self.session.add_torrent(parameters)
        if seed:
            wait_for(lambda: self.handle.status().is_seeding, "libtorrent has checked its data")

    @property
    def port(self) -> int:
        port: int = self.session.listen_port()
        return port

    def connect(self, port: int) -> None:
        """Dial one of ours."""
        self.handle.connect_peer(("127.0.0.1", port))

    def wait_complete(self, seconds: float = 60.0) -> None:
        wait_for(lambda: self.handle.status().is_seeding, "libtorrent has everything", seconds)

    def close(self) -> None:
        self.session.pause()
        self.session.remove_torrent(self.handle)
        del self.handle, self.session
