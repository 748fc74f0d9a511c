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
# The hash takes so many entries at once: a call for each would cost more than the hashing. With
# more, the payloads, which it looks at, would have left the cache of the processor.
HASHED_AT_ONCE = 24

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
        self._last: deque[Entry] = deque(maxlen=kept_entries)
        self._deliveries = 0
        # Packets that are not in the hash yet: never changed once they were sent.
        self._entries: list[tuple[float, str, Packet]] = []
        # How often what was dropped, by reason.
        self.drops: dict[str, int] = {}
        self._hash = blake2b(digest_size=16)
        # Each address enters the hash once, and is a number from then on.
        self._numbers: dict[str, int] = {}

    @property
    def last(self) -> deque[Entry]:
        """The last entries."""
        self._add_packets()
        return self._last

    @property
    def deliveries(self) -> int:
        """How many packets arrived."""
        self._add_packets()
        return self._deliveries

    def delivery(self, now: float, packet: Packet) -> None:
        """Note that a packet arrived."""
        entries = self._entries
        entry = (now, DELIVERED, packet)
        entries.append(entry)
        if len(entries) >= HASHED_AT_ONCE:
            self._add_packets()
        for sink in self.sinks:
            sink(entry)

    def drop(self, now: float, reason: str, packet: Packet) -> None:
        """Note that a packet will not arrive, and why."""
        self.drops[reason] = self.drops.get(reason, 0) + 1
        entry = (now, reason, packet)
        self._entries.append(entry)
        for sink in self.sinks:
            sink(entry)

    def event(self, now: float, kind: str, *details: object) -> None:
        """Note anything else; the details must look the same in each run (no ids, no sets)."""
        self._add_packets()
        self._hash.update(f"{now!r} {kind} {details!r}".encode())
        entry = (now, kind, details)
        self._last.append(entry)
        for sink in self.sinks:
            sink(entry)

    def hexdigest(self) -> str:
        """Return the hash of all up to now."""
        self._add_packets()
        return self._hash.copy().hexdigest()

    def _add_packets(self) -> None:
        entries, self._entries = self._entries, []
        numbers = self._numbers
        parts: list[bytes] = []
        add, pack = parts.append, _PACKET.pack
        for now, what, packet in entries:
            source, source_port = packet.source
            destination, destination_port = packet.destination
            for address in (source, destination):
                if address not in numbers:
                    numbers[address] = len(numbers)
                    add(address.encode() + b"\n")
            payload = packet.payload
            add(
                pack(
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
            )
            if what is DELIVERED:
                self._deliveries += 1
            else:
                add(what.encode())
        self._hash.update(b"".join(parts))
        self._last.extend(entries)


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
