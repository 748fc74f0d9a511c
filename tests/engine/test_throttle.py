"""One connection held to a rate, over ends in memory and over sockets."""

import random
from typing import Any

import pytest

from kit.clock import MovableClock, pass_time
from kit.fake_loop import FakeLoop
from kit.joined import join
from kit.loop import run_until
from kit.recorder import Recorder
from kit.wires import MemoryWire, wire_pair
from rawserver import READABLE, WRITABLE, Config, OsNetwork, RateLimit, RawServer, SingleSocket
from rawserver.engine.throttle import Throttle

RATE = 10_000.0


class Top:
    """What stands above: reads and sends as it is told that it can, and does `then` after it."""

    def __init__(self) -> None:
        self.throttle: Any = None
        self.got = bytearray()
        self.to_send = bytearray()
        self.wanted = READABLE
        self.ended = False
        self.most = 64 * 1024
        self.then: Any = lambda: None
        self.in_call = 0

    def want(self) -> None:
        self.throttle.want(self.wanted | (WRITABLE if self.to_send else 0))

    def ready(self, events: int) -> None:
        assert not self.in_call
        self.in_call += 1
        try:
            if events & READABLE and self.wanted & READABLE:
                data = self.throttle.recv(self.most)
                self.got += data
                self.ended = not data
                if self.ended:
                    self.wanted = 0
            if events & WRITABLE and self.to_send:
                del self.to_send[: self.throttle.send(bytes(self.to_send))]
        except BlockingIOError:
            pass
        self.then()
        self.want()
        self.in_call -= 1


