"""Certificates for example.org, and the two sides of TLS that use them."""

import pytest

from kit.certificates import Authority, Identity
from rawserver.engine.tls import TlsClient, TlsServer


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def identity(authority: Authority) -> Identity:
    return authority.issue("example.org")


@pytest.fixture(scope="session")
def server(identity: Identity) -> TlsServer:
    return TlsServer(*identity)


@pytest.fixture(scope="session")
def client(authority: Authority) -> TlsClient:
    return TlsClient(authorities=authority.path)
