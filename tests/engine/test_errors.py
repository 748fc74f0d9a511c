import pytest

from rawserver.engine.errors import FileEnded, IdleTimeout, WriteBufferFull


@pytest.mark.parametrize("kind", [FileEnded, IdleTimeout, WriteBufferFull])
def test_who_catches_what_a_socket_raises_catches_these_too(kind: type[OSError]) -> None:
    with pytest.raises(OSError, match="why"):
        raise kind("why")


def test_each_can_be_told_from_the_systems_own() -> None:
    assert issubclass(IdleTimeout, TimeoutError)
    assert issubclass(WriteBufferFull, ConnectionAbortedError)
