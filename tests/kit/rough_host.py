"""A simulated host whose program does everything at random that can be done with a RawServer."""

from __future__ import annotations

import errno
from typing import Any

from kit.exchange import HEADER_SIZE, End, Exchange, Oracle
from rawserver import Config, RateLimit, RawServer, SingleSocket
from rawserver.engine.task import Task
from rawserver.simulation.host import Host

CONFIG = Config(
    idle_timeout=12.0, timeout_check_interval=0.25, connect_timeout=6.0,
    connection_attempt_delay=0.1, write_stall_timeout=8.0, linger_timeout=1.0, accept_pause=0.1,
    read_size=20_000, high_water_mark=40_000, low_water_mark=5000, write_buffer_limit=300_000,
    send_per_turn=50_000, max_half_open=3,
)  # fmt: skip
CONTEXTS = ["red", "green"]
PLAIN_PORT, SLOW_PORT, CLOSED_PORT = 1000, 2000, 9
SLOW_RATE = 150e3
# What it starts in all.
MOST_STARTED = 12
# In a calm run a task is not late; a turn takes 10 µs.
LATE_SECONDS = 0.02


class RoughHost:
    """One process on one host; `reboot` makes another."""

    def __init__(self, oracle: Oracle, host: Host, names: list[str]) -> None:
        self.oracle = oracle
        self.host = host
        # Where the others are, by name and by address.
        self.names = names
        self.random = oracle.world.child_random(f"program {host.name} {oracle.world.now}")
        self.ends: list[End] = []
        # What was asked for and has not happened: work, letters.
        self.owed: dict[int, str] = {}
        self.started = self.tasks = 0
        self.active = True
        self.last_due = 0.0
        self.hurried_until = 0.0
        self.raw_server: RawServer = host.boot(self._begin, CONFIG)

    def _begin(self, raw_server: RawServer) -> None:
        self.raw_server = raw_server
        raw_server.errorfunc = self._report
        for context in CONTEXTS:
            raw_server.add_context(context)
        rate = RateLimit(raw_server, SLOW_RATE, SLOW_RATE)
        for port, limit in ((PLAIN_PORT, None), (SLOW_PORT, rate)):
            raw_server.start_listening(raw_server.create_serversocket(port), self, rate=limit)
        raw_server.add_task(self._tick)

    def _report(self, level: int, text: str) -> None:
        """Note that a fault was reported (promise 5), and that no other was."""
        if "Planned" in text:
            self.oracle.reported += 1
        else:
            self.oracle.check(text.startswith("cannot accept"), f"reported: {text}")

    def external_connection_made(self, connection: SingleSocket) -> None:
        end = self._make_end(None)
        connection.handler = end
        end.made(connection, "external_connection_made")

    def _make_end(self, exchange: Exchange | None) -> End:
        end = End(self.oracle, self.random, exchange)
        end.meddle, end.over = self._meddle, self.ends.remove
        self.ends.append(end)
        return end

    # What it does by itself.

    def _tick(self) -> None:
        self.oracle.told("a task")
        if not self.active:
            return
        self.raw_server.add_task(self._tick, self.random.uniform(0.02, 0.25))
        with self.oracle.no_calls():
            self._act(self.random.random())
        if self.random.random() < 0.02:
            self.oracle.raise_planned()

    def _act(self, chance: float) -> None:
        if self.started < MOST_STARTED and chance < 0.4:
            self.start()
        elif chance < 0.6:
            self._add_tasks()
        elif chance < 0.7:
            self._owe("work", lambda done: self.raw_server.start_work(len, ("",), done))
        elif chance < 0.8:
            self._owe("a letter", self.raw_server.external_add_task)
        elif chance < 0.85:
            self.oracle.world.schedule(
                self.random.uniform(0, 0.1),
                self._owe,
                "a letter",
                self.raw_server.external_add_task,
            )
        elif chance < 0.87:
            self._remove_context(self.random.choice(CONTEXTS))
        elif chance < 0.89:
            self._run_out_of_something()
        elif chance < 0.95 and not self.oracle.calm:
            self._be_busy()

    def start(self) -> None:
        """Start an exchange with another host."""
        self.started += 1
        key = len(self.oracle.exchanges)
        kinds = ["plain", "slow", "refused", "flood"]
        kind = self.random.choices(kinds, [8, 4, 2, 0.5])[0]
        exchange = self.oracle.exchanges[key] = Exchange(self.oracle, key, kind)
        end = self._make_end(exchange)
        end.key = key.to_bytes(HEADER_SIZE)
        ports = {"slow": SLOW_PORT, "refused": CLOSED_PORT}
        address = (self.random.choice(self.names), ports.get(kind, PLAIN_PORT))
        context = self.random.choice([None, *CONTEXTS])
        end.connection = self.raw_server.start_connection(address, end, context)

    def _add_tasks(self) -> None:
        """Add many tasks, and cancel most of them."""
        tasks: list[Task] = []
        for _ in range(40):
            delay = self.random.choice([0.0, self.random.uniform(0, 3)])
            self.tasks += 1
            holder: list[Task] = []
            task = self.raw_server.add_task(self._due, delay, (holder,))
            holder.append(task)
            tasks.append(task)
        for task in self.random.sample(tasks, 30):
            task.cancel()
        for task in tasks:
            if not task.cancelled:
                self.owed[id(task)] = f"a task due at {task.due:.3f}"

    def _due(self, holder: list[Task]) -> None:
        task = holder[0]
        now, check = self.oracle.world.now, self.oracle.check
        self.oracle.told("a task")
        owed = self.owed.pop(id(task), None)
        check(owed is not None, "a task was run that is cancelled, or was run before")
        check(now >= task.due, f"{owed} at {now:.3f}")
        check(task.due >= self.last_due, f"{owed} after one due at {self.last_due:.3f}")
        self.last_due = task.due
        if self.oracle.calm:
            check(now <= task.due + LATE_SECONDS, f"{owed}, late by {now - task.due:.3f}")

    def _owe(self, what: str, ask: Any) -> None:
        """Have something call back, which has to be soon."""
        if not self.active or self.raw_server not in self.host.raw_servers:
            return
        self.tasks += 1
        number = -self.tasks
        asked_at = self.oracle.world.now
        self.owed[number] = what

        def done(*args: object) -> None:
            self.oracle.told(what)
            self.oracle.check(self.owed.pop(number, None), f"{what} came twice")
            late = self.oracle.world.now - asked_at
            self.oracle.check(not self.oracle.calm or late < 0.5, f"{what} came {late:.3f} late")

        ask(done)

    def _remove_context(self, context: str) -> None:
        owned = [end for end in self.ends if end.connection and end.connection.context == context]
        for end in owned:
            self._disturb(end, "its context was removed")
        never = self.raw_server.add_task(
            self.oracle.check, 0.0, (False, "a task of a context that is no more"), context
        )
        self.raw_server.remove_context(context)
        check = self.oracle.check
        check(never.cancelled, f"a task outlived its context {context}")
        for end in owned:
            assert end.connection is not None
            check(end.connection.lost, f"it outlived its context {context}: {end}")
        self.raw_server.add_context(context)

    def _run_out_of_something(self) -> None:
        code = self.random.choice([errno.EMFILE, errno.ENOBUFS])
        fault = self.host.kernel.call_faults.add("accept", code)
        self.oracle.world.schedule(self.random.uniform(0.05, 0.5), fault.remove)

    def _be_busy(self) -> None:
        """Make no turn for a while: then much is ready in one, and much is done in it."""
        seconds = self.random.uniform(0.1, 1.0)
        self.host.pause()
        self.oracle.world.schedule(seconds, self.host.resume)
        self.hurried_until = self.oracle.world.now + seconds + 0.001

    # What it does to connections.

    def _meddle(self, end: End) -> None:
        # Before it is known which exchange an end is of, nobody could tell the other end's oracle.
        if not self.active or end.exchange is None:
            return
        chance = self.random.random()
        with self.oracle.no_calls():
            if chance < 0.06:
                self._pause(end)
            elif chance < (0.2 if self.oracle.world.now < self.hurried_until else 0.064):
                self._end_others()
            elif chance > 0.97 and end.connection is not None and not end.connection.lost:
                end.connection.context = self.random.choice([None, *CONTEXTS])
        if 0.5 < chance < 0.503:
            self._disturb(end, "planned")
            self.raw_server.add_task(self._look_at_lost, 0.0, (end,))
            self.oracle.raise_planned()

    def _look_at_lost(self, end: End) -> None:
        self.oracle.check(end.state == "lost", f"it survived a fault of its handler: {end}")

    def _pause(self, end: End) -> None:
        assert end.connection is not None
        if end.connection.lost or end.paused:
            return
        end.connection.pause_reading()
        end.paused = True
        self.raw_server.add_task(self._resume, self.random.choice([0.0, 0.05, 0.6]), (end,))

    def _resume(self, end: End) -> None:
        assert end.connection is not None
        end.paused = False
        end.connection.resume_reading()

    def _end_others(self) -> None:
        """End some in the next turn, in which they may be ready, and start others just then."""
        ends = self.random.sample(self.ends, min(3, len(self.ends)))
        self.raw_server.add_task(self._end_all, 0.0, (ends,))
        for _ in ends:
            self.start()

    def _end_all(self, ends: list[End]) -> None:
        for end in ends:
            if end.connection is not None and not end.connection.lost and end.exchange is not None:
                self._disturb(end, "ended")
                with self.oracle.no_calls():
                    getattr(end.connection, self.random.choice(["close", "reset"]))()

    def _disturb(self, end: End, why: str) -> None:
        if end.exchange is not None:
            end.exchange.disturb(why)

    # What must be so.

    @property
    def is_over(self) -> bool:
        """Whether it begins nothing more and nothing is left to happen."""
        return not (self.active or self.owed or any(not end.is_dead for end in self.ends))

    def look(self) -> None:
        """Check what must be so at any time."""
        for end in self.ends:
            connection = end.connection
            if connection is not None and not end.is_dead:
                most = CONFIG.write_buffer_limit or 0
                self.oracle.check(connection.buffered <= most, f"{connection.buffered} wait: {end}")

    def crashed(self) -> None:
        """Note that the process is no more."""
        self.active = False
        self.owed.clear()
        for end in self.ends:
            end.is_dead = True
            self._disturb(end, "crashed")

    def look_at_the_end(self) -> None:
        """Check that everything is over and nothing is left."""
        check = self.oracle.check
        check(not self.owed, f"{self.host.name} is owed {list(self.owed.values())[:3]}")
        left = self.raw_server.connections()
        check(not left, f"{self.host.name} has connections left: {left}")
        # Two listeners, a wake-up, and the reserve.
        descriptors = len(self.host.kernel.descriptors)
        check(descriptors <= 4, f"{self.host.name} has {descriptors} descriptors open")

    def end_in_the_midst(self) -> None:
        """End the loop while connections are being made and used (promise 8)."""
        for _ in range(4):
            self.start()
        for exchange in self.oracle.exchanges.values():
            exchange.disturb("the loop ends")
        self.oracle.world.schedule(self.random.uniform(0, 0.5), self.raw_server.doneflag.set)

    def look_at_what_is_closed(self) -> None:
        """Check that a loop that has ended told everybody and closed everything."""
        for end in self.ends:
            self.oracle.check(end.is_dead, f"the loop has ended, and nobody told {end}")
        descriptors = len(self.host.kernel.descriptors)
        self.oracle.check(not descriptors, f"{self.host.name} left {descriptors} descriptors")
