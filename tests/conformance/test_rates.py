"""Rate limits hold in both directions, through backpressure alone, and are shared fairly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.clock import pass_time
from kit.files import opened
from kit.joined import Joiner, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RateLimit, RawServer, SingleSocket

RATE = 400_000
# Well under a tenth of a second, which is what a bucket holds.
STEP = 0.005
CHUNK = b"x" * 20_000
# Of what passes in a second, as of time, the last piece may lie on either side.
TOLERANCE = 0.15


class Pump(Recorder):
    """Writes whenever it may."""

    def external_connection_made(self, connection: SingleSocket) -> None:
        super().external_connection_made(connection)
        self.fill(connection)

    def connection_made(self, connection: SingleSocket) -> None:
        super().connection_made(connection)
        self.fill(connection)

    def connection_flushed(self, connection: SingleSocket) -> None:
        self.fill(connection)

    def fill(self, connection: SingleSocket) -> None:
        while connection.write(CHUNK):
            pass


class Sink(Recorder):
    """Forgets what it gets: `received` counts it."""

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        pass


def call(
    raw_server: RawServer, port: int, handler: Any, context: Any = None, **options: Any
) -> SingleSocket:
    connection = raw_server.start_connection(("127.0.0.1", port), handler, context, **options)
    run_until(raw_server, lambda: connection.connected)
    return connection


def per_second(
    raw_server: RawServer, *counts: Callable[[], int], seconds: float = 1.0
) -> list[float]:
    """Measure, after what may pass at once after a rest."""
    pass_time(raw_server, 0.3, step=STEP)
    before, began = [count() for count in counts], raw_server.network.time()
    pass_time(raw_server, seconds, step=STEP)
    lasted = raw_server.network.time() - began
    return [(count() - old) / lasted for count, old in zip(counts, before, strict=True)]


def soon_passes(raw_server: RawServer, count: Callable[[], int]) -> bool:
    """Tell whether what would take two seconds by the rate passes in a fifth of one."""
    enough = count() + 2 * RATE
    pass_time(raw_server, 0.2, step=STEP, until=lambda: count() >= enough)
    return count() >= enough


def about(rate: float) -> Any:
    return pytest.approx(rate, rel=TOLERANCE)


def received(handler: Recorder) -> Callable[[], int]:
    return lambda: sum(connection.received for connection in handler.connections)


def test_what_comes_in_keeps_to_the_rate_of_the_listener(clocked_server: RawServer) -> None:
    callee = Sink()
    port = listen(clocked_server, callee, rate=RateLimit(clocked_server, download=RATE))
    call(clocked_server, port, Pump())
    assert per_second(clocked_server, received(callee)) == [about(RATE)]


def test_what_goes_out_keeps_to_it(clocked_server: RawServer) -> None:
    caller = Sink()
    port = listen(clocked_server, Pump(), rate=RateLimit(clocked_server, upload=RATE))
    call(clocked_server, port, caller)
    assert per_second(clocked_server, received(caller)) == [about(RATE)]


def test_one_direction_does_not_limit_the_other(clocked_server: RawServer) -> None:
    caller, callee = Sink(), Pump()
    port = listen(clocked_server, callee, rate=RateLimit(clocked_server, upload=RATE))
    connection = call(clocked_server, port, caller)
    pass_time(clocked_server, 0.3, step=STEP)
    connection.write_lent([CHUNK] * 100)
    assert per_second(clocked_server, received(caller)) == [about(RATE)]
    assert callee.connection.received == 100 * len(CHUNK)


def test_both_directions_at_once(clocked_server: RawServer) -> None:
    caller, callee = Pump(), Pump()
    rate = RateLimit(clocked_server, download=RATE, upload=RATE / 2)
    call(clocked_server, listen(clocked_server, callee, rate=rate), caller)
    rates = per_second(clocked_server, received(caller), received(callee))
    assert rates == [about(RATE / 2), about(RATE)]


def test_a_connection_that_we_start_may_have_a_limit(clocked_server: RawServer) -> None:
    callee = Sink()
    connection = clocked_server.start_connection(
        ("127.0.0.1", listen(clocked_server, callee)), Pump()
    )
    connection.rate = RateLimit(clocked_server, upload=RATE)
    run_until(clocked_server, lambda: callee.connections)
    assert per_second(clocked_server, received(callee)) == [about(RATE)]


def test_who_is_held_back_does_not_queue_in_memory(clocked_server: RawServer) -> None:
    """A slow reader's bytes stay with the writer, whose `write` says so."""
    callee, caller = Sink(), Recorder()
    port = listen(clocked_server, callee, rate=RateLimit(clocked_server, download=RATE))
    connection = call(clocked_server, port, caller)
    most = clocked_server.config.high_water_mark + 2 * len(CHUNK)
    while connection.write(CHUNK):
        pass  # the system takes some
    pass_time(clocked_server, 0.2, step=STEP)
    while connection.write(CHUNK):
        pass
    assert clocked_server.config.high_water_mark < connection.buffered <= most
    before = connection.buffered
    pass_time(clocked_server, 0.1, step=STEP)
    assert 0 < connection.buffered <= before
    assert "connection_flushed" not in caller.events[-1:]


