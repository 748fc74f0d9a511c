"""The promises are kept by RawServer on every network that there is."""

from collections.abc import Iterator

import pytest

from kit.certificates import Authority, Identity
from kit.clock import MovableClock
from kit.joined import Joiner
from rawserver import Network, OsNetwork, RawServer
from rawserver.engine.tls import TlsClient, TlsServer
from rawserver.simulation import World


def simulated_network() -> Network:
    """The network of a host that is alone in a world."""
    host = World().add_host("host", "198.51.100.1", "2001:db8::1")
    return host.network


NETWORKS = [OsNetwork, simulated_network]


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


@pytest.fixture
def clock(network: Network) -> MovableClock:
    """The network with a clock that a test moves on."""
    return MovableClock(network)


@pytest.fixture
def clocked_server(clock: MovableClock) -> Iterator[RawServer]:
    """A RawServer on that clock, whose faults fail the test."""
    reported: list[str] = []
    server = RawServer(network=clock, errorfunc=lambda level, text: reported.append(text))
    yield server
    server.close()
    assert not reported, "\n".join(reported)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def identity(authority: Authority) -> Identity:
    """A certificate for who listens on loopback."""
    return authority.issue("127.0.0.1", "localhost")


@pytest.fixture(scope="session")
def tls_server(identity: Identity) -> TlsServer:
    return TlsServer(*identity)


@pytest.fixture(scope="session")
def tls_client(authority: Authority) -> TlsClient:
    return TlsClient(authorities=authority.path)


@pytest.fixture(params=["plain", "tls", "throttled", "tls-throttled"])
def join(request: pytest.FixtureRequest, tls_server: TlsServer, tls_client: TlsClient) -> Joiner:
    """What joins two handlers, over each kind of connection."""
    tls = (tls_server, tls_client) if "tls" in request.param else None
    return Joiner(tls, throttled="throttled" in request.param)
