"""Many datagrams by one call to the system: recvmmsg(2) and sendmmsg(2) of Linux, by ctypes.

Measured on loopback, of a burst of 32 small datagrams each costs the server 0.6 times what it does
by `recvfrom` (0.45 on a socket of both families), and 0.77 times to send; a single one costs 1.07
times (1.0).
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
from rawserver.engine.packed_address import (
    PACKED_IPV4_LENGTH,
    PACKED_IPV6_LENGTH,
    pack_address,
    show_address,
)

# So many by one call, and so many bytes for each: no datagram of IPv4 or IPv6 is longer. The
# system gives memory to the pages that are written to: one for each slot in common use, and 4 MiB
# once somebody has sent as many of the largest.
SLOTS = 64
SLOT_SIZE = 65536
# Slots begin at different places of their pages: at the same one they would share the few lines
# that a processor's cache keeps for it.
_STRIDE = SLOT_SIZE + 192
_STARTS = range(0, SLOTS * _STRIDE, _STRIDE)
# Addresses that are kept as people write them and as the system does: those of the last peers.
# About 1 MiB for both ways. Who forges addresses makes them be worked out again, no more.
MOST_ADDRESSES = 4096

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)


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
        name_length = PACKED_IPV6_LENGTH if is_ipv6 else PACKED_IPV4_LENGTH
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
        self.split_names = struct.Struct(f"{name_length}s" * SLOTS).unpack
        self._is_ipv6 = is_ipv6
        # As the system writes addresses to as people do, and back.
        self.shown: dict[bytes, Any] = {}
        self.packed: dict[Any, bytes] = {}

    def show(self, packed: bytes) -> Any:
        """Return what `show_address` does, and keep it."""
        if len(self.shown) >= MOST_ADDRESSES:
            self.shown.clear()
        address = self.shown[packed] = show_address(packed)
        return address

    def pack(self, address: Any) -> bytes:
        """Return what `pack_address` does, and keep it."""
        packed = pack_address(address, self._is_ipv6)
        if len(self.packed) >= MOST_ADDRESSES:
            self.packed.clear()
        self.packed[address] = packed
        return packed


class OsDatagramBatches:
    """The batches of one socket; see `DatagramBatches`."""

    __slots__ = ("_free", "_is_ipv6", "_sock")

    # For one the system's own call is the fastest.
    send_to = None

    def __init__(self, sock: Socket, is_ipv6: bool, free: list[BatchMemory]) -> None:
        """`free` are the memories that no call is using, of the sockets of this family."""
        self._sock = sock
        self._is_ipv6 = is_ipv6
        self._free = free

    def receive(self, limit: int) -> tuple[list[Datagram], int]:
        # Between threads: what `pop` returns is nobody else's until it is appended again.
        memory = self._free.pop() if self._free else BatchMemory(self._is_ipv6)
        try:
            packed, parts, size = self._receive(memory, limit)
            shown = memory.shown
            addresses = [shown.get(address) or memory.show(address) for address in packed]
        finally:
            self._free.append(memory)
        return list(zip(addresses, parts, strict=True)), size

    def receive_packed(self, limit: int) -> tuple[list[bytes], list[bytes], int]:
        memory = self._free.pop() if self._free else BatchMemory(self._is_ipv6)
        try:
            return self._receive(memory, limit)
        finally:
            self._free.append(memory)

    def _receive(self, memory: BatchMemory, limit: int) -> tuple[list[bytes], list[bytes], int]:
        messages, buffer = memory.incoming, memory.buffer
        most = limit if limit < SLOTS else SLOTS
        count = _recvmmsg(self._sock.fileno(), messages.address, most, _DONT_WAIT, None)
        if count < 0:
            _raise_error()
        lengths = messages.lengths[:count].tolist()
        parts = [
            buffer[start : start + length]
            for start, length in zip(_STARTS[:count], lengths, strict=True)
        ]
        addresses = list(memory.split_names(messages.names)[:count])
        return addresses, parts, sum(lengths)

    def send(self, datagrams: Sequence[tuple[Any, Buffer]]) -> tuple[int, int]:
        memory = self._free.pop() if self._free else BatchMemory(self._is_ipv6)
        try:
            packed = memory.packed
            names = []
            parts = []
            for address, data in datagrams[:SLOTS]:
                names.append(packed.get(address) or memory.pack(address))
                parts.append(data)
            return self._send(memory, names, parts)
        finally:
            self._free.append(memory)

    def send_packed(
        self, addresses: Sequence[bytes], datagrams: Sequence[Buffer]
    ) -> tuple[int, int]:
        memory = self._free.pop() if self._free else BatchMemory(self._is_ipv6)
        try:
            return self._send(memory, addresses[:SLOTS], datagrams[:SLOTS])
        finally:
            self._free.append(memory)

    def _send(
        self, memory: BatchMemory, names: Sequence[bytes], parts: Sequence[Buffer]
    ) -> tuple[int, int]:
        messages = memory.outgoing
        count = len(parts)
        # One copy, which is cheap for what fits a datagram, and one address to work out.
        joined = bytearray().join(parts)
        sizes = [len(part) if type(part) is bytes else memoryview(part).nbytes for part in parts]
        joined.append(0)  # an address can only be had of what is not empty
        start = ctypes.addressof(ctypes.c_char.from_buffer(joined))
        messages.sizes[:count] = memoryview(array("L", sizes))
        messages.bases[:count] = memoryview(array("L", accumulate(sizes[:-1], initial=start)))
        joined_names = b"".join(names)
        if len(joined_names) != count * memory.name_length:
            raise ValueError("each datagram has an address, packed as the socket's family is")
        messages.names[: count * memory.name_length] = joined_names
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
