"""`rawserver simulate SCENARIO`: a program on a simulated internet, with many seeds."""

from __future__ import annotations

import click

from rawserver.cli.output import Output
from rawserver.cli.parameters import SOME_SECONDS, Parsed, json_option

# Without --seed.
DEFAULT_RUNS = 20


def parse_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of `3,7`, none for `none`; raises ValueError."""
    if text.strip().lower() == "none":
        return ()
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise ValueError(f"{text!r}: not numbers such as 3,7, nor 'none'")
    return tuple(sorted({int(word) for word in words}))


NUMBERS = Parsed("NUMBERS", parse_numbers)


@click.command(
    epilog="Examples: 'rawserver simulate my_scenario.py'  "
    "'rawserver simulate my_scenario.py:slow_link --runs 1000'  "
    "'rawserver simulate my_scenario.py --seed 17 --pcap out'"
)
@click.argument("scenario", required=False)
@click.option("--seed", type=click.IntRange(0), help="The first seed.  [default: 0]")
@click.option(
    "--runs",
    type=click.IntRange(1),
    help=f"How many seeds.  [default: {DEFAULT_RUNS}; 1 with --seed]",
)
@click.option("--jobs", type=click.IntRange(1, 1024), help="Processes.  [default: one per core]")
@click.option("--hosts", type=click.IntRange(1), help="Given to scenarios that take `hosts`.")
@click.option("--twice", is_flag=True, help="Run each seed in two processes and compare.")
@click.option(
    "--shrink/--no-shrink",
    default=True,
    show_default=True,
    help="Leave out the faults that a failure does not need.",
)
@click.option("--keep-going", is_flag=True, help="Run all seeds, whatever fails.")
@click.option("--faults", type=NUMBERS, help="Of the chaos' faults only these, such as 3,7; none.")
@click.option("--timeout", type=SOME_SECONDS, help="Real time after which a run has failed.")
@click.option(
    "--pcap",
    metavar="DIR",
    help="Write what each host sends and receives; of many runs, that which failed.",
)
@click.option("--timeline", metavar="FILE", help="Write all that happens as JSON lines; likewise.")
@click.option("--plot", metavar="FILE", help="Draw a swarm as PNG or SVG: the first good run.")
@json_option
def simulate(
    scenario: str | None,
    seed: int | None,
    runs: int | None,
    jobs: int | None,
    hosts: int | None,
    twice: bool,
    shrink: bool,
    keep_going: bool,
    faults: tuple[int, ...] | None,
    timeout: float | None,
    pcap: str | None,
    timeline: str | None,
    plot: str | None,
    json_lines: bool,
) -> int:
    """Run SCENARIO on a simulated internet, with many seeds on all cores.

    SCENARIO is a Python file (its function `scenario`, or FILE:NAME), or the name of a built-in
    one; without it these are listed. The first failure is made as small as it gets and told, with
    the command that replays it. Exits with 0 if no seed failed, with 1 if one did.
    """
    from rawserver.cli.simulate_run import SimulateRun, Simulation, list_scenarios

    output = Output(json_lines)
    if scenario is None:
        list_scenarios(output)
        return 0
    simulation = Simulation(
        scenario,
        seed=seed or 0,
        runs=runs or (DEFAULT_RUNS if seed is None else 1),
        jobs=jobs,
        hosts=hosts,
        twice=twice,
        shrink=shrink,
        keep_going=keep_going,
        faults=faults,
        timeout=timeout,
        pcap=pcap,
        timeline=timeline,
        plot=plot,
    )
    return SimulateRun(output, simulation).run()
