from kit.tracker_files import ASKER, Files, verdict
from rawserver.services.tracker.address_list import AddressList, DeniedAddresses
from rawserver.services.tracker.asker import Asker
from rawserver.swarm.address_set import AddressSet, address_range


def test_who_is_on_a_list_is_refused_as_it_is_now() -> None:
    files = Files(list=b"203.0.113.0/24\n2001:db8::/32\n")
    listed = files.follow(AddressList)
    gate = DeniedAddresses(listed)
    assert len(listed) == 2
    assert ASKER.ip in listed
    assert verdict(gate) == "your address is refused here"
    assert gate.refuses(bytes.fromhex("20010db8") + bytes(12))
    assert verdict(gate, Asker(bytes([203, 0, 114, 9]))) is None
    files.put("list", b"")
    files.wait()
    assert verdict(gate) is None
    assert not gate.refuses(ASKER.ip)


def test_several_lists_and_sets_are_one() -> None:
    gate = DeniedAddresses(AddressSet(), AddressSet([address_range("203.0.113.9")]))
    assert gate.refuses(ASKER.ip)
    assert not DeniedAddresses().refuses(ASKER.ip)
