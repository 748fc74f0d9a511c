"""A clock that a test moves on, over any network."""

from collections.abc import Callable
from typing import Any

from rawserver import Network, OsNetwork, RawServer


class MovableClock:
    """A network as it is, but for its time, to which `ahead` seconds are added."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.ahead = 0.0
        # Where waiting costs nothing, time passes by waiting: what is under way then arrives.
        self.waiting_is_free = not isinstance(network, OsNetwork)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def time(self) -> float:
        return self._network.time() + self.ahead


def pass_time(
    raw_server: RawServer,
    seconds: float,
    *,
    step: float = 0.25,
    until: Callable[[], object] = lambda: False,
) -> None:
    """Turn while so many seconds of the server's `MovableClock` pass, or until something is so."""
    clock: Any = raw_server.network
    end = clock.time() + seconds
    while clock.time() < end and not until():
        if clock.waiting_is_free:
            raw_server.listen_once(step)
        else:
            clock.ahead += step
            raw_server.listen_once(0.0)
            raw_server.listen_once(0.0)
