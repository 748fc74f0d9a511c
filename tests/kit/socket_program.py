"""Random programs of socket calls, and what each call of one came to."""

from __future__ import annotations

import errno
import random
import socket
import struct
from collections.abc import Callable
from typing import Any

from rawserver import Network

# A call: its name, the slot of its socket, and what else it is given.
Call = tuple[str, int, Any]
# By family, an address at which nobody listens.
NOBODY = {
    int(socket.AF_INET): ("127.0.0.1", 1),
    int(socket.AF_INET6): ("::1", 1, 0, 0),
    int(socket.AF_UNIX): "/nobody",
}
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
STREAM, DATAGRAM = int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM)
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
# What a poller tells without being asked for it, too.
POLLED = 1 | 4 | 8 | 16
MOST_SLOTS = 12


class Machine:
    """Makes a program's calls on a network, and says what they came to in terms of the program.

    A port is called by the order in which it was first seen: its number may differ.
    """

    def __init__(
        self, network: Network, poll: Callable[[Any], int], nobody: Any, directory: str = ""
    ) -> None:
        """`nobody` is an address that no socket has; paths are in `directory`."""
        self._network = network
        self._poll = poll
        self._nobody = directory + nobody if isinstance(nobody, str) else nobody
        self._directory = directory
        self._slots: list[Any] = []
        self._ports: dict[int, str] = {}

    def run(self, program: list[Call]) -> list[Any]:
        """Return what each call came to; all is closed after it."""
        try:
            return [self._result(call) for call in program]
        finally:
            for sock in self._slots:
                if sock is not None:
                    sock.close()

    def _result(self, call: Call) -> Any:
        name, slot, argument = call
        if name == "socket":
            return self._make(*argument)
        if slot >= len(self._slots) or self._slots[slot] is None:
            return "no socket"
        try:
            return getattr(self, f"_{name}")(self._slots[slot], argument)
        except (OSError, OverflowError, TypeError) as error:
            code = getattr(error, "errno", None)
            return errno.errorcode.get(code, type(error).__name__) if code else type(error).__name__

    def _make(self, family: int, kind: int) -> str:
        sock = self._network.socket(family, kind)
        if kind == STREAM and family != socket.AF_UNIX:
            # As RawServer does. Else what is sent would wait for acknowledgements, and those for
            # a timer.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._slots.append(sock)
        return "made"

    # Addresses.

    def _shown(self, address: Any) -> Any:
        if not isinstance(address, tuple):
            return str(address).replace(self._directory, "")
        port = address[1]
        if port and port not in self._ports:
            self._ports[port] = f"port {len(self._ports)}"
        return (address[0], self._ports.get(port, 0), *address[2:])

    def _address(self, slot: int) -> Any:
        """Return where a slot's socket is reached."""
        if slot >= len(self._slots) or self._slots[slot] is None:
            return self._nobody
        return self._slots[slot].getsockname()

    # Calls.

    def _bind(self, sock: Any, where: Any) -> Any:
        if isinstance(where, str):
            where = self._directory + where
        sock.bind(where)
        return self._shown(sock.getsockname())

    def _bind_like(self, sock: Any, slot: int) -> Any:
        if slot >= len(self._slots) or self._slots[slot].fileno() < 0:
            return "nothing to be like"
        address = self._address(slot)
        if not address:
            return "no name"  # with which bind(2) would choose one
        sock.bind(address)
        return "bound"

    def _listen(self, sock: Any, backlog: int) -> Any:
        sock.listen(backlog)
        return "listens"

    def _connect(self, sock: Any, slot: int) -> Any:
        code = sock.connect_ex(self._address(slot))
        return errno.errorcode.get(code, code)

    def _accept(self, sock: Any, _: Any) -> Any:
        made, address = sock.accept()
        made.setblocking(False)
        self._slots.append(made)
        return self._shown(address)

    def _send(self, sock: Any, data: bytes) -> Any:
        return sock.send(data)

    def _sendmsg(self, sock: Any, data: bytes) -> Any:
        return sock.sendmsg([data[:1], data[1:]])

    def _sendto(self, sock: Any, argument: tuple[int, bytes]) -> Any:
        slot, data = argument
        return sock.sendto(data, self._address(slot))

    def _recv(self, sock: Any, count: int) -> Any:
        return sock.recv(count)

    def _peek(self, sock: Any, count: int) -> Any:
        return sock.recv(count, socket.MSG_PEEK)

    def _recv_into(self, sock: Any, count: int) -> Any:
        buffer = bytearray(count)
        return bytes(buffer[: sock.recv_into(buffer)])

    def _recvfrom(self, sock: Any, count: int) -> Any:
        data, address = sock.recvfrom(count)
        return data, None if address is None else self._shown(address)

    def _shutdown(self, sock: Any, how: int) -> Any:
        sock.shutdown(how)
        return "shut"

    def _close(self, sock: Any, _: Any) -> Any:
        sock.close()
        return sock.fileno()

    def _poll_events(self, sock: Any, _: Any) -> Any:
        return self._poll(sock) & POLLED if sock.fileno() >= 0 else "closed"

    def _error(self, sock: Any, _: Any) -> Any:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return errno.errorcode.get(code, code)

    def _setsockopt(self, sock: Any, option: tuple[int, int, Any]) -> Any:
        sock.setsockopt(*option)
        level, number, value = option
        return "set" if isinstance(value, bytes) else sock.getsockopt(level, number)

    def _getsockname(self, sock: Any, _: Any) -> Any:
        return self._shown(sock.getsockname())

    def _getpeername(self, sock: Any, _: Any) -> Any:
        return self._shown(sock.getpeername())


