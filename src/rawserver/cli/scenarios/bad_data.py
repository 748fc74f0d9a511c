"""A fifth of those who give send bad data."""

from __future__ import annotations

from rawserver.cli.scenarios.participant import CONTENT_PATH
from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SEED_ACCESS, SwarmWorld, expect, need_hosts
from rawserver.engine import RawServer
from rawserver.services.peer_port import PeerPort
from rawserver.services.torrent import Torrent, TorrentOwner
from rawserver.simulation.host import Host
from rawserver.simulation.world import World
from rawserver.swarm.request_pipeline import BLOCK_LENGTH_BYTES

LEAST_HOSTS = 4
HOSTS = 15
LIARS = 0.2
MOST_SECONDS = 900.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """All that are honest get the right bytes, though a fifth of the peers sends bad ones."""
    need_hosts(hosts, LEAST_HOSTS)
    swarm = SwarmWorld(world, name="liars", size=MIB)
    swarm.add_seed()
    liars = [add_liar(swarm, number) for number in range(max(1, round(hosts * LIARS)))]
    for _ in range(hosts - len(liars)):
        swarm.add_peer(after=swarm.random.uniform(0.1, 2.0))
    swarm.expect_complete(swarm.participants, MOST_SECONDS)
    lied = sum(liar.bytes_uploaded for liar in liars)
    expect(lied, "nobody was lied to")
    addresses = {liar.address for liar in liars}
    for each in swarm.participants:
        for text in (text for _, text in each.reports if "sent bad data" in text):
            address = text.removeprefix("peer ").partition(":")[0]
            expect(address in addresses, f"{each.name} takes an honest peer for a liar: {text}")
    found = sum("is banned" in text for each in swarm.participants for _, text in each.reports)
    expect(found, "no liar was found out")
    return swarm.result().with_facts(
        ("liars", str(len(liars))), ("bytes of pieces with lies", str(lied)), ("bans", str(found))
    )


class Liar(TorrentOwner):
    """One who says that it has everything, and of each piece has one block that is wrong."""

    def __init__(self, swarm: SwarmWorld, host: Host) -> None:
        self.address = host.addresses[0]
        self._swarm = swarm
        self._torrent: Torrent
        self._port: PeerPort
        host.disk.put(CONTENT_PATH, self._spoilt())
        host.boot(self._run)

    def _spoilt(self) -> bytes:
        content = bytearray(self._swarm.content)
        length = self._swarm.metainfo.piece_length
        for start in range(0, len(content), length):
            blocks = -(-min(length, len(content) - start) // BLOCK_LENGTH_BYTES)
            place = start + self._swarm.random.randrange(blocks) * BLOCK_LENGTH_BYTES
            content[place] ^= 1
        return bytes(content)

    def _run(self, raw_server: RawServer) -> None:
        self._port = PeerPort(raw_server, 6881)
        self._torrent = Torrent(
            raw_server,
            self._port,
            self._swarm.metainfo,
            CONTENT_PATH,
            self,
            tiers=self._swarm.tiers(),
            read_only=True,
            just_made=True,
        )
        self._torrent.start()

    @property
    def bytes_uploaded(self) -> int:
        """What it has sent, right or wrong."""
        return self._torrent.bytes_uploaded


def add_liar(swarm: SwarmWorld, number: int) -> Liar:
    """Have a liar come, on a line as good as the seed's."""
    return Liar(swarm, swarm.add_host(f"liar-{number}", SEED_ACCESS))
