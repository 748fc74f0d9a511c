"""What only a real system has."""

import pytest

from rawserver import Network, OsNetwork


def needs_the_system(network: Network, reason: str) -> None:
    """Skip a test over a network that is not the operating system's own."""
    if not isinstance(network, OsNetwork):
        pytest.skip(reason)
