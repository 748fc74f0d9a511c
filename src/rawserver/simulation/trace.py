"""All that happened, in one running hash: two runs that agree in it were the same."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from hashlib import blake2b
from struct import Struct
from typing import TextIO
from zlib import crc32

from rawserver.simulation.packet import KIND_NAMES, Packet

# The last entries, for the report of a failure.
KEPT_ENTRIES = 50
# The hash takes so many packets at once: a call for each would cost more than the hashing.
HASHED_AT_ONCE = 32
# Of a payload that is longer than both, the hash sees its length and so many bytes of each end:
# the memory between them is cold, and to read it was 3 % of a large swarm's time. What differs
# there alone shows in what follows from it: a piece that fails its hash, an answer that differs.
END_BYTES = 128

DELIVERED = "delivered"

# What was delivered, or what a drop or an event is about.
Detail = Packet | tuple[object, ...]
# When, what, and of what.
Entry = tuple[float, str, Detail]

# Time, what became of it (by number), kind, addresses (by number), ports, sequence, acknowledged,
# window, length, checksum.
_RECORD = Struct("<dBBIIHHQQQII")
_RECORD_BYTES = _RECORD.size
_BUFFER_BYTES = HASHED_AT_ONCE * _RECORD_BYTES
_BOTH_ENDS = 2 * END_BYTES
_pack_into = _RECORD.pack_into


class Trace:
    """Notes every delivery, event and decision.

    `sinks` are called with each entry; there are none at first. Payloads go into the hash by
    the CRC-32 of their ends, for the hash itself would be the most of a simulation's time.
    """

    def __init__(self, kept_entries: int = KEPT_ENTRIES) -> None:
        self.sinks: list[Callable[[Entry], object]] = []
        self._kept_entries = kept_entries
        # Records of packets, many in one, and what else happened. Packets themselves would be
        # freed when their memory has left the cache.
        self._last: deque[bytes | Entry] = deque(maxlen=kept_entries)
        # Records that are not in the hash yet, and where the next one goes.
        self._buffer = bytearray(_BUFFER_BYTES)
        self._end = 0
        self._records = 0
        # How often what was dropped, by reason.
        self.drops: dict[str, int] = {}
        self._hash = blake2b(digest_size=16)
        # Each address and each reason enters the hash once, and is a number from then on.
        self._addresses: dict[str, int] = {}
        self._outcomes = {DELIVERED: 0}

    @property
    def last(self) -> list[Entry]:
        """The last entries. Of a packet's payload only the length is known: it is zeros."""
        self._hash_records()
        entries: list[Entry] = []
        for each in self._last:
            entries += self._unpacked(each) if isinstance(each, bytes) else (each,)
        return entries[-self._kept_entries :]

    @property
    def deliveries(self) -> int:
        """How many packets arrived."""
        records = self._records + self._end // _RECORD_BYTES
        return records - sum(self.drops.values())

    def delivery(self, now: float, packet: Packet) -> None:
        """Note that a packet arrived."""
        self._add(now, packet, 0)
        if self.sinks:
            self._tell((now, DELIVERED, packet))

    def drop(self, now: float, reason: str, packet: Packet) -> None:
        """Note that a packet will not arrive, and why."""
        outcome = self._introduce(reason, self._outcomes)
        self.drops[reason] = self.drops.get(reason, 0) + 1
        self._add(now, packet, outcome)
        self._tell((now, reason, packet))

    def event(self, now: float, kind: str, *details: object) -> None:
        """Note anything else; the details must look the same in each run (no ids, no sets)."""
        self._hash_records()
        self._hash.update(f"{now!r} {kind} {details!r}".encode())
        entry = (now, kind, details)
        self._last.append(entry)
        self._tell(entry)

    def hexdigest(self) -> str:
        """Return the hash of all up to now."""
        self._hash_records()
        return self._hash.copy().hexdigest()

    def _add(self, now: float, packet: Packet, outcome: int) -> None:
        source, source_port = packet.source
        destination, destination_port = packet.destination
        payload = packet.payload
        length = len(payload)
        if length <= _BOTH_ENDS:
            checksum = crc32(payload)
        else:
            checksum = crc32(payload[-END_BYTES:], crc32(payload[:END_BYTES]))
        addresses = self._addresses
        try:
            here, there = addresses[source], addresses[destination]
        except KeyError:
            here = self._introduce(source, addresses)
            there = self._introduce(destination, addresses)
        end = self._end
        _pack_into(
            self._buffer, end, now, outcome, packet.kind, here, there, source_port,
            destination_port, packet.sequence, packet.acknowledged, packet.window, length, checksum,
        )  # fmt: skip
        self._end = end = end + _RECORD_BYTES
        if end == _BUFFER_BYTES:
            self._hash_records()

    def _introduce(self, name: str, numbers: dict[str, int]) -> int:
        """Return the number of a name, of which the hash knows from then on."""
        number = numbers.get(name)
        if number is None:
            self._hash_records()
            self._hash.update(name.encode() + b"\n")
            number = numbers[name] = len(numbers)
        return number

    def _hash_records(self) -> None:
        if self._end:
            records = bytes(self._buffer[: self._end])
            self._records += self._end // _RECORD_BYTES
            self._end = 0
            self._hash.update(records)
            self._last.append(records)

    def _unpacked(self, records: bytes) -> Iterator[Entry]:
        addresses, outcomes = [*self._addresses], [*self._outcomes]
        for record in _RECORD.iter_unpack(records):
            now, outcome, kind, source, destination, source_port, destination_port = record[:7]
            sequence, acknowledged, window, length, _ = record[7:]
            here = (addresses[source], source_port)
            there = (addresses[destination], destination_port)
            packet = Packet(kind, here, there, bytes(length), sequence, acknowledged, window)
            yield now, outcomes[outcome], packet

    def _tell(self, entry: Entry) -> None:
        for sink in self.sinks:
            sink(entry)


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
