import pytest

from rawserver.wire import peer_wire


def test_the_handshake_is_laid_out_as_bep_3_says() -> None:
    data = peer_wire.encode_handshake(b"h" * 20, b"p" * 20, b"\0\0\0\0\0\x10\0\1")
    assert data == b"\x13BitTorrent protocol" + b"\0\0\0\0\0\x10\0\1" + b"h" * 20 + b"p" * 20
    assert len(data) == peer_wire.HANDSHAKE_LENGTH


@pytest.mark.parametrize(("hash_length", "id_length"), [(19, 20), (20, 21), (0, 20)])
def test_a_handshake_of_wrong_parts_is_our_own_mistake(hash_length: int, id_length: int) -> None:
    with pytest.raises(ValueError, match="handshake"):
        peer_wire.encode_handshake(bytes(hash_length), bytes(id_length))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (peer_wire.KEEP_ALIVE, "00000000"),
        (peer_wire.CHOKE, "0000000100"),
        (peer_wire.UNCHOKE, "0000000101"),
        (peer_wire.INTERESTED, "0000000102"),
        (peer_wire.NOT_INTERESTED, "0000000103"),
        (peer_wire.encode_have(258), "000000050400000102"),
        (peer_wire.encode_bitfield(b"\xa0"), "0000000205a0"),
        (peer_wire.encode_request(1, 16384, 16384), "0000000d06000000010000400000004000"),
        (peer_wire.encode_piece_header(1, 16384, 16384), "00004009070000000100004000"),
        (peer_wire.encode_cancel(1, 16384, 16384), "0000000d08000000010000400000004000"),
        (peer_wire.encode_port(6881), "00000003091ae1"),
        (peer_wire.encode_unknown(20, b"\0de"), "0000000414006465"),
    ],
)
def test_messages_are_encoded_as_bep_3_says(data: bytes, expected: str) -> None:
    assert data.hex() == expected
