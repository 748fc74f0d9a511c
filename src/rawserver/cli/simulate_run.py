"""What `rawserver simulate` does: gives out seeds, waits for what comes of them, tells it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import Any

from rawserver.cli.command_error import CommandError, Interrupted, describe
from rawserver.cli.output import Output
from rawserver.cli.scenario_source import built_in_scenarios
from rawserver.cli.session import Session
from rawserver.cli.simulate_worker import worker_command
from rawserver.cli.simulation_plot import check_plot, write_plot
from rawserver.cli.simulation_process import SimulationProcess
from rawserver.cli.simulation_report import (
    describe_failure,
    describe_progress,
    describe_run,
    describe_runs,
    failure_event,
    run_event,
)
from rawserver.simulation.outcome import Outcome, outcome_of

DRAW_SECONDS = 0.25
# Of a limit, so much at the least is for a process to begin: Python has to, and many may at once.
BEGIN_SECONDS = 10.0
# A scenario that cannot be had is wrong usage.
REFUSED_EXIT_CODE = 2


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is to be run, as the options say."""

    scenario: str
    seed: int = 0
    runs: int = 1
    jobs: int | None = None
    hosts: int | None = None
    twice: bool = False
    shrink: bool = True
    keep_going: bool = False
    faults: tuple[int, ...] | None = None
    timeout: float | None = None
    pcap: str | None = None
    timeline: str | None = None
    plot: str | None = None


def list_scenarios(output: Output) -> None:
    """Tell which scenarios are built in."""
    scenarios = built_in_scenarios()
    for name, description in scenarios.items():
        output.event({"event": "scenario", "name": name, "description": description})
        output.text(f"{name:24} {description}")
    if not scenarios:
        output.text("no scenario is built in; give a Python file with a function `scenario(world)`")
    output.close()


