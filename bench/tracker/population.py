"""Who announces, as the load is told of it."""

from typing import NamedTuple


class Population(NamedTuple):
    """So many peers in so many torrents, at so many addresses; the same ones for a seed."""

    torrents: int = 10_000
    peers: int = 500_000
    addresses: int = 1000
    numwant: int = 50
    seed: int = 1

    def arguments(self) -> list[str]:
        """Return them for the load's command."""
        return [f"{name}={value}" for name, value in self._asdict().items()]
