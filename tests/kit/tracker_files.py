"""Files that a tracker goes by, on a simulated host: there time passes as a test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rawserver import RawServer
from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Gate, Refused
from rawserver.simulation.world import World
from rawserver.wire.announce_request import AnnounceRequest

Made = TypeVar("Made")

HASH = bytes(range(20))
OTHER_HASH = bytes(range(100, 120))
PEER = b"-XX0001-abcdefghijkl"
ASKER = Asker(bytes([203, 0, 113, 9]))


class Files:
    """A host with files, and what was reported by those that follow them.

    All of its files are old when it begins, so that what is read at first counts as settled.
    """

    def __init__(self, **files: bytes) -> None:
        self.world = World(1)
        self.host = self.world.add_host("tracker", "10.0.0.1")
        self.disk = self.host.disk
        self.reports: list[str] = []
        for name, data in files.items():
            self.put(name, data)
        self.wait(60.0)

    def put(self, name: str, data: bytes) -> None:
        self.disk.put(f"/{name}", data)

    def make(self, make: Callable[[RawServer, Callable[[str], None]], Made]) -> Made:
        """Return what `make(raw_server, report)` makes, on a RawServer that the world turns."""
        made: list[Made] = []
        self.host.boot(lambda raw_server: made.append(make(raw_server, self.reports.append)))
        return made[0]

    def follow(self, make: Callable[..., Made], name: str = "list", **options: Any) -> Made:
        """Return what is made for a file, loaded and following it; it looks every five seconds."""

        def made(raw_server: RawServer, report: Callable[[str], None]) -> Made:
            options.setdefault("seconds", 5.0)
            follower: Any = make(raw_server, f"/{name}", report, **options)
            follower.load()
            follower.start()
            return follower  # type: ignore[no-any-return]

        return self.make(made)

    def wait(self, seconds: float = 20.0) -> None:
        """Let time pass, by default more than any change needs to be seen."""
        self.world.run(seconds=seconds)


def announce(**fields: Any) -> AnnounceRequest:
    return AnnounceRequest(**({"info_hash": HASH, "peer_id": PEER, "port": 6881} | fields))


def verdict(gate: Gate, asker: Asker = ASKER, **fields: Any) -> str | None:
    """Return why a gate refuses an announce, None if it does not."""
    try:
        assert gate(announce(**fields), asker) is None
    except Refused as refusal:
        return str(refusal)
    return None
