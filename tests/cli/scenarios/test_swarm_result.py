import json
from math import inf

from rawserver.cli.scenarios.swarm_result import PeerResult, SwarmResult, result_of
from rawserver.simulation.scenario import Result

RESULT = SwarmResult(
    name="test",
    size=1024,
    seconds=30.0,
    peers=(
        PeerResult("seed-0", "seed", 0.0, True, 3072, 0),
        PeerResult("peer-1", "peer", 20.0, False, 1024, 1024),
        PeerResult("peer-2", "peer", 10.0, False, 0, 1024),
        PeerResult("rider-3", "rider", None, False, 0, 512),
    ),
    facts=(("liars", "3"),),
)


def test_completions_rise_over_time_and_leave_seeds_out() -> None:
    assert RESULT.completions() == [(10.0, 1 / 3), (20.0, 2 / 3)]


def test_shares_and_medians_are_of_a_kind() -> None:
    assert RESULT.share_of_uploads("seed") == 0.75
    assert RESULT.share_of_uploads("rider") == 0.0
    assert RESULT.median_seconds() == 15.0
    assert RESULT.median_seconds("rider") == inf


def test_nothing_that_was_uploaded_has_no_shares() -> None:
    assert SwarmResult("none", 1, 0.0, ()).share_of_uploads("seed") == 0.0


def test_it_is_told_as_a_table_with_facts_below() -> None:
    assert RESULT.with_facts(("bans", "2")).lines() == [
        "peer     complete after  downloaded  uploaded",
        "seed-0   from the start         0 B   3.0 KiB",
        "peer-1          20.00 s     1.0 KiB   1.0 KiB",
        "peer-2          10.00 s     1.0 KiB       0 B",
        "rider-3           never       512 B       0 B",
        "liars: 3",
        "bans: 2",
    ]


def test_it_goes_through_json() -> None:
    assert result_of(json.loads(json.dumps(RESULT.as_dict()))) == RESULT


def test_the_simulator_takes_it_for_a_result() -> None:
    assert isinstance(RESULT, Result)
