"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from rawserver import RawServer


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    """A RawServer whose faults fail the test, and whose sockets are closed after it."""
    reported: list[str] = []
    server = RawServer(errorfunc=lambda level, text: reported.append(text))
    yield server
    server.close()
    assert not reported, "\n".join(reported)