class Scene:
    def __init__(self, **rates: float | None) -> None:
        self.loop = FakeLoop()
        self.ours, self.theirs = wire_pair(1 << 20)
        self.rate = RateLimit(self.loop, **rates)  # type: ignore[arg-type]
        self.top = Top()
        self.ours.above = self.top
        self.throttle = self.top.throttle = Throttle(self.ours, self.rate)  # type: ignore[arg-type]
        self.top.want()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, in steps in which the poller is asked too."""
        end = self.loop.now + seconds
        for _ in range(100_000):
            self.loop.turn(0.01)
            self.ours.poll()
            if self.loop.now >= end:
                return


@pytest.mark.parametrize("reading", [True, False])
def test_no_more_passes_than_the_rate_has_for_it_and_no_less(reading: bool) -> None:
    scene = Scene(download=RATE, upload=RATE)
    if reading:
        scene.theirs.send(bytes(1_000_000))
    else:
        scene.top.to_send += bytes(1_000_000)
        scene.top.want()
    scene.pass_time(10.0)
    passed = len(scene.top.got) + len(scene.theirs.inbox)
    assert passed <= 10.1 * RATE + scene.rate.download.burst
    assert passed >= 0.95 * 10 * RATE


def test_a_rate_in_one_direction_leaves_the_other_alone() -> None:
    scene = Scene(download=RATE)
    scene.theirs.send(bytes(500_000))
    scene.top.to_send += bytes(500_000)
    scene.top.want()
    scene.pass_time(1.0)
    assert len(scene.theirs.inbox) == 500_000
    assert len(scene.top.got) < 2.5 * RATE


def test_while_it_waits_it_is_not_polled_and_so_does_not_spin() -> None:
    scene = Scene(download=100.0)
    scene.theirs.send(bytes(100_000))
    scene.pass_time(1.0)
    assert not scene.ours.events & READABLE
    calls = len(scene.ours.calls)
    scene.pass_time(1.0)
    assert len(scene.ours.calls) - calls < 3


def test_pausing_while_it_waits_gives_up_its_turn() -> None:
    scene = Scene(download=100.0)
    scene.theirs.send(bytes(100_000))
    scene.pass_time(1.0)
    assert scene.rate.download.waiting
    scene.top.wanted = 0
    scene.top.want()
    assert not scene.rate.download.waiting
    assert not scene.loop.waiting


@pytest.mark.parametrize("reading", [True, False])
def test_one_whose_peer_is_slower_than_the_rate_waits_for_the_poller(reading: bool) -> None:
    scene = Scene(download=1e6, upload=1e6)
    if reading:
        scene.theirs.send(bytes(100))
    else:
        scene.theirs.capacity = 100
        scene.top.to_send += bytes(1000)
        scene.top.want()
    scene.pass_time(0.2)
    assert len(scene.top.got) + len(scene.theirs.inbox) == 100
    assert not scene.rate.download.waiting + scene.rate.upload.waiting
    assert len(scene.ours.calls) < 6
    assert scene.ours.events & (READABLE if reading else WRITABLE)


def test_the_end_comes_after_all_bytes_at_the_rate() -> None:
    scene = Scene(download=RATE)
    scene.theirs.send(bytes(20_000))
    scene.theirs.shutdown(1)
    scene.pass_time(0.5)
    assert not scene.top.ended
    scene.pass_time(5.0)
    assert scene.top.ended
    assert len(scene.top.got) == 20_000


def test_buffers_without_room_and_without_bytes_pass_nothing_and_cost_nothing() -> None:
    scene = Scene(download=RATE, upload=RATE)
    scene.ours.recv_into = len  # type: ignore[attr-defined]
    tokens = scene.rate.download.tokens, scene.rate.upload.tokens
    assert scene.throttle.recv_into(bytearray(0)) == 0
    with pytest.raises(BlockingIOError):
        scene.throttle.send(b"")  # as this wire says of nothing
    assert (scene.rate.download.tokens, scene.rate.upload.tokens) == tokens


def test_out_of_turn_what_the_one_below_does_not_take_is_given_back() -> None:
    scene = Scene(upload=RATE)
    before = scene.rate.upload.tokens
    scene.theirs.capacity = 300
    assert scene.throttle.send(bytes(1000)) == 300
    assert scene.rate.upload.tokens == before - 300
    with pytest.raises(BlockingIOError):
        scene.throttle.send(bytes(1000))
    assert scene.rate.upload.tokens == before - 300
    scene.ours.error = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        scene.throttle.sendmsg([bytes(10), bytes(10)])
    assert scene.rate.upload.tokens == before - 300


def test_several_parts_are_cut_where_the_allowance_ends() -> None:
    scene = Scene(upload=RATE)
    burst = int(scene.rate.upload.tokens)
    parts = [b"a" * 10, b"b" * (burst - 15), b"c" * 100, b"d" * 100]
    assert scene.throttle.sendmsg(parts) == burst
    assert bytes(scene.theirs.inbox) == b"".join(parts)[:burst]


def test_a_file_is_held_to_the_rate_too() -> None:
    scene = Scene(upload=RATE)
    asked: list[int] = []

    def sendfile(file: object, offset: int, count: int) -> int:
        asked.append(count)
        return count // 2

    scene.ours.sendfile = sendfile  # type: ignore[attr-defined]
    before = scene.rate.upload.tokens
    scene.throttle.sendfile(None, 0, 1 << 20)  # type: ignore[arg-type]
    assert asked == [int(before)]
    assert scene.rate.upload.tokens == before - asked[0] // 2


def serve_then(then: Any, **rates: float | None) -> Scene:
    """Have `then(scene)` called once from within a call for what came."""
    scene = Scene(**(rates or {"download": RATE, "upload": RATE}))
    done: list[bool] = []

    def once() -> None:
        if not done and scene.top.got:
            done.append(True)
            then(scene)

    scene.top.then = once
    scene.theirs.send(bytes(100_000))
    scene.pass_time(0.05)
    assert done
    return scene


def test_pausing_within_a_call_ends_its_reading_and_resuming_goes_on() -> None:
    def pause(scene: Scene) -> None:
        scene.top.wanted = 0

    scene = serve_then(pause)
    got = len(scene.top.got)
    scene.pass_time(1.0)
    assert len(scene.top.got) == got
    assert not scene.rate.download.waiting
    scene.top.wanted = READABLE
    scene.top.want()
    scene.pass_time(20.0)
    assert len(scene.top.got) == 100_000


def test_pausing_and_resuming_within_one_call_loses_no_byte() -> None:
    def flicker(scene: Scene) -> None:
        scene.throttle.want(0)
        scene.throttle.want(READABLE)

    scene = serve_then(flicker)
    scene.pass_time(20.0)
    assert len(scene.top.got) == 100_000


def test_another_rate_within_a_call_is_that_of_what_follows() -> None:
    def change(scene: Scene) -> None:
        scene.slow = RateLimit(scene.loop, download=1000.0)  # type: ignore[attr-defined]
        scene.throttle.change(scene.slow)  # type: ignore[attr-defined]

    scene = serve_then(change)
    assert not scene.rate.download.waiting
    got = len(scene.top.got)
    scene.pass_time(10.0)
    assert 9000 <= len(scene.top.got) - got <= 10_000 + 2048 + 1500


def test_to_another_rate_and_back_within_a_call_changes_nothing() -> None:
    def change(scene: Scene) -> None:
        scene.throttle.change(RateLimit(scene.loop, download=1000.0))
        scene.throttle.change(scene.rate)

    scene = serve_then(change)
    scene.pass_time(5.0)
    assert 0.9 * 5 * RATE <= len(scene.top.got) <= 5.2 * RATE + 2048


def test_no_rate_any_more_while_it_waits_lets_all_pass_at_once() -> None:
    scene = Scene(download=100.0)
    scene.theirs.send(bytes(100_000))
    scene.pass_time(0.5)
    assert scene.rate.download.waiting
    scene.throttle.change(None)
    assert not scene.rate.download.waiting
    scene.pass_time(0.05)
    assert len(scene.top.got) == 100_000
    scene.throttle.change(scene.rate)
    scene.theirs.send(bytes(100_000))
    scene.pass_time(1.0)
    assert len(scene.top.got) < 110_000


def test_no_rate_any_more_within_a_call() -> None:
    scene = serve_then(lambda scene: scene.throttle.change(None))
    scene.pass_time(0.05)
    assert len(scene.top.got) == 100_000
    assert not scene.rate.download.waiting


def test_the_end_within_a_call_leaves_nobody_waiting_and_nothing_due() -> None:
    def end(scene: Scene) -> None:
        scene.top.wanted = 0
        scene.throttle.lost()

    scene = serve_then(end)
    scene.pass_time(0.05)
    assert not scene.rate.download.waiting
    assert not scene.rate.upload.waiting
    scene.pass_time(1.0)
    assert not scene.loop.waiting


def test_whatever_is_done_at_whatever_time_all_bytes_pass_in_order_and_at_the_rate() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        scene = Scene(download=RATE, upload=RATE)
        other = RateLimit(scene.loop, download=RATE * 2, upload=RATE * 2)
        rates = [scene.rate, other, None]

        def act(chance: random.Random = chance, scene: Scene = scene, rates: Any = rates) -> None:
            what = chance.random()
            if what < 0.1:
                scene.throttle.change(chance.choice(rates))
            elif what < 0.2:
                scene.top.wanted = 0 if scene.top.ended else chance.choice((0, READABLE))

        scene.top.then = act
        sent = chance.randbytes(30_000)
        back = chance.randbytes(30_000)
        scene.theirs.send(sent)
        scene.theirs.shutdown(1)
        scene.top.to_send += back
        scene.top.want()
        for _ in range(100):
            scene.pass_time(0.05)
            act()
            scene.top.want()
        scene.top.then = lambda: None
        scene.throttle.change(scene.rate)
        scene.top.wanted = 0 if scene.top.ended else READABLE
        scene.top.want()
        scene.pass_time(8.0)
        assert scene.top.got == sent
        assert scene.top.ended
        assert bytes(scene.theirs.inbox) == back
        scene.top.wanted = 0
        scene.top.want()
        assert not scene.rate.download.waiting + other.download.waiting


# Over sockets.


def limited(raw_server: RawServer, connection: SingleSocket, rate: float) -> RateLimit:
    limit = RateLimit(raw_server, rate, rate)
    connection.rate = limit
    return limit


def moving() -> RawServer:
    config = Config(idle_timeout=None, write_stall_timeout=None)
    return RawServer(network=MovableClock(OsNetwork()), config=config)


def test_from_a_limited_context_to_one_without_limit_and_back() -> None:
    raw_server = moving()
    raw_server.add_context("slow", rate=RateLimit(raw_server, RATE, RATE))
    raw_server.add_context("free")
    connection, other = join(raw_server, Recorder(), callee := Recorder())
    connection.context = "slow"
    data = random.Random(1).randbytes(400_000)
    connection.write(data)
    pass_time(raw_server, 2.0, step=0.01)
    assert 1.8 * RATE <= len(callee.data) <= 3.3 * RATE
    connection.context = "free"
    run_until(raw_server, lambda: len(callee.data) == 400_000)
    connection.context = "slow"
    connection.write(data)
    pass_time(raw_server, 2.0, step=0.01)
    assert len(callee.data) <= 400_000 + 3.3 * RATE
    connection.context = None
    run_until(raw_server, lambda: len(callee.data) == 800_000)
    assert callee.data == data + data
    assert other.received == connection.sent == 800_000
    raw_server.close()


@pytest.mark.parametrize("way", ["close", "reset", "context", "loop"])
def test_one_that_ends_while_it_waits_is_told_once_and_leaves_the_limit(way: str) -> None:
    raw_server = moving()
    raw_server.add_context("a")
    connection, other = join(raw_server, caller := Recorder(), Recorder())
    connection.context = "a"
    limit = limited(raw_server, connection, 100.0)
    connection.write(bytes(100_000))
    other.write(bytes(100_000))
    run_until(raw_server, lambda: limit.upload.waiting and limit.download.waiting)
    if way == "context":
        raw_server.remove_context("a")
    elif way == "loop":
        raw_server.close()
    else:
        getattr(connection, way)()
    assert not limit.upload.waiting
    assert not limit.download.waiting
    if way != "loop":
        run_until(raw_server, lambda: other.lost)
        raw_server.close()
    assert caller.events.count("connection_lost") == 1
    assert connection.error is None


def test_closing_within_a_call_for_data_that_was_waited_for(raw_server: RawServer) -> None:
    caller = Recorder(data_came_in=lambda connection: connection.close())
    connection, other = join(raw_server, caller, Recorder())
    limit = limited(raw_server, connection, 1e6)
    other.write(bytes(200_000))
    run_until(raw_server, lambda: other.lost and "connection_lost" in caller.events)
    assert caller.events.count("data_came_in") == 1
    assert not limit.download.waiting


def test_what_is_closed_when_flushed_is_sent_at_the_rate_first() -> None:
    raw_server = moving()
    connection, _ = join(raw_server, Recorder(), callee := Recorder())
    limited(raw_server, connection, RATE)
    connection.write(bytes(30_000))
    connection.close_when_flushed()
    pass_time(raw_server, 1.0, step=0.01)
    assert "connection_lost" not in callee.events
    pass_time(raw_server, 10.0, step=0.01, until=lambda: "connection_lost" in callee.events)
    assert len(callee.data) == 30_000
    assert callee.connections[0].error is None
    raw_server.close()


def test_a_fault_of_a_handler_in_its_turn_ends_it_alone() -> None:
    raw_server = RawServer(errorfunc=lambda level, text: None)

    def fail(connection: SingleSocket) -> None:
        raise ValueError("of the handler")

    connection, other = join(raw_server, bad := Recorder(data_came_in=fail), Recorder())
    second, third = join(raw_server, good := Recorder(), Recorder())
    limit = limited(raw_server, connection, 1e6)
    second.rate = limit
    other.write(bytes(10))
    third.write(bytes(10))
    run_until(raw_server, lambda: "connection_lost" in bad.events and good.data)
    assert isinstance(connection.error, ValueError)
    assert second.connected
    raw_server.close()


def test_a_wire_may_be_slow_as_well() -> None:
    scene = Scene(upload=RATE)
    scene.ours.chance = random.Random(2)
    assert isinstance(scene.ours, MemoryWire)
    scene.top.to_send += bytes(20_000)
    scene.top.want()
    scene.pass_time(10.0)
    assert len(scene.theirs.inbox) == 20_000
