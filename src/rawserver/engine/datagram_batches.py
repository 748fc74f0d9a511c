"""Many datagrams by one call to the system: recvmmsg(2) and sendmmsg(2) of Linux, by ctypes.

Of a burst of small datagrams each costs about 0.6 times what `recvfrom` takes for it, and 0.8
times what `sendto` takes. A single one costs the same to receive, and more to send.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from rawserver.engine.disk import Buffer
from rawserver.engine.network import Datagram, Socket

# So many by one call, and so many bytes for each: no datagram of IPv4 or IPv6 is longer. The
# system gives memory to the pages that are written to: one for each slot in common use, and 4 MiB
# once somebody has sent as many of the largest.
SLOTS = 64
SLOT_SIZE = 65536
# Slots begin at different places of their pages: at the same one they would share the few lines
# that a processor's cache keeps for it.
_STRIDE = SLOT_SIZE + 192
# Addresses that are kept as people write them and as the system does: those of the last peers.
# About 1 MiB for both ways. Who forges addresses makes them be worked out again, no more.
MOST_ADDRESSES = 4096

_IPV4 = struct.Struct("=H2s4s8x")  # struct sockaddr_in
_IPV6 = struct.Struct("=H2s4s16sI")  # struct sockaddr_in6
_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291, section 2.5.5.2


class _Part(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("parts", ctypes.c_void_p),
        ("num_parts", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint32))


class _Messages:
    """The system's lists for SLOTS messages, and memory for the addresses."""

    def __init__(self, name_length: int) -> None:
        self._parts = (_Part * SLOTS)()
        self._messages = (_Message * SLOTS)()
        self.names = bytearray(SLOTS * name_length)
        names = ctypes.addressof(ctypes.c_char.from_buffer(self.names))
        for index, (message, part) in enumerate(zip(self._messages, self._parts, strict=True)):
            header = message.header
            header.name = names + index * name_length
            header.name_length = name_length
            header.parts = ctypes.addressof(part)
            header.num_parts = 1
        self.address = ctypes.addressof(self._messages)
        words = memoryview(self._parts).cast("B").cast("L")
        self.bases, self.sizes = words[::2], words[1::2]
        numbers = memoryview(self._messages).cast("B").cast("I")
        self.lengths = numbers[_Message.length.offset // 4 :: ctypes.sizeof(_Message) // 4]


class BatchMemory:
    """What one call needs at a time, for sockets of one family. Not for two threads at once."""

    def __init__(self, is_ipv6: bool) -> None:
        name_length = _IPV6.size if is_ipv6 else _IPV4.size
        self.name_length = name_length
        # Private: a process that is forked off has its own datagrams.
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self.buffer = mmap.mmap(-1, SLOTS * _STRIDE, private)
        self.incoming = _Messages(name_length)
        self.outgoing = _Messages(name_length)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.buffer))
        for index in range(SLOTS):
            self.incoming.bases[index] = start + index * _STRIDE
            self.incoming.sizes[index] = SLOT_SIZE
        self._is_ipv6 = is_ipv6
        # As the system writes addresses to as people do, and back.
        self.shown: dict[bytes, Any] = {}
        self.packed: dict[Any, bytes] = {}

    def show(self, raw: bytes) -> Any:
        """Return the address as `recvfrom` has it, but one of IPv4 always as (ip, port)."""
        address: Any
        if not self._is_ipv6:
            _, port, ip = _IPV4.unpack(raw)
            address = (socket.inet_ntoa(ip), int.from_bytes(port, "big"))
        else:
            _, port, flow, ip, scope = _IPV6.unpack(raw)
            number = int.from_bytes(port, "big")
            if ip.startswith(_MAPPED):
                address = (socket.inet_ntoa(ip[12:]), number)
            else:
                shown = socket.inet_ntop(socket.AF_INET6, ip)
                address = (shown, number, int.from_bytes(flow, "big"), scope)
        if len(self.shown) >= MOST_ADDRESSES:
            self.shown.clear()
        self.shown[raw] = address
        return address

    def pack(self, address: Any) -> bytes:
        """Return an address as the system has it; OSError if it has no ip that fits."""
        ip, number = address[0], address[1]
        if not 0 <= number <= 65535:
            raise OverflowError("port must be 0-65535")
        port = number.to_bytes(2, "big")
        if not self._is_ipv6:
            raw = _IPV4.pack(socket.AF_INET, port, socket.inet_pton(socket.AF_INET, ip))
        else:
            flow, scope = address[2:] if len(address) == 4 else (0, 0)
            in_6 = f"::ffff:{ip}" if ":" not in ip else ip
            packed = socket.inet_pton(socket.AF_INET6, in_6)
            raw = _IPV6.pack(socket.AF_INET6, port, flow.to_bytes(4, "big"), packed, scope)
        if len(self.packed) >= MOST_ADDRESSES:
            self.packed.clear()
        self.packed[address] = raw
        return raw


