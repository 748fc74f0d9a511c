"""A swarm in a simulated world: its tracker, its seeds and its peers, on links as homes have."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from rawserver.cli.scenarios.participant import CONTENT_PATH, Participant, SwarmFetch
from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.engine import RawServer
from rawserver.services.tracker import Tracker
from rawserver.simulation.collector import rare_collections
from rawserver.simulation.host import Host
from rawserver.simulation.link import Access
from rawserver.simulation.presets import DATA_CENTRE, HOMES, access
from rawserver.simulation.world import World
from rawserver.wire.metainfo import Metainfo, parse_metainfo
from rawserver.wire.metainfo_writer import build_info, build_metainfo

KIB = 1024
MIB = 1024 * 1024
# Where peers ask at once when they have few others, so that a scenario need not last for hours.
ANNOUNCE_SECONDS = 60
TRACKER_PORT = 80
TRACKER_UDP_PORT = 6969
# How often a scenario looks whether something is so that no event tells.
LOOK_SECONDS = 0.25
# A seed that somebody has at home, and that has more to give than one of its peers can take.
SEED_ACCESS = access(100, 20)


class ScenarioFailed(AssertionError):
    """What a scenario asserts did not come out."""


def expect(held: object, text: str) -> None:
    """Raise ScenarioFailed with a text unless something is so."""
    if not held:
        raise ScenarioFailed(text)


def need_hosts(hosts: int, least: int) -> None:
    """Raise ValueError if there are fewer than a scenario makes sense with."""
    if hosts < least:
        raise ValueError(f"this scenario needs {least} hosts at least, not {hosts}")


class SwarmWorld:
    """One torrent in a world, and all who take part in it, in the order in which they came.

    The content follows from the world's seed. `name` is that of the content and begins the names
    of the hosts, so that there may be several swarms in a world.
    """

    def __init__(
        self,
        world: World,
        *,
        size: int = MIB,
        piece_length: int = 64 * KIB,
        name: str = "swarm",
    ) -> None:
        self.world = world
        self.name = name
        self.random = world.child_random(f"scenario {name}")
        self.content = self.random.randbytes(size)
        self.metainfo = metainfo_of(self.content, piece_length)
        self.began_at = world.now
        self.participants: list[Participant] = []
        self.tracker_host = self.add_host("tracker", DATA_CENTRE)
        self.tracker_name = f"tracker.{name}.example"
        world.names[self.tracker_name] = list(self.tracker_host.addresses)
        self.boot_tracker()

    # Who takes part.

    def add_host(self, name: str, line: Access | None) -> Host:
        """Add a machine with an address of its own."""
        number = len(self.world.hosts)
        ip = f"198.18.{number // 250}.{number % 250 + 1}"
        self.world.fabric.set_access(line, ip)
        return self.world.add_host(f"{self.name}-{name}", ip)

    def tiers(self, scheme: str = "http") -> list[list[str]]:
        """Return where those announce who do so by HTTP, or by `udp`."""
        port = TRACKER_UDP_PORT if scheme == "udp" else TRACKER_PORT
        return [[f"{scheme}://{self.tracker_name}:{port}/announce"]]

    def boot_tracker(self) -> None:
        """Begin a tracker that knows nobody yet."""

        def program(raw_server: RawServer) -> None:
            tracker = Tracker(raw_server, interval=ANNOUNCE_SECONDS)
            tracker.listen(TRACKER_PORT)
            tracker.listen_udp(TRACKER_UDP_PORT)

        self.tracker_host.boot(program)

    def add_peer(
        self,
        line: Access | None = None,
        *,
        kind: str = "peer",
        fetch_type: type[SwarmFetch] = SwarmFetch,
        after: float = 0.0,
        begins_with: float = 0.0,
        by_udp: bool = False,
        **options: object,
    ) -> Participant:
        """Have a peer come in some seconds; by default on a line as homes have.

        `begins_with` is the share of the pieces that are on its disk already, `by_udp` how it
        announces; `options` are those of its `Fetch`.
        """
        tiers = self.tiers("udp" if by_udp else "http")
        participant = self._take_in(line, kind, fetch_type, tiers, options)
        if begins_with:
            participant.host.disk.put(CONTENT_PATH, self._some_pieces(begins_with))
        if after:
            self.world.schedule(after, participant.boot)
        else:
            participant.boot()
        return participant

    def add_seed(
        self, line: Access | None = SEED_ACCESS, *, kind: str = "seed", **options: object
    ) -> Participant:
        """Have one come who has everything already."""
        participant = self._take_in(line, kind, SwarmFetch, self.tiers(), options)
        participant.host.disk.put(CONTENT_PATH, self.content)
        participant.boot()
        return participant

    def _some_pieces(self, share: float) -> bytes:
        """Return the content with zeros for pieces that are missing."""
        content = bytearray(self.content)
        pieces = range(self.metainfo.num_pieces)
        for index in self.random.sample(pieces, len(pieces) - round(len(pieces) * share)):
            start, size = index * self.metainfo.piece_length, self.metainfo.piece_size(index)
            content[start : start + size] = bytes(size)
        return bytes(content)

    def _take_in(
        self,
        line: Access | None,
        kind: str,
        fetch_type: type[SwarmFetch],
        tiers: list[list[str]],
        options: dict[str, object],
    ) -> Participant:
        line = self.random.choice(HOMES) if line is None else line
        host = self.add_host(f"{kind}-{len(self.participants)}".replace(" ", "-"), line)
        participant = Participant(host, self.metainfo, kind, fetch_type, tiers, options)
        self.participants.append(participant)
        return participant

    def of_kind(self, kind: str = "peer") -> list[Participant]:
        """Return those of one kind."""
        return [each for each in self.participants if each.kind == kind]

    # Time.

    def wait_until(self, condition: Callable[[], object], seconds: float) -> bool:
        """Let time pass until something is so, for so long at the most; returns whether it is."""
        world = self.world
        until = world.now + seconds
        with rare_collections(len(world.hosts)):
            while not condition():
                if world.now >= until:
                    return False
                world.run(seconds=min(LOOK_SECONDS, until - world.now))
        return True

    def expect_complete(self, participants: Sequence[Participant], seconds: float) -> None:
        """Let time pass until these have everything, and compare every byte on their disks."""
        self.wait_until(
            lambda: all(each.completed_at is not None for each in participants), seconds
        )
        late = [each for each in participants if each.completed_at is None]
        names = ", ".join(f"{each.name} ({each.pieces_have} pieces)" for each in late)
        expect(not late, f"not complete after {seconds:g} seconds: {names}")
        for each in participants:
            expect(each.read_content() == self.content, f"{each.name} has other bytes on its disk")

    # The end.

    def switch_off(self) -> None:
        """Take the hosts away, so that what comes next in this world is alone there."""
        for host in [self.tracker_host, *(each.host for each in self.participants)]:
            host.crash()

    def result(self) -> SwarmResult:
        """Return what came of it; ScenarioFailed if a program of ours had a fault of its own."""
        for host in self.world.hosts.values():
            expect(not host.reports, f"{host.name} reports: {host.reports}")
        for each in self.participants:
            faults = [text for _, text in each.reports if "internal fault" in text]
            expect(not faults, f"{each.name} reports: {faults}")
            expect(each.error is None, f"{each.name} ended: {each.error!r}")
        return SwarmResult(
            name=self.name,
            size=len(self.content),
            seconds=self.world.now - self.began_at,
            peers=tuple(each.result(self.began_at) for each in self.participants),
        )


def metainfo_of(content: bytes, piece_length: int) -> Metainfo:
    """Return the metainfo of a single file."""
    pieces = b"".join(
        hashlib.sha1(content[start : start + piece_length], usedforsecurity=False).digest()
        for start in range(0, len(content), piece_length)
    )
    info = build_info(CONTENT_PATH[1:], len(content), piece_length, pieces)
    return parse_metainfo(build_metainfo(info))
