"""Ours, as it is measured: `python -m bench.tracker.ours PORT`, HTTP and UDP on one port."""

import sys

from rawserver import RawServer
from rawserver.services.tracker.tracker import Tracker
from rawserver.swarm.memory_registry import MemoryRegistry

ADDRESS = "127.0.0.1"
# More than is ever announced here: what is measured is no limit.
MAX_TORRENTS = 1_000_000
MAX_PEERS = 10_000_000


def serve(port: int) -> None:
    """Serve until it is killed."""
    raw_server = RawServer()
    random = raw_server.network.random
    registry = MemoryRegistry(random, max_torrents=MAX_TORRENTS, max_peers=MAX_PEERS)
    tracker = Tracker(raw_server, registry)
    tracker.listen(port, ADDRESS)
    tracker.listen_udp(port, ADDRESS)
    raw_server.listen_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
