import errno
import io
import json
import subprocess
import sys

from kit.fake_world import datagram
from rawserver.simulation.packet import DATA, Packet, unreachable
from rawserver.simulation.trace import END_BYTES, Entry, JsonLines, Trace, describe

HERE, THERE = ("10.0.0.1", 1), ("10.0.0.2", 2)


def hash_of(*packets: tuple[float, Packet]) -> str:
    trace = Trace()
    for now, packet in packets:
        trace.delivery(now, packet)
    return trace.hexdigest()


def test_the_hash_tells_apart_whatever_differs() -> None:
    variants = [
        (1.0, Packet(DATA, HERE, THERE, b"abc", 1, 2, 3)),
        (1.1, Packet(DATA, HERE, THERE, b"abc", 1, 2, 3)),
        (1.0, Packet(DATA, THERE, HERE, b"abc", 1, 2, 3)),
        (1.0, Packet(DATA, HERE, ("10.0.0.2", 3), b"abc", 1, 2, 3)),
        (1.0, Packet(DATA, HERE, ("10.0.0.3", 2), b"abc", 1, 2, 3)),
        (1.0, Packet(DATA, HERE, THERE, b"abd", 1, 2, 3)),
        (1.0, Packet(DATA, HERE, THERE, b"abc", 0, 2, 3)),
        (1.0, Packet(DATA, HERE, THERE, b"abc", 1, 0, 3)),
        (1.0, Packet(DATA, HERE, THERE, b"abc", 1, 2, 0)),
        (1.0, datagram(HERE, THERE, b"abc")),
    ]
    hashes = [hash_of(variant) for variant in variants]
    assert len(set(hashes)) == len(variants)
    assert hash_of(variants[0]) == hashes[0]
    assert hash_of(*variants[:2]) != hash_of(*reversed(variants[:2]))


def test_events_and_drops_count_too() -> None:
    hashes = []
    for details in (("turn", "a"), ("turn", "b"), ("done", "a")):
        trace = Trace()
        trace.event(1.0, *details)
        hashes.append(trace.hexdigest())
    for reason in ("lost", "rule"):
        trace = Trace()
        trace.drop(1.0, reason, datagram(HERE, THERE))
        hashes.append(trace.hexdigest())
        assert trace.drops == {reason: 1}
    trace = Trace()
    trace.delivery(1.0, datagram(HERE, THERE))
    hashes.append(trace.hexdigest())
    assert len(set(hashes)) == 6


def test_the_hash_sees_the_ends_of_a_long_payload_and_its_length() -> None:
    payload = bytes(10 * END_BYTES)
    last = len(payload) - 1
    hashes = {hash_of((1.0, datagram(HERE, THERE, payload)))}
    for place in (0, END_BYTES - 1, last - END_BYTES + 1, last):
        changed = payload[:place] + b"x" + payload[place + 1 :]
        hashes.add(hash_of((1.0, datagram(HERE, THERE, changed))))
    hashes.add(hash_of((1.0, datagram(HERE, THERE, payload + b"\0"))))
    assert len(hashes) == 6
    # All of one that is no longer than both ends.
    payload = bytes(2 * END_BYTES)
    every = [payload[:place] + b"x" + payload[place + 1 :] for place in range(len(payload))]
    assert len({hash_of((1.0, datagram(HERE, THERE, one))) for one in every}) == len(every)


def test_the_hash_may_be_asked_for_on_the_way() -> None:
    one, other = Trace(), Trace()
    for number in range(3000):
        one.delivery(float(number), datagram(HERE, THERE))
        one.event(float(number), "turn", number)
        other.delivery(float(number), datagram(HERE, THERE))
        if number % 100 == 0:
            other.hexdigest()
        other.event(float(number), "turn", number)
    assert one.hexdigest() == other.hexdigest()
    assert one.deliveries == 3000


def test_the_hash_does_not_depend_on_pythons() -> None:
    program = (
        "from rawserver.simulation.trace import Trace\n"
        "from rawserver.simulation.packet import DATA, Packet\n"
        "trace, here, there = Trace(), ('10.0.0.1', 1), ('fd00::1', 2)\n"
        "trace.delivery(1.5, Packet(DATA, here, there, b'abc', 1, 2, 3))\n"
        "trace.delivery(2.0, Packet(DATA, there, here, bytes(range(256)) * 3))\n"
        "trace.drop(2.1, 'lost', Packet(DATA, there, here, b'abc', 1, 2, 3))\n"
        "trace.event(2.5, 'turn', 'host', 3, 0.1)\n"
        "print(trace.hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    # The same on every machine and by every Python.
    assert digests == {"d999de56bf24d6f37d76739ccd86ee7d"}


def test_the_last_entries_are_kept() -> None:
    trace = Trace(kept_entries=2)
    for number in range(5):
        trace.event(float(number), "tick", number)
    assert trace.last == [(3.0, "tick", (3,)), (4.0, "tick", (4,))]


def test_packets_among_the_last_entries_are_told_as_they_were() -> None:
    trace = Trace(kept_entries=70)
    told: list[Entry] = []
    trace.sinks.append(told.append)
    for number in range(100):
        trace.delivery(float(number), Packet(DATA, HERE, THERE, b"abc" * number, number, 2, 3))
        if number % 9 == 0:
            trace.event(float(number), "tick", number)
        if number % 13 == 0:
            trace.drop(float(number), "lost", datagram(THERE, ("fd00::1", number)))
    assert [describe(each) for each in trace.last] == [describe(each) for each in told[-70:]]
    assert trace.deliveries == 100
    assert trace.drops == {"lost": 8}


def test_lines_for_people() -> None:
    assert describe((1.5, "crash", ("host", 3))) == "1.500000 crash host 3"
    line = describe((1.5, "lost", datagram(HERE, THERE)))
    assert line.startswith("1.500000 lost <DATAGRAM 10.0.0.1:1 > 10.0.0.2:2 1 bytes")


def test_lines_of_json() -> None:
    file = io.StringIO()
    trace = Trace()
    trace.sinks.append(JsonLines(file))
    packet = Packet(DATA, HERE, THERE, memoryview(b"abc"), 4, 5, 6)
    trace.delivery(1.0, packet)
    trace.drop(2.0, "lost", unreachable(packet, "10.0.0.9", errno.EHOSTUNREACH))
    trace.event(3.0, "crash", "host", 1, None, ("a", b"b"))
    first, second, third = (json.loads(line) for line in file.getvalue().splitlines())
    assert first == {
        "time": 1.0,
        "event": "delivered",
        "packet": "DATA",
        "source": ["10.0.0.1", 1],
        "destination": ["10.0.0.2", 2],
        "sequence": 4,
        "acknowledged": 5,
        "window": 6,
        "bytes": 3,
        "crc32": 891568578,
    }
    assert (second["event"], second["error"]) == ("lost", errno.EHOSTUNREACH)
    assert third == {"time": 3.0, "event": "crash", "details": ["host", 1, None, ["a", "b'b'"]]}


def test_sinks_have_every_entry() -> None:
    entries: list[Entry] = []
    trace = Trace(kept_entries=1)
    trace.sinks.append(entries.append)
    trace.delivery(1.0, datagram(HERE, THERE))
    trace.event(2.0, "turn")
    assert [what for _, what, _ in entries] == ["delivered", "turn"]
