import pytest

from kit.wires import MemoryWire, wire_pair
from rawserver.engine.tls_outbox import TlsOutbox


def outbox(capacity: int) -> tuple[TlsOutbox, MemoryWire, MemoryWire]:
    wire, peer = wire_pair(capacity)
    return TlsOutbox(wire), wire, peer


def test_what_is_not_taken_is_held_and_sent_in_order() -> None:
    box, wire, peer = outbox(10)
    box.send(b"first")
    assert box.held is None
    box.send(b"second")
    assert box.held is not None
    assert box.held.size == 1
    box.send(b"third")
    assert box.held.size == 6
    assert wire.calls == ["send", "send"]  # none that would find it full
    box.flush()
    assert bytes(peer.inbox) == b"firstsecon"
    peer.inbox.clear()
    box.flush()
    assert box.held is None
    assert bytes(peer.inbox) == b"dthird"
    assert wire.calls[-1] == "sendmsg"
    box.flush()


def test_several_go_with_one_call() -> None:
    box, wire, peer = outbox(10)
    box.send_all([b"first", b"second", b"third"])
    assert wire.calls == ["sendmsg"]
    assert box.held is not None
    assert box.held.size == 6
    peer.inbox.clear()
    box.flush()
    assert box.held is None
    box.send_all([b"a", b"b"])
    assert box.held is None


def test_errors_go_up_but_not_those_of_last_words() -> None:
    box, wire, peer = outbox(10)
    wire.error = ConnectionResetError()
    for call in (lambda: box.send(b"x"), lambda: box.send_all([b"x", b"y"]), box.flush):
        with pytest.raises(ConnectionResetError):
            call()
    box.held = None
    box.send_last(b"alert")
    wire.error = None
    box.send_last(b"alert")
    assert bytes(peer.inbox) == b"alert"
    box.send(b"too long")
    box.send_last(b"alert")  # it would be in the middle of another record
    assert bytes(peer.inbox) == b"alerttoo l"
