"""`rawserver tracker`, by every protocol and over both families, and what it knows."""

import json
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from interop.peers.ours import Ours
from kit.certificates import Identity
from rawserver.wire.bencode import decode

HOSTS = ("127.0.0.1", "[::1]")


class Counts(NamedTuple):
    """What a scrape says of one torrent."""

    complete: int
    incomplete: int
    downloaded: int


class OurTracker:
    """One run of the command, on ports of 127.0.0.1 and ::1."""

    def __init__(self, folder: Path, *options: str, identity: Identity | None = None) -> None:
        listening = ["--http", "--udp"]
        arguments = []
        if identity is not None:
            listening.append("--https")
            arguments += ["--certificate", str(identity.certificate), "--key", str(identity.key)]
        for option in listening:
            for host in HOSTS:
                arguments += [option, f"{host}:0"]
        self.command = Ours(folder, "tracker", *arguments, *options)
        try:
            self.urls: list[str] = self.command.wait_event("ready")["urls"]
        except BaseException:
            self.command.close()
            raise

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        """Return the announce URL of a protocol at a host, 127.0.0.1 or ::1."""
        start = f"{scheme}://[{host}]:" if ":" in host else f"{scheme}://{host}:"
        (found,) = [url for url in self.urls if url.startswith(start)]
        return found

    def fetch(self, path: str, host: str = "127.0.0.1") -> bytes:
        """Return what is at a path."""
        url = self.url(host=host).removesuffix("/announce") + path
        with urllib.request.urlopen(url, timeout=10) as reply:
            body: bytes = reply.read()
            return body

    def statistics(self) -> dict[str, Any]:
        figures: dict[str, Any] = json.loads(self.fetch("/stats.json"))
        return figures

    def counts(self, info_hash: bytes) -> Counts:
        answer: Any = decode(self.fetch(f"/scrape?info_hash={quote(info_hash)}"))
        file = answer[b"files"].get(info_hash)
        if file is None:
            return Counts(0, 0, 0)
        return Counts(file[b"complete"], file[b"incomplete"], file[b"downloaded"])

    def told(self, info_hash: bytes, host: str = "127.0.0.1") -> dict[bytes, str]:
        """Return whom one who asks for peers is told of: peer ids, each with its address.

        Who asks does not take part: nobody is sent to port 0, and he leaves at once.
        """
        asker = f"/announce?info_hash={quote(info_hash)}&peer_id=-XX0000-askerasker00&port=0"
        asker += "&uploaded=0&downloaded=0&left=1&compact=0&numwant=200"
        answer: Any = decode(self.fetch(f"{asker}&event=started", host))
        self.fetch(f"{asker}&event=stopped", host)
        assert b"failure reason" not in answer, answer
        return {peer[b"peer id"]: peer[b"ip"].decode() for peer in answer[b"peers"]}

    def close(self) -> None:
        """End it as ^C does; AssertionError if it does not end well."""
        try:
            self.command.end()
        finally:
            self.command.close()
