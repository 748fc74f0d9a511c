"""transmission-daemon, by its RPC."""

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from interop.peers.program import Program, free_port, need, wait_for

SETTINGS = {
    "dht-enabled": False,
    "encryption": 0,
    "lpd-enabled": False,
    "pex-enabled": False,
    "port-forwarding-enabled": False,
    "rpc-authentication-required": False,
    "rpc-bind-address": "127.0.0.1",
    "rpc-whitelist": "127.0.0.1",
    "utp-enabled": False,
    "cache-size-mb": 4,
}


class TransmissionPeer:
    """A daemon with one torrent.

    Who binds its IPv4 address to 127.0.0.1 keeps it from trackers on any other address.
    """

    def __init__(
        self, torrent: Path, save: Path, folder: Path, bind_ipv4: str = "127.0.0.1"
    ) -> None:
        config = folder / "transmission"
        config.mkdir()
        self.port = free_port()
        self._rpc_port = free_port()
        settings = SETTINGS | {"peer-port": self.port, "rpc-port": self._rpc_port}
        settings |= {"bind-address-ipv4": bind_ipv4, "bind-address-ipv6": "::1"}
        (config / "settings.json").write_text(json.dumps(settings))
        command = [need("transmission-daemon"), "-f", "-g", str(config), "--log-error"]
        self._session_id = ""
        self.program = Program(command, folder, "transmission")
        wait_for(self._answers, "transmission's RPC answers")
        metainfo = base64.b64encode(torrent.read_bytes()).decode()
        self._call("torrent-add", {"metainfo": metainfo, "download-dir": str(save)})

    def _answers(self) -> bool:
        self.program.check_alive()
        try:
            self._call("session-get", {})
        except urllib.error.URLError:
            return False
        return True

    def _call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._rpc_port}/transmission/rpc"
        body = json.dumps({"method": method, "arguments": arguments}).encode()
        headers = {"X-Transmission-Session-Id": self._session_id}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, body, headers), timeout=10
            ) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 409:
                    raise
                self._session_id = error.headers["X-Transmission-Session-Id"]
            return self._call(method, arguments)
        assert answer["result"] == "success", answer
        found: dict[str, Any] = answer["arguments"]
        return found

    def fraction(self) -> float:
        """How much of the torrent it has."""
        self.program.check_alive()
        fields = ["percentDone", "status", "errorString"]
        (torrent,) = self._call("torrent-get", {"fields": fields})["torrents"]
        checking = torrent["status"] in (1, 2)
        return 0.0 if checking else float(torrent["percentDone"])

    def wait_complete(self, seconds: float = 90.0) -> None:
        wait_for(lambda: self.fraction() == 1.0, "transmission has everything", seconds)

    def leave(self) -> None:
        """Leave the swarm, and tell the tracker: version 3.00 does not when it only ends."""
        self._call("torrent-stop", {})

    def close(self) -> None:
        self.program.end()
