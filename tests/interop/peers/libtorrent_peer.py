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
    # It keeps libtorrent from scraping trackers of this machine.
    "ssrf_mitigation": False,
}


def need_libtorrent() -> Any:
    """Return the module."""
    if lt is None:
        missing("libtorrent")
    return lt


class LibtorrentPeer:
    """One session with one torrent, which listens on an address of this machine.

    `announce_port` is what it tells trackers, in place of the port at which it listens.
    """

    def __init__(
        self,
        torrent: Path,
        save: Path,
        seed: bool = False,
        host: str = "127.0.0.1",
        announce_port: int = 0,
    ) -> None:
        listen = f"[{host}]:0" if ":" in host else f"{host}:0"
        settings = SETTINGS | {"listen_interfaces": listen, "announce_port": announce_port}
        self.session = need_libtorrent().session(settings)
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

    def scrape(self) -> tuple[int, int]:
        """Ask the tracker how many have everything and how many have not."""
        self.session.apply_settings({"alert_mask": lt.alert.category_t.tracker_notification})
        self.session.pop_alerts()
        self.handle.scrape_tracker()
        answers: list[Any] = []

        def answered() -> list[Any]:
            answers.extend(
                alert
                for alert in self.session.pop_alerts()
                if isinstance(alert, lt.scrape_reply_alert | lt.scrape_failed_alert)
            )
            return answers

        wait_for(answered, "libtorrent has scraped")
        assert isinstance(answers[0], lt.scrape_reply_alert), answers[0].message()
        return answers[0].complete, answers[0].incomplete

    def leave(self) -> None:
        """Leave the swarm, and tell the tracker."""
        self.handle.unset_flags(lt.torrent_flags.auto_managed)
        self.handle.pause()

    def close(self) -> None:
        self.session.pause()
        self.session.remove_torrent(self.handle)
        del self.handle, self.session
