"""The promises are kept by RawServer on every network that there is."""

from collections.abc import Iterator

import pytest

from rawserver import Network, OsNetwork, RawServer

NETWORKS = [OsNetwork]


@pytest.fixture(params=NETWORKS, ids=lambda kind: kind.__name__)
def network(request: pytest.FixtureRequest) -> Network:
    made: Network = request.param()
    return made


@pytest.fixture
def raw_server(network: Network) -> Iterator[RawServer]:
    """A RawServer whose faults fail the test."""
    reported: list[str] = []
    server = RawServer(network=network, errorfunc=lambda level, text: reported.append(text))
    yield server
    server.close()
    assert not reported, "\n".join(reported)


@pytest.fixture
def faults() -> list[str]:
    """What `faulty_server` was told."""
    return []


@pytest.fixture
def faulty_server(network: Network, faults: list[str]) -> Iterator[RawServer]:
    """A RawServer whose handlers may fail."""
    server = RawServer(network=network, errorfunc=lambda level, text: faults.append(text))
    yield server
    server.close()
