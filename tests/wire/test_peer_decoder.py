from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire import peer_wire
from rawserver.wire.peer_decoder import MAX_BLOCK_LENGTH, MAX_MESSAGE_LENGTH, PeerDecoder
from rawserver.wire.peer_wire import Message, PeerProtocolError

HANDSHAKE = peer_wire.encode_handshake(b"h" * 20, b"p" * 20)
BLOCK = bytes(range(256)) * 64
CONVERSATION: list[tuple[bytes, Message]] = [
    (HANDSHAKE, peer_wire.Handshake(b"h" * 20, b"p" * 20, bytes(8))),
    (peer_wire.encode_bitfield(b"\xf0\x80"), peer_wire.Bitfield(b"\xf0\x80")),
    (peer_wire.UNCHOKE, peer_wire.Unchoke()),
    (peer_wire.INTERESTED, peer_wire.Interested()),
    (peer_wire.KEEP_ALIVE, peer_wire.KeepAlive()),
    (peer_wire.encode_request(7, 0, 16384), peer_wire.Request(7, 0, 16384)),
    (peer_wire.encode_piece_header(3, 16384, len(BLOCK)) + BLOCK,
     peer_wire.Piece(3, 16384, memoryview(BLOCK))),
    (peer_wire.encode_have(2**32 - 1), peer_wire.Have(2**32 - 1)),
    (peer_wire.encode_piece_header(3, 0, 1) + b"x", peer_wire.Piece(3, 0, memoryview(b"x"))),
    (peer_wire.encode_cancel(7, 0, 16384), peer_wire.Cancel(7, 0, 16384)),
    (peer_wire.encode_port(6881), peer_wire.Port(6881)),
    (peer_wire.encode_unknown(20, b"\0d1:md11:ut_metadatai1eee"),
     peer_wire.Unknown(20, b"\0d1:md11:ut_metadatai1eee")),
    (peer_wire.encode_unknown(14, b""), peer_wire.Unknown(14, b"")),
    (peer_wire.NOT_INTERESTED, peer_wire.NotInterested()),
    (peer_wire.CHOKE, peer_wire.Choke()),
]  # fmt: skip
STREAM = b"".join(data for data, _ in CONVERSATION)


def plain(messages: list[Message]) -> list[tuple[object, ...]]:
    """Messages with their kind, and with blocks copied out, to compare and to keep."""
    return [
        (type(message), *(bytes(field) if isinstance(field, memoryview) else field
                          for field in message))
        for message in messages
    ]  # fmt: skip


EXPECTED = plain([message for _, message in CONVERSATION])


def feed_in_chunks(data: bytes, borders: list[int]) -> list[tuple[object, ...]]:
    decoder = PeerDecoder()
    found: list[tuple[object, ...]] = []
    for start, stop in pairwise([0, *borders, len(data)]):
        found += plain(decoder.feed(data[start:stop]))
    return found


def test_a_conversation_fed_whole() -> None:
    assert plain(PeerDecoder().feed(STREAM)) == EXPECTED


def test_a_conversation_fed_byte_by_byte() -> None:
    assert feed_in_chunks(STREAM, list(range(1, len(STREAM)))) == EXPECTED


@pytest.mark.parametrize("count", range(1, len(CONVERSATION)))
def test_a_message_comes_out_with_its_last_byte_and_not_before(count: int) -> None:
    end = sum(len(data) for data, _ in CONVERSATION[:count])
    decoder = PeerDecoder()
    assert plain(decoder.feed(STREAM[: end - 1])) == EXPECTED[: count - 1]
    assert plain(decoder.feed(STREAM[end - 1 : end])) == [EXPECTED[count - 1]]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_chunk_borders_mean_nothing(borders: list[int]) -> None:
    assert feed_in_chunks(STREAM, borders) == EXPECTED


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_fed(kind: type) -> None:
    assert plain(PeerDecoder().feed(kind(STREAM))) == EXPECTED


def test_a_block_that_is_whole_in_the_chunk_is_not_copied() -> None:
    chunk = bytearray(peer_wire.encode_piece_header(0, 0, 16384) + BLOCK)
    (piece,) = PeerDecoder(handshake=False).feed(chunk)
    assert isinstance(piece, peer_wire.Piece)
    chunk[13] = 0x5A
    assert piece.block[0] == 0x5A


def test_a_block_split_between_chunks_is_the_decoders_own() -> None:
    data = peer_wire.encode_piece_header(0, 0, 16384) + BLOCK
    receive_buffer = bytearray(data[:5000])
    decoder = PeerDecoder(handshake=False)
    assert decoder.feed(memoryview(receive_buffer)) == []
    receive_buffer[:] = bytes(5000)
    (piece,) = decoder.feed(data[5000:])
    assert isinstance(piece, peer_wire.Piece)
    assert piece.block == BLOCK


def test_an_empty_chunk_changes_nothing() -> None:
    decoder = PeerDecoder()
    assert decoder.feed(b"") == []
    assert plain(decoder.feed(STREAM)) == EXPECTED
    assert decoder.feed(b"") == []


