import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.peer_id import client_name, make_peer_id


def test_our_peer_id_names_us() -> None:
    peer_id = make_peer_id(b"0123456789ab")
    assert peer_id == b"-RW0100-0123456789ab"
    assert client_name(peer_id) == "RawServer 0.1"


@pytest.mark.parametrize("length", [0, 11, 13])
def test_a_peer_id_takes_twelve_random_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="12 random bytes"):
        make_peer_id(bytes(length))


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"-TR4050-", "Transmission 4.0.5"),
        (b"-qB4650-", "qBittorrent 4.6.5"),
        (b"-LT20B0-", "libtorrent 2.0.11"),
        (b"-lt0D80-", "libTorrent (rakshasa) 0.13.8"),
        (b"-DE2110-", "Deluge 2.1.1"),
        (b"-UT3550-", "uTorrent 3.5.5"),
        (b"A2-1-37-0-", "aria2 1.37.0"),
        (b"-ZZ1000-", "ZZ 1.0"),
        (b"M4-0-3--", "BitTorrent 4.0.3"),
        (b"M4-20-8-", "BitTorrent 4.20.8"),
        (b"M4-x-3--", "unknown (M4-x-3--)"),
        (b"A2-1-36-", "unknown (A2-1-36-)"),
        (b"M4-0-", "unknown (M4-0-...)"),
        (b"\x00\xff\x1b[31m!", "unknown (...[31m!)"),
        (b"-\xb50100x-", "unknown (-.0100x-)"),
    ],
)
def test_well_known_programs_are_named(start: bytes, name: str) -> None:
    assert client_name(start + bytes(12)) == name


def test_no_peer_id_is_unknown() -> None:
    assert client_name(b"") == "unknown"


@given(st.binary(max_size=20))
def test_whatever_a_peer_sends_can_be_printed(peer_id: bytes) -> None:
    name = client_name(peer_id)
    assert name.isascii()
    assert name.isprintable()
    assert 0 < len(name) <= 40
