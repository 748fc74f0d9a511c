"""A process that runs seeds of one scenario: asked and answering in lines of JSON.

It is asked for runs on what was stdin, and answers on what was stdout: a scenario that reads finds
nothing, and what it prints goes to stderr. When nobody is left to ask it ends, in the middle of a
run too. SIGTERM ends it as well, and has it say on stderr where it was.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, TextIO

from rawserver.cli.scenario_source import find_scenario
from rawserver.simulation.determinism import compare_timelines
from rawserver.simulation.outcome import Outcome, outcome_of
from rawserver.simulation.runner import run_seed
from rawserver.simulation.scenario import Scenario, ScenarioError, takes_hosts
from rawserver.simulation.shrink import shrink

HASH_SEEDS = ("1", "2")


def worker_command(scenario: str, hosts: int | None) -> list[str]:
    """Return the command line of a worker."""
    settings = json.dumps({"scenario": scenario, "hosts": hosts})
    return [sys.executable, "-m", "rawserver.cli.simulate_worker", settings]


class Worker:
    """Answers requests for one scenario.

    A request has a `seed`, may have `kept` faults, `timeline` and `pcap` to be written, `twice`,
    and the `failure` that is to be shrunk.
    """

    def __init__(self, scenario: Scenario, hosts: int | None, twin: Twin) -> None:
        self._scenario = scenario
        self._hosts = hosts
        self._twin = twin

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what came of a request: an `outcome`, or why it is `refused`."""
        try:
            if request.get("failure"):
                return self._shrink(request)
            outcome = self._run(request)
        except OSError as error:
            return {"refused": f"{error.filename}: {error.strerror}"}
        divergence = self._compare(request, outcome) if request.get("twice") else ""
        return {"outcome": outcome.as_dict(), "divergence": divergence}

    def _run(self, request: dict[str, Any]) -> Outcome:
        return run_seed(
            self._scenario,
            request["seed"],
            hosts=self._hosts,
            kept=request.get("kept"),
            timeline=request.get("timeline"),
            pcap=request.get("pcap"),
        )

    def _shrink(self, request: dict[str, Any]) -> dict[str, Any]:
        failure = outcome_of(request["failure"])
        shrunk = shrink(self._scenario, failure.seed, hosts=self._hosts, failure=failure)
        return {"outcome": shrunk.outcome.as_dict(), "shrinking_runs": shrunk.runs}

    def _compare(self, request: dict[str, Any], outcome: Outcome) -> str:
        """Return how a run in another process differs, "" if it does not."""
        plain = {"seed": request["seed"], "kept": request.get("kept")}
        other = self._twin.ask(plain)
        if other is None:
            return "the process of its second run died"
        if other.trace_hash == outcome.trace_hash and other.error == outcome.error:
            return ""
        with TemporaryDirectory() as folder:
            here, there = f"{folder}/here", f"{folder}/there"
            self._run({**plain, "timeline": here})
            self._twin.ask({**plain, "timeline": there})
            found = compare_timelines(here, there)
        if found is not None:
            return str(found)
        return f"one run ended with {outcome.error!r}, the other with {other.error!r}"


class Twin:
    """Another worker, whose strings have other hashes: what is in the order of a set is seen."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    def ask(self, request: dict[str, Any]) -> Outcome | None:
        """Return the outcome of a request; None if it died of that."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            self.end()
            return None
        return outcome_of(json.loads(line)["outcome"])

    def _start(self) -> subprocess.Popen[str]:
        here = os.environ.get("PYTHONHASHSEED")
        other = HASH_SEEDS[1] if here == HASH_SEEDS[0] else HASH_SEEDS[0]
        process = self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": other},
        )
        assert process.stdout is not None
        process.stdout.readline()  # that it is ready
        return process

    def end(self) -> None:
        """End its process."""
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None


def serve(settings: dict[str, Any], requests: Iterable[str], replies: TextIO) -> None:
    """Say whether the scenario can be had, and then answer each request."""

    def reply(fields: dict[str, Any]) -> None:
        replies.write(json.dumps(fields) + "\n")
        replies.flush()

    hosts = settings["hosts"]
    try:
        scenario = find_scenario(settings["scenario"])
        if hosts is not None and not takes_hosts(scenario):
            raise ScenarioError(f"{settings['scenario']}: the scenario takes no number of hosts")
    except ScenarioError as error:
        reply({"refused": str(error)})
        return
    reply({"ready": True})
    twin = Twin(worker_command(settings["scenario"], hosts))
    worker = Worker(scenario, hosts, twin)
    try:
        for line in requests:
            reply(worker.answer(json.loads(line)))
    finally:
        twin.end()


def lines_while_asked(requests: TextIO) -> Iterator[str]:
    """Return the lines as they come; the process exits at their end, whatever it is doing."""
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in requests:
            lines.put(line)
        # A run that finds no end would go on without anybody to wait for it.
        os._exit(0)

    Thread(target=read, daemon=True).start()
    return iter(lines.get, None)


def main() -> None:
    """Be a worker until stdin ends."""
    faulthandler.register(signal.SIGTERM, all_threads=False, chain=True)
    requests = open(os.dup(0), encoding="utf-8")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    with open(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)
        serve(json.loads(sys.argv[1]), lines_while_asked(requests), replies)


if __name__ == "__main__":
    main()