@pytest.mark.parametrize("stranger", [b"G", b"\x13BitTorrent protocoL", b"\x12", b"\0\0\0\0"])
def test_a_stranger_is_known_by_the_first_wrong_byte(stranger: bytes) -> None:
    with pytest.raises(PeerProtocolError, match="does not speak"):
        PeerDecoder().feed(stranger)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\2\0", "choke message of 2 bytes, not 1"),
        (b"\0\0\0\4\4", "have message of 4 bytes, not 5"),
        (b"\0\0\0\x0c\6", "request message of 12 bytes, not 13"),
        (b"\0\0\0\x0e\x08", "cancel message of 14 bytes, not 13"),
        (b"\0\0\0\1\x09", "port message of 1 bytes, not 3"),
        (b"\0\0\0\x09\7", "block of 0 bytes"),
        (b"\0\0\0\1\7", "block of -8 bytes"),
        (peer_wire.encode_piece_header(0, 0, MAX_BLOCK_LENGTH + 1), "block of 131073 bytes"),
        (b"\xff\xff\xff\xff\x07", "block of"),
        (b"\xff\xff\xff\xff\x14", "message of 4294967295 bytes"),
        ((MAX_MESSAGE_LENGTH + 1).to_bytes(4, "big") + b"\x05", "bitfield of"),
    ],
)
def test_a_malformed_message_is_refused_by_its_first_five_bytes(data: bytes, reason: str) -> None:
    with pytest.raises(PeerProtocolError, match=reason):
        PeerDecoder(handshake=False).feed(data)
    decoder = PeerDecoder(handshake=False)
    decoder.feed(data[:4])
    with pytest.raises(PeerProtocolError, match=reason):
        decoder.feed(data[4:])


def test_the_largest_block_passes() -> None:
    data = peer_wire.encode_piece_header(1, 2, MAX_BLOCK_LENGTH) + bytes(MAX_BLOCK_LENGTH)
    (piece,) = PeerDecoder(handshake=False).feed(data)
    assert isinstance(piece, peer_wire.Piece)
    assert len(piece.block) == MAX_BLOCK_LENGTH


def test_the_number_of_pieces_bounds_a_bitfield() -> None:
    decoder = PeerDecoder()
    decoder.feed(HANDSHAKE)
    decoder.num_pieces = 9
    assert decoder.feed(peer_wire.encode_bitfield(b"\xff\x80")) == [peer_wire.Bitfield(b"\xff\x80")]
    with pytest.raises(PeerProtocolError, match="3 bytes where 2 are enough"):
        decoder.feed(peer_wire.encode_bitfield(bytes(3)))


def test_a_bitfield_that_began_before_the_number_of_pieces_was_known_is_bounded_too() -> None:
    data = peer_wire.encode_bitfield(bytes(100))
    decoder = PeerDecoder()
    decoder.feed(HANDSHAKE + data[:50])
    decoder.num_pieces = 800
    assert decoder.feed(data[50:60]) == []
    assert decoder.missing == len(data) - 60
    decoder.num_pieces = 9
    with pytest.raises(PeerProtocolError, match="100 bytes where 2 are enough"):
        decoder.feed(data[60:61])


def test_a_fault_raises_at_once_whatever_came_before_it() -> None:
    with pytest.raises(PeerProtocolError):
        PeerDecoder().feed(STREAM + b"\0\0\0\2\0")


def test_many_requests_in_one_chunk() -> None:
    data = b"".join(peer_wire.encode_request(index, 0, 16384) for index in range(200))
    expected = [peer_wire.Request(index, 0, 16384) for index in range(200)]
    assert PeerDecoder(handshake=False).feed(data + b"\0\0") == expected


@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_rubbish_gives_messages_or_a_protocol_error(chunks: list[bytes], greeted: bool) -> None:
    decoder = PeerDecoder(8, handshake=not greeted)
    received = 0
    with suppress(PeerProtocolError):  # any other exception fails the test
        for chunk in chunks:
            received += len(chunk)
            assert len(decoder.feed(chunk)) <= received // 4


@given(st.data())
def test_rubbish_with_plausible_lengths_reads_the_same_in_any_chunks(data: st.DataObject) -> None:
    message = st.tuples(st.integers(0, 20), st.binary(max_size=20)).map(
        lambda pair: peer_wire.encode_unknown(*pair)
    )
    stream = b"".join(data.draw(st.lists(message, max_size=8)))
    border = data.draw(st.integers(0, len(stream)))

    def outcome(chunks: list[bytes]) -> object:
        decoder = PeerDecoder(handshake=False)
        try:
            return [plain(decoder.feed(chunk)) for chunk in chunks]
        except PeerProtocolError as error:
            return str(error)

    whole, split = outcome([stream]), outcome([stream[:border], stream[border:]])
    if isinstance(whole, list) and isinstance(split, list):
        assert split[0] + split[1] == whole[0]
    else:
        assert whole == split


def test_what_a_message_lacks_is_known_from_its_fifth_byte_on() -> None:
    decoder = PeerDecoder(handshake=False)
    message = peer_wire.encode_piece_header(1, 0, 16384) + bytes(16384)
    assert decoder.missing == 0
    decoder.feed(message[:4])
    assert decoder.missing == 0
    decoder.feed(message[4:5])
    assert decoder.missing == len(message) - 5
    decoder.feed(message[5:-1])
    assert decoder.missing == 1
    (piece,) = decoder.feed(message[-1:] + peer_wire.KEEP_ALIVE[:2])
    assert isinstance(piece, peer_wire.Piece)
    assert decoder.missing == 0
    decoder.feed(peer_wire.KEEP_ALIVE[2:] + message[:100])
    assert decoder.missing == len(message) - 100
    decoder.feed(message[100:] + b"\0\0\0\5\x14x")  # one that only its own parser knows
    assert decoder.missing == 3
    assert PeerDecoder().missing == 0
