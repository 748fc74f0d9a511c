"""A soak: thousands of connections of one loop do everything at random, from a seed."""

from __future__ import annotations

import contextlib
import random
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rawserver import Config, Limits, RateLimit, RawServer, SingleSocket, TooManyConnections
from rawserver.engine.tls import TlsClient, TlsServer
from soak.sides import HEADER_SIZE, PATTERN, Caller, Door, Fault, Rude, Side

CONFIG = Config(
    idle_timeout=3.0, write_stall_timeout=1.5, timeout_check_interval=0.25, handshake_timeout=3.0,
    linger_timeout=0.5, accept_pause=0.05, high_water_mark=50_000, low_water_mark=10_000,
    write_buffer_limit=1_000_000, send_per_turn=100_000, read_size=20_000, max_half_open=200,
)  # fmt: skip
CONTEXTS = ["red", "green", "blue", "small"]
MOST_IN_SMALL = 20
# One act in so many raises instead.
FAULTS = 200
TICK_SECONDS = 0.005
STARTED_PER_TICK = 20
EXHAUSTION_SECONDS = 0.2
DRAIN_SECONDS = 0.6
# Reports of what is done here on purpose.
EXPECTED = ("cannot accept connections", "cannot take a connection")


class Soak:
    """What happens, and what must be so all the while."""

    def __init__(
        self, seed: int, most_callers: int, folder: Path, tls: tuple[TlsServer, TlsClient]
    ) -> None:
        self.random = random.Random(seed)
        self.most_callers = most_callers
        self.tls_server, self.tls_client = tls
        self.reports: list[str] = []
        self.raw_server = RawServer(config=CONFIG, errorfunc=self._report)
        # How often each thing was told, and done.
        self.told: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.sides: list[Side] = []
        self.callers = 0
        self.keys = 0
        self.ticks = self.most_live = 0
        self.calls_allowed = True
        self.active = True
        self.draining: set[str] = set()
        self.exhausted = False
        for context in CONTEXTS:
            self._add_context(context)
        rate = RateLimit(self.raw_server, 40e6, 40e6)
        self.rates = [rate, *(RateLimit(self.raw_server, parent=rate) for _ in range(3))]
        (folder / "pattern").write_bytes(PATTERN)
        self.file: Any = self.raw_server.network.disk.open(str(folder / "pattern"), "r")
        self.addresses = dict(self._doors(folder))

    def _report(self, level: int, text: str) -> None:
        if not text.endswith("soak.sides.Fault") and not text.startswith(EXPECTED):
            self.reports.append(text)

    def _add_context(self, context: str) -> None:
        most = MOST_IN_SMALL if context == "small" else None
        self.raw_server.add_context(context, max_connections=most)

    def _doors(self, folder: Path) -> Iterator[tuple[str, Any]]:
        raw_server = self.raw_server
        options: dict[str, dict[str, Any]] = {
            "plain": {"first_bytes_timeout": 1.0},
            "throttled": {"rate": self.rates[1]},
            "tls": {"tls": self.tls_server, "first_bytes_timeout": 1.0},
            "tls-throttled": {"tls": self.tls_server, "rate": self.rates[2]},
            "starttls": {},
            "proxy": {"proxy_protocol": True},
            "limited": {"limits": Limits(total=20, opening=5, refusal=b"", when_full="refuse")},
            "waiting": {"limits": Limits(total=20, when_full="wait")},
            "unix": {},
        }
        for kind, how in options.items():
            if kind == "unix":
                sock = raw_server.create_unixserversocket(str(folder / "socket"))
            else:
                sock = raw_server.create_serversocket(0, "127.0.0.1")
            raw_server.start_listening(sock, Door(self, starts_tls=kind == "starttls"), **how)
            yield kind, sock.getsockname()

    # Starting.

    def start(self) -> None:
        """Start one connection of some kind."""
        kind = self.random.choice(list(self.addresses))
        self.keys += 1
        rude = self.random.random() < 0.05
        caller = (Rude if rude else Caller)(self, self.keys)
        has_opening = kind.startswith(("tls", "starttls", "proxy"))
        speaks_tls = kind.startswith("tls") and not rude
        context = self.random.choice([None, *CONTEXTS])
        with self._no_calls():
            connection = self.raw_server.start_connection(
                self.addresses[kind],
                caller,
                context,
                tls=self.tls_client if speaks_tls else None,
            )
            caller.connection = connection
            self.callers += 1
            if kind == "proxy" and not rude:
                ip = f"192.0.2.{self.random.randrange(1, 255)}"
                connection.write(f"PROXY TCP4 {ip} 192.0.2.1 1 2\r\n".encode())
            if not rude and kind == "starttls":
                caller.starts_tls = True
            elif not rude:
                connection.write(self.keys.to_bytes(HEADER_SIZE))
            elif has_opening and self.random.random() < 0.7:
                connection.write(b"neither TLS nor a header" + self.random.randbytes(300))
            if self.random.random() < 0.05:
                connection.close()

    @contextlib.contextmanager
    def _no_calls(self) -> Iterator[None]:
        """Have it noticed if what is done here calls a handler."""
        before, self.calls_allowed = self.calls_allowed, False
        try:
            yield
        finally:
            self.calls_allowed = before

    def start_tls(self, side: Side) -> None:
        """Go on with TLS, and then say who it is."""
        connection = side.connection
        assert connection is not None
        with self._no_calls():
            if isinstance(side, Caller):
                self.raw_server.start_tls(connection, self.tls_client, server_name="127.0.0.1")
                connection.write(side.key.to_bytes(HEADER_SIZE))
            else:
                self.raw_server.start_tls(connection, self.tls_server)

    def ended(self, side: Side) -> None:
        """Note a side that is lost."""
        # The order does not matter, and searching would cost.
        last = self.sides.pop()
        if last is not side:
            self.sides[side.place] = last
            last.place = side.place

    # What is done to connections.

    def fail_at_random(self) -> None:
        """Raise, now and then."""
        if self.active and self.random.randrange(FAULTS) == 0:
            self.done["fault"] += 1
            raise Fault

    def act(self, side: Side) -> None:
        """Do one thing of all that can be done to a connection; nothing may call back."""
        if not self.active:
            return
        if self.random.random() < 0.5:
            with self._no_calls():
                self._act(side)
        self.fail_at_random()

    def _act(self, side: Side) -> None:
        connection = side.connection
        assert connection is not None
        acts = self.random.choices(
            ["write", "write_lent", "sendfile", "flood", "pause", "resume", "close",
             "close_when_flushed", "shutdown", "reset", "move", "rate"],
            [60, 10, 10, 0.3, 8, 16, 1, 2, 2, 1, 6, 3],
        )  # fmt: skip
        self.done[acts[0]] += 1
        if acts[0] in ("write", "write_lent", "sendfile", "flood"):
            self._send(acts[0], side, connection)
        elif acts[0] == "pause":
            connection.pause_reading()
            side.paused = True
        elif acts[0] == "resume":
            connection.resume_reading()
            side.paused = False
        elif acts[0] == "move":
            with contextlib.suppress(TooManyConnections):
                connection.context = self.random.choice([None, *CONTEXTS])
        elif acts[0] == "rate":
            connection.rate = self.random.choice([None, *self.rates])
        else:
            getattr(connection, acts[0])()

    def _send(self, how: str, side: Side, connection: SingleSocket) -> None:
        stream = side.sent
        if stream is None:
            return  # it does not know yet what to send
        count = self.random.choice([1, 10, 1000, 20_000, 90_000])
        if how == "flood":
            while not connection.lost and connection.buffered < 2 * 1_000_000:
                if not self._write(stream, connection, 500_000):
                    break
        elif how == "write":
            self._write(stream, connection, count)
        elif how == "write_lent":
            half = count // 2
            data = stream.peek(count)
            connection.write_lent([data[:half], b"", data[half:]])
            stream.position += count
        else:
            count = min(count, len(PATTERN) - stream.offset)
            connection.sendfile(self.file, stream.offset, count)
            stream.position += count

    def _write(self, stream: Any, connection: SingleSocket, count: int) -> bool:
        refused = connection.lost or connection._refuses
        connection.write(stream.peek(count))
        stream.position += count  # what is dropped at an end does not matter: nothing follows it
        return not refused

    # What is done to all.

    def tick(self) -> None:
        """Start some, prod some, and now and then do something to many at once."""
        if not self.active:
            return
        self.raw_server.add_task(self.tick, TICK_SECONDS)
        for _ in range(min(STARTED_PER_TICK, self.most_callers - self.callers)):
            self.start()
        count = len(self.sides)
        for side in self.random.sample(self.sides, min(count, 20 + count // 50)):
            with contextlib.suppress(Fault):
                self.act(side)
        self.ticks += 1
        if self.ticks % 40 == 10:
            self._remove_context()
        elif self.ticks % 60 == 25:
            self._drain()
        elif self.ticks % 80 == 45:
            self._exhaust()
        elif self.ticks % 20 == 15:
            rate = self.random.choice(self.rates)
            rate.set(upload=self.random.choice([None, 1e6, 40e6]), download=40e6)

    def _remove_context(self) -> None:
        self.done["remove_context"] += 1
        context = self.random.choice(CONTEXTS)
        with self._no_calls():
            self.raw_server.remove_context(context)
            self._add_context(context)

    def _drain(self) -> None:
        context = self.random.choice(CONTEXTS[:3])
        if context in self.draining:
            return
        self.done["drain"] += 1
        self.draining.add(context)
        end = self.raw_server.network.time() + DRAIN_SECONDS

        def over() -> None:
            self.draining.remove(context)
            assert self.raw_server.now < end + 5.0, "a drain that did not end in time"

        with self._no_calls():
            self.raw_server.drain(DRAIN_SECONDS, over, context)

    def _exhaust(self) -> None:
        """Let no descriptor be had for a while."""
        if self.exhausted:
            return
        self.done["exhaustion"] += 1
        self.exhausted = True
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Those that are open stay so.
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(self.raw_server.connections()) // 2, hard))

        def restore() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            self.exhausted = False

        self.raw_server.add_task(restore, EXHAUSTION_SECONDS)

    # What must be so.

    def check(self) -> None:
        """Check what is counted against what is there."""
        raw_server = self.raw_server
        assert not self.reports, self.reports[0]
        live = [one for one in raw_server.connections() if one.connected]
        self.most_live = max(self.most_live, len(live))
        assert raw_server.account.connections == len(live)
        told = {id(side.connection) for side in self.sides}
        assert {id(one) for one in live} <= told, "a connection whose handler does not know"
        by_context = Counter(one.context for one in live)
        for context, account in raw_server.accounts().items():
            assert account.connections == by_context[context]
        assert by_context["small"] <= MOST_IN_SMALL
        by_listener = Counter(one.listener for one in live)
        for listener in raw_server.listeners():
            admission = listener.admission
            assert listener.account.connections == by_listener[listener]
            assert admission.total == by_listener[listener] + admission.opening
            limit = listener.limits.total
            assert limit is None or admission.total <= limit
        statistics = raw_server.statistics()
        assert statistics.traffic.connections == len(live)
        assert statistics.half_open <= CONFIG.max_half_open
        if self.active:
            raw_server.add_task(self.check, 0.2)

    def calm_down(self) -> None:
        """Do nothing more, and let what waits go out."""
        self.active = False
        for rate in self.rates:
            rate.remove()