# How often each call comes, and what it is given.
Draw = Callable[[random.Random], Any]
_COUNTS = (0, 1, 2, 10, 1000, 100_000)


def _some_bytes(chance: random.Random) -> bytes:
    return bytes(chance.randrange(256) for _ in range(chance.choice((0, 1, 3, 10, 400))))


def _slot(chance: random.Random) -> int:
    return chance.randrange(MOST_SLOTS)


COMMON: list[tuple[int, str, Draw]] = [
    (8, "recv", lambda chance: chance.choice(_COUNTS)),
    (3, "peek", lambda chance: chance.choice(_COUNTS[1:])),
    (2, "recv_into", lambda chance: chance.choice(_COUNTS[1:])),
    (6, "send", _some_bytes),
    (1, "sendmsg", _some_bytes),
    (3, "shutdown", lambda chance: chance.randrange(3)),
    (4, "close", lambda chance: None),
    (8, "poll_events", lambda chance: None),
    (3, "error", lambda chance: None),
    (2, "getsockname", lambda chance: None),
    (2, "getpeername", lambda chance: None),
    (4, "connect", _slot),
]
STREAMS = [
    *COMMON,
    (5, "accept", lambda chance: None),
    (1, "listen", lambda chance: chance.choice((0, 1, 5))),
    (1, "bind_like", _slot),
    (
        1,
        "setsockopt",
        lambda chance: chance.choice(
            (
                (socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE),
                (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
                (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
                (socket.IPPROTO_IP, socket.IP_TOS, 32),
                (socket.SOL_SOCKET, 9999, 1),
            )
        ),
    ),
]
DATAGRAMS = [
    *COMMON,
    (8, "sendto", lambda chance: (_slot(chance), _some_bytes(chance))),
    (6, "recvfrom", lambda chance: chance.choice(_COUNTS)),
    (1, "bind_like", _slot),
    (1, "listen", lambda chance: 1),
]


def program_of(
    chance: random.Random, kind: int, family: int, length: int, calls: list[tuple[int, str, Draw]]
) -> list[Call]:
    """Return a program: some sockets of a kind that are bound, then calls by chance."""
    program: list[Call] = []
    where: Any = (LOOPBACK[family], 0) if family in LOOPBACK else None
    for slot in range(5):
        program.append(("socket", 0, (family, kind)))
        if slot < 2 or (kind == DATAGRAM and slot < 4):
            program.append(("bind", slot, where or f"/{slot}"))
        if kind == STREAM and slot < 2:
            program.append(("listen", slot, chance.choice((0, 1, 5))))
    if kind == STREAM:
        program += [("connect", 2, 0), ("poll_events", 2, None), ("accept", 0, None)]
    weights = [weight for weight, _, _ in calls]
    for _ in range(length):
        _, name, draw = chance.choices(calls, weights)[0]
        program.append((name, chance.randrange(8), draw(chance)))
        if chance.random() < 0.03:
            program.append(("socket", 0, (family, kind)))
    return program
