"""A whole tracker in a simulated internet: links that lose much, and peers behind NATs."""

import pytest

from kit.tracker_hosts import URLS, PeerHost, TrackerHost
from rawserver.simulation import Access, Link, World
from rawserver.simulation.latency import LogNormal
from rawserver.simulation.loss import RandomLoss

LOSSY = Link(latency=LogNormal(0.05, 0.5), loss=RandomLoss(0.1))


@pytest.mark.parametrize("run", range(20))
def test_peers_meet_over_links_that_lose_much(world: World, run: int) -> None:
    served = TrackerHost(world)
    peers = []
    for number in range(8):
        url = URLS[number % 4]
        ip = f"2001:db8:1::{number + 1}" if "[" in url else f"198.51.100.{number + 1}"
        world.fabric.set_access(Access(up=LOSSY, down=LOSSY), ip)
        peers.append(PeerHost(world, number, ip, url))
    for count in (1, 2):
        everybody = lambda count=count: all(len(one.responses) == count for one in peers)  # noqa: E731
        assert world.run(condition=everybody, seconds=3600), "somebody was not answered in an hour"
        if count == 1:
            for peer in peers:
                peer.announce()
    for peer in peers:
        others = {one.ip for one in peers if one is not peer}
        own = {ip for ip in others if (":" in ip) == (":" in peer.ip)}
        # A reply by UDP has room for one family.
        assert peer.told == (own if peer.url.startswith("udp") else others)
    assert served.registry.num_peers == len(peers)
    served.assert_well()


@pytest.mark.parametrize("run", range(5))
@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_who_is_behind_a_nat_is_counted_and_not_handed_out(
    world: World, scheme: str, run: int
) -> None:
    served = TrackerHost(world, nat_check=True)
    url = next(url for url in URLS if url.startswith(scheme))
    open_peer = PeerHost(world, 1, "198.51.100.1", url)
    hidden = PeerHost(world, 2, "10.0.0.2", url)
    world.fabric.add_nat("203.0.113.9", *hidden.host.addresses)
    world.run(seconds=60)
    asker = PeerHost(world, 3, "198.51.100.3", url)
    assert world.run(condition=lambda: asker.responses, seconds=60)
    assert asker.told == {"198.51.100.1"}
    assert asker.responses[0].incomplete == 3
    assert open_peer.responses
    assert hidden.responses
    world.run(seconds=60)
    # The router lets nobody in, but its own are served.
    hidden.announce()
    assert world.run(condition=lambda: len(hidden.responses) == 2, seconds=60)
    assert hidden.told == {"198.51.100.1", "198.51.100.3"}
    served.assert_well()
