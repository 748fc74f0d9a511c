from kit.tracker_files import Files, verdict
from rawserver.services.tracker.client_ids import ClientIdList, ClientIds
from rawserver.swarm.client_prefixes import ClientPrefixes

TRANSMISSION = b"-TR3000-abcdefghijkl"
OLD_TRANSMISSION = b"-TR2940-abcdefghijkl"


def test_only_programs_that_are_allowed_may() -> None:
    gate = ClientIds(ClientPrefixes([b"-TR"]))
    assert verdict(gate, peer_id=TRANSMISSION) is None
    assert verdict(gate) == "this program may not be used here: XX 0.0.0.1"
    odd = verdict(gate, peer_id=b"\n" * 20)
    assert odd == "this program may not be used here: unknown (........)"


def test_a_version_can_be_denied_of_one_that_is_allowed() -> None:
    gate = ClientIds(ClientPrefixes([b"-TR"]), ClientPrefixes([b"-TR2"]))
    assert verdict(gate, peer_id=TRANSMISSION) is None
    assert verdict(gate, peer_id=OLD_TRANSMISSION) is not None


def test_without_a_list_of_what_is_allowed_all_others_may() -> None:
    gate = ClientIds(denied=ClientPrefixes([b"-TR"]))
    assert verdict(gate) is None
    assert verdict(gate, peer_id=TRANSMISSION) is not None
    assert verdict(ClientIds()) is None


def test_lists_count_as_they_are_now() -> None:
    files = Files(list=b"-TR # all versions\n")
    listed = files.follow(ClientIdList)
    gate = ClientIds(listed)
    assert len(listed) == 1
    assert verdict(gate, peer_id=TRANSMISSION) is None
    files.put("list", b"-XX\n")
    files.wait()
    assert verdict(gate, peer_id=TRANSMISSION) is not None
    assert verdict(gate) is None