class SimulateRun:
    """One run of the command: all seeds, then what there is to do for the first that failed.

    Raises CommandError for a plot that cannot be had.
    """

    def __init__(self, output: Output, simulation: Simulation) -> None:
        if simulation.plot is not None:
            check_plot(simulation.plot)
        self._output = output
        self._simulation = simulation
        self._session = Session(output)
        self._processes: list[SimulationProcess] = []
        self._next = simulation.seed
        self._end = simulation.seed + simulation.runs
        self._outcomes: dict[int, Outcome] = {}
        self._failed: dict[int, Outcome] = {}
        # How the two runs of a seed differ, or that its process died: nothing to shrink.
        self._broken: set[int] = set()
        self._shrinking_runs = 0
        self._started_at = self._session.now
        self._is_finishing = False
        self._was_interrupted = False

    def run(self) -> int:
        """Return the exit code; raises CommandError when the scenario cannot be had."""
        self._session.soon(self._start)
        self._session.every(DRAW_SECONDS, self._look)
        try:
            self._session.run(self._interrupted)
        finally:
            for process in self._processes:
                process.end()
            self._session.raw_server.close()
        if self._was_interrupted:
            raise Interrupted
        return 1 if self._failed else 0

    def _start(self) -> None:
        simulation = self._simulation
        jobs = simulation.jobs or _cores()
        for _ in range(min(jobs, simulation.runs)):
            self._add_process()

    def _add_process(self) -> None:
        command = worker_command(self._simulation.scenario, self._simulation.hosts)
        session = self._session
        try:
            process = SimulationProcess(
                session.raw_server, session, command, self._replied, self._ended
            )
        except OSError as error:
            raise CommandError(f"a process cannot be started: {describe(error)}") from error
        self._processes.append(process)

    # What comes back.

    def _replied(self, process: SimulationProcess, reply: dict[str, Any]) -> None:
        self._session.guarded(self._take_reply)(process, reply)

    def _take_reply(self, process: SimulationProcess, reply: dict[str, Any]) -> None:
        if "refused" in reply:
            raise CommandError(reply["refused"], REFUSED_EXIT_CODE)
        if "outcome" in reply:
            outcome = outcome_of(reply["outcome"])
            request = reply["request"]
            if request.get("then") == "shrunk":
                self._shrinking_runs = reply["shrinking_runs"]
                self._record(process, outcome)
                return
            if request.get("then") == "recorded":
                self._tell_failure(outcome)
                return
            self._take_outcome(outcome, reply["divergence"])
        self._give(process)

    def _take_outcome(self, outcome: Outcome, divergence: str = "") -> None:
        if divergence:
            self._broken.add(outcome.seed)
            outcome = _failure(outcome, f"NotDeterministic: {divergence}")
        self._outcomes[outcome.seed] = outcome
        if not outcome.passed:
            self._failed[outcome.seed] = outcome
        self._output.event(run_event(outcome))
        if self._simulation.runs == 1 and outcome.passed:
            for line in describe_run(outcome):
                self._output.text(line)
        elif not outcome.passed and self._simulation.runs > 1:
            self._output.note(f"seed {outcome.seed} failed: {outcome.error}")

    def _ended(self, process: SimulationProcess, why: str) -> None:
        if not self._session.raw_server.doneflag.is_set():
            self._session.guarded(self._take_end)(process, why)

    def _take_end(self, process: SimulationProcess, why: str) -> None:
        self._processes.remove(process)
        request = process.request
        limit = self._limit_of(process)
        if limit is not None and self._session.now - process.asked_at >= limit:
            why = f"no end within {limit:g} s of real time"
        if not process.is_ready:
            text = f"{self._simulation.scenario}: cannot be imported: {why}"
            raise CommandError(text, REFUSED_EXIT_CODE)
        if request is None:
            self._output.note(f"a process that had nothing to do died: {why}")
            return
        seed = request["seed"]
        if request.get("then"):
            # Shrinking runs the scenario in ways in which it was not run before.
            self._output.note(f"seed {seed}: the process that looked into it died: {why}")
            self._tell_failure(self._failed.get(seed) or self._outcomes[seed])
            return
        self._broken.add(seed)
        self._take_outcome(Outcome(seed, False, f"ProcessDied: {why}", kept=request["kept"]))
        # Another one takes its place: it is given a seed, or what is left to be done.
        self._add_process()

    # What is to be done.

    def _give(self, process: SimulationProcess) -> None:
        simulation = self._simulation
        goes_on = not self._failed or simulation.keep_going
        if self._next < self._end and goes_on:
            kept = simulation.faults
            process.ask({"seed": self._next, "kept": kept, "twice": simulation.twice})
            self._next += 1
        elif not any(one.request for one in self._processes) and not self._is_finishing:
            self._is_finishing = True
            self._look_into(process)

    def _look_into(self, process: SimulationProcess) -> None:
        """Shrink the first failure, record it, tell it."""
        if not self._failed:
            if self._simulation.runs == 1:
                self._record(process, self._outcomes[self._simulation.seed])
                return
            self._finish()
            return
        failure = self._failed[min(self._failed)]
        can_shrink = failure.seed not in self._broken and failure.happened()
        if self._simulation.shrink and can_shrink:
            request = {"seed": failure.seed, "failure": failure.as_dict(), "then": "shrunk"}
            process.ask(request)
        else:
            self._record(process, failure)

    def _record(self, process: SimulationProcess, outcome: Outcome) -> None:
        simulation = self._simulation
        if simulation.pcap is None and simulation.timeline is None:
            self._tell_failure(outcome)
            return
        if outcome.seed in self._broken:
            self._output.note(f"seed {outcome.seed} cannot be recorded")
            self._tell_failure(outcome)
            return
        process.ask(
            {
                "seed": outcome.seed,
                "kept": outcome.kept,
                "pcap": simulation.pcap,
                "timeline": simulation.timeline,
                "then": "recorded",
            }
        )

    def _tell_failure(self, outcome: Outcome) -> None:
        if not outcome.passed:
            replay = self._replay(outcome)
            runs = self._shrinking_runs
            self._output.event(failure_event(outcome, replay, runs))
            for line in describe_failure(outcome, replay, runs):
                self._output.text(line)
        self._finish()

    def _replay(self, outcome: Outcome) -> list[str]:
        simulation = self._simulation
        words = ["rawserver", "simulate", simulation.scenario, "--seed", str(outcome.seed)]
        if simulation.hosts is not None:
            words += ["--hosts", str(simulation.hosts)]
        if outcome.kept is not None:
            words += ["--faults", ",".join(map(str, outcome.kept)) or "none"]
        if simulation.twice:
            words += ["--twice"]
        if simulation.timeout is not None:
            words += ["--timeout", f"{simulation.timeout:g}"]
        return words

    def _finish(self) -> None:
        outcomes, failed = list(self._outcomes.values()), sorted(self._failed)
        seconds = self._session.now - self._started_at
        self._output.event({"event": "done", "runs": len(outcomes), "failed": failed})
        self._output.live.clear()
        if self._simulation.runs > 1:
            recorded = self._simulation.pcap or self._simulation.timeline
            self._output.text(describe_runs(outcomes, self._simulation.runs, seconds))
            if not failed and recorded:
                self._output.note(f"nothing failed: {recorded} is not written")
        if self._simulation.plot is not None and not self._was_interrupted:
            self._plot(self._simulation.plot)
        self._session.finish()

    def _plot(self, path: str) -> None:
        in_order = sorted(self._outcomes.values(), key=lambda one: one.seed)
        seed = write_plot(path, in_order, lambda outcome: shlex.join(self._replay(outcome)))
        self._output.note(f"{path}: seed {seed}")

    # Meanwhile.

    def _limit_of(self, process: SimulationProcess) -> float | None:
        """Return how long a process may take for what it does; None for ever."""
        limit, request = self._simulation.timeout, process.request
        if limit is None:
            return None
        if not process.is_ready:
            return max(limit, BEGIN_SECONDS)
        # Shrinking is many runs.
        return limit if request is not None and request.get("then") != "shrunk" else None

    def _end_the_late(self) -> None:
        for process in self._processes:
            limit = self._limit_of(process)
            if limit is not None and process.limit(limit):
                # One at a time: each writes where it was.
                return

    def _look(self) -> None:
        self._end_the_late()
        now, live = self._session.now, self._output.live
        if live.shown:
            live.draw(
                describe_progress(
                    self._simulation.scenario,
                    len(self._outcomes),
                    self._simulation.runs,
                    now - self._started_at,
                    self._running(),
                )
            )

    def _running(self) -> list[int]:
        return sorted(one.request["seed"] for one in self._processes if one.request)

    def _interrupted(self) -> None:
        running = ", ".join(map(str, self._running()))
        self._output.live.clear()
        if running:
            self._output.note(f"seeds that were running: {running}")
        self._was_interrupted = True
        self._is_finishing = True
        if self._failed:
            self._tell_failure(self._failed[min(self._failed)])
        else:
            self._finish()


def _failure(outcome: Outcome, error: str) -> Outcome:
    """Return the outcome as a failure of the whole run, not of a line in it."""
    fields = {**outcome.as_dict(), "passed": False, "error": error, "where": "", "traceback": ""}
    return outcome_of(fields)


def _cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
