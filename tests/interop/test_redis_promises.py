"""What every registry promises, in a real Redis server: by one tracker, and by two in turn."""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import pytest

from interop.peers.redis_server import RedisServer
from kit import registry_promises
from kit.loop import run_until
from kit.registry_promises import PROMISES, Desk
from rawserver import RawServer
from rawserver.services.tracker.redis_registry import RedisRegistry
from rawserver.wire.scrape import ScrapeFile

# What is listed and counted in all is what a tracker knows itself: of those who announced to it.
OF_ONE_TRACKER = {
    registry_promises.a_peer_that_stops_is_gone_and_a_swarm_without_peers_too,
    registry_promises.swarms_do_not_mix,
    registry_promises.torrents_are_listed_the_oldest_first,
    registry_promises.torrents_may_come_and_go_while_they_are_listed,
}
OF_ALL = [promise for promise in PROMISES if promise not in OF_ONE_TRACKER]


class InTurn:
    """Several trackers of one store; each announce and each scrape goes to the next."""

    def __init__(self, registries: Sequence[RedisRegistry]) -> None:
        self._registries = registries
        self._turns = cycle(registries)

    def announce(self, *values: Any, **options: Any) -> Any:
        return next(self._turns).announce(*values, **options)

    def scrape(self, info_hashes: Sequence[bytes], later: Any = None) -> Any:
        return next(self._turns).scrape(info_hashes, later)

    def torrents(self, limit: int | None = None) -> Iterator[ScrapeFile]:
        return self._registries[0].torrents(limit)

    def expire(self, now: float) -> int:
        return sum([registry.expire(now) for registry in self._registries])

    def verified(self, *peer: Any) -> bool:
        told = [registry.verified(*peer) for registry in self._registries]
        return any(told)

    def unreachable(self, *peer: Any) -> bool:
        told = [registry.unreachable(*peer) for registry in self._registries]
        return any(told)

    def __len__(self) -> int:
        return max(map(len, self._registries))

    def __contains__(self, info_hash: object) -> bool:
        return any(info_hash in registry for registry in self._registries)

    @property
    def num_peers(self) -> int:
        return max(registry.num_peers for registry in self._registries)

    @property
    def num_seeds(self) -> int:
        return max(registry.num_seeds for registry in self._registries)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def make(server: RedisServer, raw_server: RawServer) -> Iterator[Callable[..., RedisRegistry]]:
    made: list[RedisRegistry] = []

    def make(**options: Any) -> RedisRegistry:
        made.append(RedisRegistry(raw_server, server.url, **options))
        run_until(raw_server, lambda: made[-1].is_connected)
        return made[-1]

    yield make
    assert all(registry.warning == "" for registry in made)
    for registry in made:
        registry.close()


def desk_of(raw_server: RawServer, server: RedisServer, make: Callable[..., Any]) -> Desk:
    def make_anew(**options: Any) -> Any:
        server.ask("FLUSHALL")
        return make(**options)

    def ask(call: Callable[[Callable[[Any], None]], Any]) -> Any:
        answers: list[Any] = []
        at_once = call(answers.append)
        if at_once is not None:
            return at_once
        run_until(raw_server, lambda: answers)
        return answers[0]

    return Desk(make_anew, ask)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_tracker_keeps_its_promises(
    raw_server: RawServer,
    server: RedisServer,
    make: Callable[..., RedisRegistry],
    promise: Callable[[Desk], None],
) -> None:
    promise(desk_of(raw_server, server, make))


@pytest.mark.parametrize("promise", OF_ALL, ids=lambda promise: promise.__name__)
def test_two_trackers_keep_their_promises_together(
    raw_server: RawServer,
    server: RedisServer,
    make: Callable[..., RedisRegistry],
    promise: Callable[[Desk], None],
) -> None:
    def make_two(**options: Any) -> InTurn:
        return InTurn([make(**options), make(**options)])

    promise(desk_of(raw_server, server, make_two))