def test_a_writer_that_is_limited_hears_when_to_go_on(clocked_server: RawServer) -> None:
    caller, callee = Recorder(), Sink()
    connection = call(clocked_server, listen(clocked_server, callee), caller)
    connection.rate = RateLimit(clocked_server, upload=RATE)
    while connection.write(CHUNK):
        pass
    high = clocked_server.config.high_water_mark
    assert high < connection.buffered <= high + len(CHUNK)
    assert "connection_flushed" not in caller.events
    pass_time(clocked_server, 5.0, step=STEP, until=lambda: "connection_flushed" in caller.events)
    assert connection.is_flushed()


def test_two_connections_of_one_limit_have_equal_shares(clocked_server: RawServer) -> None:
    callee = Sink()
    port = listen(clocked_server, callee, rate=RateLimit(clocked_server, download=RATE))
    for _ in range(2):
        call(clocked_server, port, Pump())
    one, other = callee.connections
    rates = per_second(clocked_server, lambda: one.received, lambda: other.received)
    assert rates == [about(RATE / 2)] * 2


def test_two_contexts_have_equal_shares_whatever_they_have_of_connections(
    clocked_server: RawServer,
) -> None:
    process = RateLimit(clocked_server, upload=RATE)
    callee = Sink()
    port = listen(clocked_server, callee)
    groups: list[list[SingleSocket]] = []
    for context, count in (("one", 1), ("five", 5)):
        clocked_server.add_context(context, rate=RateLimit(clocked_server, parent=process))
        groups.append([call(clocked_server, port, Pump(), context) for _ in range(count)])
    sent = [lambda group=group: sum(one.sent for one in group) for group in groups]
    assert per_second(clocked_server, *sent) == [about(RATE / 2)] * 2
    single = [lambda one=one: one.sent for one in groups[1]]
    assert per_second(clocked_server, *single, seconds=2.0) == [about(RATE / 10)] * 5


def test_what_one_context_does_not_use_is_the_others(clocked_server: RawServer) -> None:
    process = RateLimit(clocked_server, upload=RATE)
    port = listen(clocked_server, Sink())
    clocked_server.add_context("idle", rate=RateLimit(clocked_server, parent=process))
    clocked_server.add_context("busy", rate=RateLimit(clocked_server, parent=process))
    call(clocked_server, port, Recorder(), "idle")
    busy = call(clocked_server, port, Pump(), "busy")
    assert per_second(clocked_server, lambda: busy.sent) == [about(RATE)]


def test_a_connection_that_changes_its_context_changes_its_rate(clocked_server: RawServer) -> None:
    port = listen(clocked_server, Sink())
    for context, rate in (("slow", RATE / 4), ("fast", RATE)):
        clocked_server.add_context(context, rate=RateLimit(clocked_server, upload=rate))
    connection = call(clocked_server, port, Pump(), "slow")
    assert per_second(clocked_server, lambda: connection.sent) == [about(RATE / 4)]
    connection.context = "fast"
    assert per_second(clocked_server, lambda: connection.sent) == [about(RATE)]


def test_it_may_be_changed_and_removed_while_bytes_wait(clocked_server: RawServer) -> None:
    callee = Sink()
    rate = RateLimit(clocked_server, download=RATE)
    call(clocked_server, listen(clocked_server, callee, rate=rate), Pump())
    assert per_second(clocked_server, received(callee)) == [about(RATE)]
    rate.set(download=RATE / 4)
    assert per_second(clocked_server, received(callee)) == [about(RATE / 4)]
    rate.remove()
    assert soon_passes(clocked_server, received(callee))


def test_a_connections_own_limit_may_be_taken_away(clocked_server: RawServer) -> None:
    connection = call(clocked_server, listen(clocked_server, Sink()), Pump())
    connection.rate = RateLimit(clocked_server, upload=RATE)
    assert per_second(clocked_server, lambda: connection.sent) == [about(RATE)]
    connection.rate = None
    assert soon_passes(clocked_server, lambda: connection.sent)


def test_the_limit_of_all_holds_those_that_are_there_already(clocked_server: RawServer) -> None:
    callee = Sink()
    port = listen(clocked_server, callee)
    call(clocked_server, port, Pump())
    clocked_server.rate.set(download=RATE)
    call(clocked_server, port, Pump())
    assert per_second(clocked_server, received(callee)) == [about(RATE)]


def test_with_tls_on_top_it_holds_too(
    clocked_server: RawServer, tls_server: Any, tls_client: Any
) -> None:
    caller, callee = Pump(), Pump()
    rate = RateLimit(clocked_server, download=RATE, upload=RATE)
    port = listen(clocked_server, callee, rate=rate, tls=tls_server)
    call(clocked_server, port, caller, tls=tls_client)
    rates = per_second(clocked_server, received(caller), received(callee))
    assert rates == [about(RATE)] * 2


