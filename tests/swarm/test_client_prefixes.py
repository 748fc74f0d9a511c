import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.client_prefixes import ClientPrefixes, parse_client_prefixes
from rawserver.wire.list_lines import ListError

TRANSMISSION = b"-TR3000-abcdefghijkl"
QBITTORRENT = b"-qB4500-abcdefghijkl"


def test_a_peer_id_is_in_it_by_its_beginning() -> None:
    prefixes = ClientPrefixes([b"-TR", b"-qB46", b"-TR"])
    assert len(prefixes) == 2
    assert TRANSMISSION in prefixes
    assert QBITTORRENT not in prefixes
    assert "-TR" not in prefixes
    assert TRANSMISSION not in ClientPrefixes()


def test_what_every_peer_id_begins_with_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        ClientPrefixes([b""])


def test_a_list() -> None:
    prefixes = parse_client_prefixes(b"\xef\xbb\xbf-TR # Transmission\r\n-qB45\r\nM7-")
    assert len(prefixes) == 3
    assert QBITTORRENT in prefixes
    assert b"M7-10-5-abcdefghijkl" in prefixes


@pytest.mark.parametrize("line", ["-TRé", "x" * 21, "-T\x01R"])
def test_what_no_peer_id_begins_with_is_said(line: str) -> None:
    with pytest.raises(ListError, match="is no beginning of a peer id") as caught:
        parse_client_prefixes(f"-TR\n\n{line}".encode())
    assert caught.value.line == 3


@given(st.binary(max_size=100))
def test_random_bytes_are_a_list_or_a_list_error(data: bytes) -> None:
    try:
        parse_client_prefixes(data)
    except ListError:
        pass
