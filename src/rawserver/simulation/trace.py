"""All that happened, in one running hash: two runs that agree in it were the same."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from struct import Struct
from typing import TextIO
from zlib import crc32

from rawserver.simulation.packet import KIND_NAMES, Packet

# The last entries, for the report of a failure.
KEPT_ENTRIES = 200
# The hash takes so many bytes at once: a call for each entry would cost more than the hashing.
HASHED_AT_ONCE = 64 * 1024

DELIVERED = "delivered"

# What was delivered, or what a drop or an event is about.
Detail = Packet | tuple[object, ...]
# When, what, and of what.
Entry = tuple[float, str, Detail]

# Time, kind, addresses (by number), ports, sequence, acknowledged, window, length, checksum.
_PACKET = Struct("<dBIIHHQQQII")


class Trace:
    """Notes every delivery, event and decision.

    `sinks` are called with each entry; there are none at first. Payloads go into the hash by
    their CRC-32, for the hash itself would be the most of a simulation's time.
    """

    def __init__(self, kept_entries: int = KEPT_ENTRIES) -> None:
        self.sinks: list[Callable[[Entry], object]] = []
        self.last: deque[Entry] = deque(maxlen=kept_entries)
        self.deliveries = 0
        # How often what was dropped, by reason.
        self.drops: dict[str, int] = {}
        self._hash = blake2b(digest_size=16)
        self._buffer = bytearray()
        # Each address enters the hash once, and is a number from then on.
        self._numbers: dict[str, int] = {}

    def delivery(self, now: float, packet: Packet) -> None:
        """Note that a packet arrived."""
        self.deliveries += 1
        self._add_packet(now, packet)
        entry = (now, DELIVERED, packet)
        self.last.append(entry)
        for sink in self.sinks:
            sink(entry)

    def drop(self, now: float, reason: str, packet: Packet) -> None:
        """Note that a packet will not arrive, and why."""
        self.drops[reason] = self.drops.get(reason, 0) + 1
        self._add_packet(now, packet)
        self._buffer += reason.encode()
        entry = (now, reason, packet)
        self.last.append(entry)
        for sink in self.sinks:
            sink(entry)

    def event(self, now: float, kind: str, *details: object) -> None:
        """Note anything else; the details must look the same in each run (no ids, no sets)."""
        self._buffer += f"{now!r} {kind} {details!r}".encode()
        if len(self._buffer) >= HASHED_AT_ONCE:
            self._flush()
        entry = (now, kind, details)
        self.last.append(entry)
        for sink in self.sinks:
            sink(entry)

    def hexdigest(self) -> str:
        """Return the hash of all up to now."""
        self._flush()
        return self._hash.copy().hexdigest()

    def _add_packet(self, now: float, packet: Packet) -> None:
        numbers = self._numbers
        source, source_port = packet.source
        destination, destination_port = packet.destination
        if source not in numbers:
            self._number(source)
        if destination not in numbers:
            self._number(destination)
        payload = packet.payload
        buffer = self._buffer
        buffer += _PACKET.pack(
            now,
            packet.kind,
            numbers[source],
            numbers[destination],
            source_port,
            destination_port,
            packet.sequence,
            packet.acknowledged,
            packet.window,
            len(payload),
            crc32(payload),
        )
        if len(buffer) >= HASHED_AT_ONCE:
            self._flush()

    def _number(self, address: str) -> None:
        self._numbers[address] = len(self._numbers)
        self._buffer += address.encode() + b"\n"

    def _flush(self) -> None:
        self._hash.update(self._buffer)
        self._buffer.clear()


def as_dict(entry: Entry) -> dict[str, object]:
    """Return an entry as what JSON can have; payloads by length and CRC-32."""
    time, what, detail = entry
    if not isinstance(detail, Packet):
        return {"time": time, "event": what, "details": [_plain(each) for each in detail]}
    fields: dict[str, object] = {
        "time": time,
        "event": what,
        "packet": KIND_NAMES[detail.kind],
        "source": list(detail.source),
        "destination": list(detail.destination),
        "sequence": detail.sequence,
        "acknowledged": detail.acknowledged,
        "window": detail.window,
        "bytes": len(detail.payload),
        "crc32": crc32(detail.payload),
    }
    if detail.about is not None:
        fields["error"] = detail.error
    return fields


def describe(entry: Entry) -> str:
    """Return an entry as a line for people."""
    time, what, detail = entry
    if isinstance(detail, Packet):
        return f"{time:.6f} {what} {detail!r}"
    return " ".join([f"{time:.6f} {what}", *(str(each) for each in detail)])


class JsonLines:
    """A sink that writes each entry as a line of JSON."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __call__(self, entry: Entry) -> None:
        """Write an entry."""
        self._file.write(json.dumps(as_dict(entry)) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)