def test_a_limited_connection_of_which_nothing_is_wanted_costs_nothing(
    clocked_server: RawServer,
) -> None:
    callee = Sink()
    rate = RateLimit(clocked_server, RATE, RATE)
    connection = call(clocked_server, listen(clocked_server, callee, rate=rate), Recorder())
    connection.write(CHUNK)
    pass_time(clocked_server, 1.0, step=STEP, until=lambda: callee.connection.received == 20_000)
    pass_time(clocked_server, 0.5, step=STEP)
    before = len(clocked_server.tasks)
    pass_time(clocked_server, 2.0, step=STEP)
    assert len(clocked_server.tasks) == before
    assert rate.download.waiting == rate.upload.waiting == 0


def test_what_is_limited_arrives_whole_and_the_end_after_it(
    clocked_server: RawServer, join: Joiner
) -> None:
    caller, callee = Recorder(), Recorder()
    connection, other = join(clocked_server, caller, callee)
    connection.rate = RateLimit(clocked_server, upload=4 * RATE)
    other.rate = RateLimit(clocked_server, download=2 * RATE)
    data = bytes(range(250)) * 2000
    connection.write(data)
    connection.close_when_flushed()
    pass_time(clocked_server, 5.0, step=STEP, until=lambda: "connection_lost" in callee.events)
    assert callee.data == data
    assert other.error is None


def test_one_that_ends_waits_for_no_turn(clocked_server: RawServer) -> None:
    """Else the tree would fill with those that went."""
    rate = RateLimit(clocked_server, RATE, RATE)
    port = listen(clocked_server, Pump(), rate=rate)
    connection = call(clocked_server, port, Pump())
    pass_time(
        clocked_server,
        1.0,
        step=STEP,
        until=lambda: rate.upload.waiting and rate.download.waiting,
    )
    assert rate.upload.waiting == rate.download.waiting == 1
    for one in clocked_server.connections():
        one.close()
    assert connection.lost
    assert rate.upload.waiting == rate.download.waiting == 0


def test_a_limit_that_is_set_in_a_handshake_holds_after_it(
    clocked_server: RawServer, tls_server: Any, tls_client: Any
) -> None:
    caller, callee = Pump(), Sink()
    connection = clocked_server.start_connection(
        ("127.0.0.1", listen(clocked_server, callee)), Recorder()
    )
    run_until(clocked_server, lambda: callee.connections and connection.connected)
    clocked_server.start_tls(connection, tls_client, server_name="localhost")
    clocked_server.start_tls(callee.connection, tls_server)
    connection.rate = RateLimit(clocked_server, upload=RATE)
    callee.connection.rate = RateLimit(clocked_server, download=RATE * 2)
    run_until(clocked_server, lambda: "tls_started" in callee.events)
    connection.handler = caller
    caller.fill(connection)
    assert per_second(clocked_server, received(callee)) == [about(RATE)]


def test_files_and_lent_memory_are_limited_as_all_else(
    clocked_server: RawServer, join: Joiner, tmp_path: Path
) -> None:
    file = opened(clocked_server.network.disk, tmp_path / "a", CHUNK * 30)
    callee = Sink()
    connection, other = join(clocked_server, Recorder(), callee)
    connection.rate = RateLimit(clocked_server, upload=RATE)
    connection.sendfile(file, 0, len(CHUNK) * 30)
    assert per_second(clocked_server, received(callee)) == [about(RATE)]
    pass_time(clocked_server, 2.0, step=STEP, until=connection.is_flushed)
    connection.write_lent([CHUNK] * 30)
    assert per_second(clocked_server, received(callee)) == [about(RATE)]
    pass_time(clocked_server, 2.0, step=STEP, until=lambda: other.received == 60 * len(CHUNK))
    assert other.received == 60 * len(CHUNK)
    file.close()


def test_a_unix_sockets_connections_are_limited_too(
    clocked_server: RawServer, tmp_path: Path
) -> None:
    callee = Sink()
    sock = clocked_server.create_unixserversocket(str(tmp_path / "s"))
    clocked_server.start_listening(sock, callee, rate=RateLimit(clocked_server, download=RATE))
    clocked_server.start_connection(str(tmp_path / "s"), Pump())
    run_until(clocked_server, lambda: callee.connections)
    assert per_second(clocked_server, received(callee)) == [about(RATE)]


def test_a_limited_reader_may_pause_and_go_on(clocked_server: RawServer, join: Joiner) -> None:
    callee = Sink()
    connection, other = join(clocked_server, Pump(), callee)
    other.rate = RateLimit(clocked_server, download=RATE)
    pass_time(clocked_server, 0.5, step=STEP)
    other.pause_reading()
    before = other.received
    pass_time(clocked_server, 1.0, step=STEP)
    assert other.received == before
    other.resume_reading()
    assert per_second(clocked_server, received(callee)) == [about(RATE)]
    assert connection.connected