class OsDatagramBatches:
    """The batches of one socket; see `DatagramBatches`."""

    __slots__ = ("_free", "_is_ipv6", "_sock")

    def __init__(self, sock: Socket, is_ipv6: bool, free: list[BatchMemory]) -> None:
        """`free` are the memories that no call is using, of the sockets of this family."""
        self._sock = sock
        self._is_ipv6 = is_ipv6
        self._free = free

    def receive(self, limit: int) -> tuple[list[Datagram], int]:
        # Between threads: what `pop` returns is nobody else's until it is appended again.
        memory = self._free.pop() if self._free else BatchMemory(self._is_ipv6)
        try:
            return self._receive(memory, limit)
        finally:
            self._free.append(memory)

    def _receive(self, memory: BatchMemory, limit: int) -> tuple[list[Datagram], int]:
        messages = memory.incoming
        count = _recvmmsg(
            self._sock.fileno(), messages.address, min(limit, SLOTS), _DONT_WAIT, None
        )
        if count < 0:
            _raise_error()
        lengths = messages.lengths[:count].tolist()
        buffer, shown, names = memory.buffer, memory.shown, messages.names
        name_length, name, start = memory.name_length, 0, 0
        batch: list[Datagram] = []
        for length in lengths:
            raw = bytes(names[name : name + name_length])
            name += name_length
            batch.append((shown.get(raw) or memory.show(raw), buffer[start : start + length]))
            start += _STRIDE
        return batch, sum(lengths)

    def send(self, datagrams: Sequence[tuple[Any, Buffer]]) -> tuple[int, int]:
        memory = self._free.pop() if self._free else BatchMemory(self._is_ipv6)
        try:
            return self._send(memory, datagrams[:SLOTS])
        finally:
            self._free.append(memory)

    def _send(
        self, memory: BatchMemory, datagrams: Sequence[tuple[Any, Buffer]]
    ) -> tuple[int, int]:
        messages, packed = memory.outgoing, memory.packed
        names = []
        parts = []
        for address, data in datagrams:
            names.append(packed.get(address) or memory.pack(address))
            parts.append(data)
        count = len(parts)
        # One copy, which is cheap for what fits a datagram, and one address to work out.
        joined = bytearray().join(parts)
        sizes = [len(part) if type(part) is bytes else memoryview(part).nbytes for part in parts]
        joined.append(0)  # an address can only be had of what is not empty
        start = ctypes.addressof(ctypes.c_char.from_buffer(joined))
        messages.sizes[:count] = memoryview(array("L", sizes))
        messages.bases[:count] = memoryview(array("L", accumulate(sizes[:-1], initial=start)))
        messages.names[: count * memory.name_length] = b"".join(names)
        sent: int = _sendmmsg(self._sock.fileno(), messages.address, count, _DONT_WAIT)
        if sent < 0:
            _raise_error()
        return sent, sum(sizes[:sent])


def datagram_batches(sock: Socket, free: dict[int, list[BatchMemory]]) -> OsDatagramBatches | None:
    """Return what sends and receives a socket's datagrams by the batch; None if nothing does.

    `free` keeps, by family, the memory that sockets have in common.
    """
    # One of another class, which may do things its own way, is left to its own methods.
    if _recvmmsg is None or type(sock) is not socket.socket:
        return None
    if sock.type != socket.SOCK_DGRAM or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    return OsDatagramBatches(sock, sock.family == socket.AF_INET6, free.setdefault(sock.family, []))


def _load(name: str, *types: Any) -> Any:
    # BSD's calls of these names have other structures; so do 64-bit systems that are big-endian
    # and have a libc other than GNU's.
    if sys.platform != "linux" or sys.byteorder != "little":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is not None:
        function.argtypes = types
        function.restype = ctypes.c_int
    return function


_recvmmsg = _load(
    "recvmmsg", ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p
)
_sendmmsg = _load("sendmmsg", ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


def _raise_error() -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code))
