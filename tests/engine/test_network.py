from rawserver.engine.network import READABLE, WRITABLE, Network, SocketAddress
from rawserver.engine.os_network import OsNetwork


def test_the_real_network_has_all_that_is_asked_of_one() -> None:
    network = OsNetwork()
    names = {name for name in vars(Network) if not name.startswith("_")}
    names |= set(Network.__annotations__)
    assert {"time", "disk", "random", "sendfile"} <= names
    assert not {name for name in names if not hasattr(network, name)}


def test_the_bits_of_events_are_apart() -> None:
    assert READABLE & WRITABLE == 0


def test_an_address_is_what_connect_takes_and_its_family() -> None:
    assert SocketAddress(2, ("1.2.3.4", 5)) == (2, ("1.2.3.4", 5))
