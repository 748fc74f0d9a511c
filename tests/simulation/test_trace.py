import errno
import io
import json
import subprocess
import sys

from kit.fake_world import datagram
from rawserver.simulation.packet import DATA, Packet, unreachable
from rawserver.simulation.trace import Entry, JsonLines, Trace, describe

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
    assert len(set(hashes)) == 5


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
        "trace = Trace()\n"
        "trace.delivery(1.5, Packet(DATA, ('10.0.0.1', 1), ('fd00::1', 2), b'abc', 1, 2, 3))\n"
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
    assert digests == {"c54fe88e413990eadfd9b5301b4aef80"}


def test_the_last_entries_are_kept() -> None:
    trace = Trace(kept_entries=2)
    for number in range(5):
        trace.event(float(number), "tick", number)
    assert list(trace.last) == [(3.0, "tick", (3,)), (4.0, "tick", (4,))]


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
