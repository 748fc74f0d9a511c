import errno
import socket
import struct
from typing import Any

import pytest

from kit.hosts import code_of
from rawserver.simulation.socket_options import (
    LEAST_SEND_BUFFER,
    MOST_BUFFER,
    SO_REUSEPORT,
    SocketOptions,
)

V4, V6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
KNOWN = [
    (V4, True, socket.SOL_SOCKET, socket.SO_REUSEADDR),
    (V4, True, socket.SOL_SOCKET, SO_REUSEPORT),
    (V4, True, socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (V4, True, socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (V4, False, socket.SOL_SOCKET, socket.SO_BROADCAST),
    (V6, True, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
]


@pytest.mark.parametrize(("family", "is_stream", "level", "option"), KNOWN)
def test_switches_are_off_until_they_are_on(
    family: int, is_stream: bool, level: int, option: int
) -> None:
    options = SocketOptions(family, is_stream)
    kind = socket.SOCK_STREAM if is_stream else socket.SOCK_DGRAM
    with socket.socket(family, kind) as real:
        assert options.get(level, option) == real.getsockopt(level, option) == 0
        for value in (1, 0, 1):
            options.set(level, option, value)
            real.setsockopt(level, option, value)
            assert options.get(level, option) == real.getsockopt(level, option) == value


@pytest.mark.parametrize(
    ("family", "is_stream", "level", "option", "code"),
    [
        (V4, True, socket.SOL_SOCKET, 9999, errno.ENOPROTOOPT),
        (V4, False, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, errno.ENOPROTOOPT),
        (UNIX, True, socket.IPPROTO_TCP, socket.TCP_NODELAY, errno.EOPNOTSUPP),
        (V4, True, socket.IPPROTO_TCP, 9999, errno.ENOPROTOOPT),
    ],
)
def test_what_there_is_not_is_refused(
    family: int, is_stream: bool, level: int, option: int, code: int
) -> None:
    options = SocketOptions(family, is_stream)
    assert code_of(options.set, level, option, 1) == code
    assert code_of(options.get, level, option) == code


@pytest.mark.parametrize(
    ("asked", "size"), [(8192, 16384), (1, LEAST_SEND_BUFFER), (1 << 30, MOST_BUFFER)]
)
def test_buffers_are_twice_what_is_asked_for(asked: int, size: int) -> None:
    options = SocketOptions(V4, is_stream=True)
    assert options.buffer(socket.SO_SNDBUF) is None
    options.set(socket.SOL_SOCKET, socket.SO_SNDBUF, asked)
    assert options.buffer(socket.SO_SNDBUF) == size


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(struct.pack("ii", 1, 0), 0), (struct.pack("ii", 1, 5), 5), (struct.pack("ii", 0, 5), None)],
)
def test_lingering(value: bytes, seconds: int | None) -> None:
    options = SocketOptions(V4, is_stream=True)
    options.set(socket.SOL_SOCKET, socket.SO_LINGER, value)
    assert options.lingers_for == seconds
    assert options.copy().lingers_for == seconds


@pytest.mark.parametrize("value", [1, b"", b"1234"])
def test_lingering_takes_a_structure(value: Any) -> None:
    options = SocketOptions(V4, is_stream=True)
    code = code_of(options.set, socket.SOL_SOCKET, socket.SO_LINGER, value)
    assert code == errno.EINVAL


def test_numbers_may_be_bytes_and_a_copy_is_its_own() -> None:
    options = SocketOptions(V4, is_stream=True)
    options.set(socket.IPPROTO_IP, socket.IP_TOS, struct.pack("i", 32))
    copy = options.copy()
    options.set(socket.IPPROTO_IP, socket.IP_TOS, 16)
    assert copy.get(socket.IPPROTO_IP, socket.IP_TOS) == 32
    assert code_of(options.set, socket.IPPROTO_IP, socket.IP_TOS, b"1") == errno.EINVAL
