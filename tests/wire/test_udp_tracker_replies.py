from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.announce_response import (
    MAX_INTERVAL_SECONDS,
    MAX_PEERS,
    AnnounceResponse,
)
from rawserver.wire.compact_peers import Peer, pack_peers
from rawserver.wire.udp_tracker_replies import (
    MAX_ERROR_LENGTH,
    ScrapedNumbers,
    UdpAnnounceReply,
    UdpConnectReply,
    UdpError,
    UdpScrapeReply,
    decode_udp_reply,
    encode_udp_announce_reply,
    encode_udp_connect_reply,
    encode_udp_error,
    encode_udp_scrape_reply,
)

CID, TID = b"connecti", b"tran"
NUMBER = st.integers(0, 2**32 - 1)
PEERS_4 = (Peer("192.0.2.7", 6881), Peer("198.51.100.1", 1))
PEERS_6 = (Peer("2001:db8::1", 6881), Peer("2001:db8::2", 65535))


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=8, max_size=8))
def test_a_connection_id_that_is_encoded_is_decoded(tid: bytes, cid: bytes) -> None:
    data = encode_udp_connect_reply(tid, cid)
    assert data == bytes(4) + tid + cid
    assert decode_udp_reply(data) == UdpConnectReply(tid, cid)
    assert decode_udp_reply(data + b"tail") == UdpConnectReply(tid, cid)


@given(st.integers(1, MAX_INTERVAL_SECONDS), NUMBER, NUMBER)
def test_peers_that_are_encoded_are_decoded(interval: int, incomplete: int, complete: int) -> None:
    for peers, family, length in ((PEERS_4, 0, 4), (PEERS_6, 1, 16), ((), 0, 4)):
        packed = pack_peers(peers)[family]
        data = encode_udp_announce_reply(TID, interval, incomplete, complete, packed)
        assert decode_udp_reply(data, length) == UdpAnnounceReply(
            TID,
            AnnounceResponse(interval, peers=peers, complete=complete, incomplete=incomplete),
        )


def test_peers_have_the_offsets_of_the_proposal() -> None:
    data = encode_udp_announce_reply(TID, 1800, 7, 9, pack_peers(PEERS_4)[0])
    assert data[:4] == b"\0\0\0\1"
    assert data[4:8] == TID
    assert data[8:20] == bytes.fromhex("00000708 00000007 00000009")
    assert data[20:26] == b"\xc0\0\2\7\x1a\xe1"
    assert len(data) == 20 + 2 * 6


@given(st.lists(st.builds(ScrapedNumbers, NUMBER, NUMBER, NUMBER), max_size=74))
def test_numbers_that_are_encoded_are_decoded(torrents: list[ScrapedNumbers]) -> None:
    data = encode_udp_scrape_reply(TID, torrents)
    assert decode_udp_reply(data) == UdpScrapeReply(TID, tuple(torrents))


def test_numbers_have_the_offsets_of_the_proposal() -> None:
    data = encode_udp_scrape_reply(TID, [ScrapedNumbers(1, 2**40, 3)])
    assert data == b"\0\0\0\2" + TID + b"\0\0\0\1" + b"\xff" * 4 + b"\0\0\0\3"


def test_a_refusal_that_is_encoded_is_decoded() -> None:
    data = encode_udp_error(TID, "the swarm is full")
    assert data == b"\0\0\0\3" + TID + b"the swarm is full"
    assert decode_udp_reply(data + b"\0") == UdpError(TID, "the swarm is full")
    assert len(encode_udp_error(TID, "x" * 1000)) == 8 + MAX_ERROR_LENGTH
    assert decode_udp_reply(data[:8]) == UdpError(TID, "the tracker gives no reason")
    assert decode_udp_reply(data[:8] + b"a\r\n\x1b[2J\xff") == UdpError(TID, "a   [2J�")


@pytest.mark.parametrize(
    "data",
    [
        encode_udp_connect_reply(TID, CID),
        encode_udp_announce_reply(TID, 1, 2, 3, b"\1\2\3\4\0\5"),
        encode_udp_scrape_reply(TID, [ScrapedNumbers(1, 2, 3)]),
    ],
    ids=["connect", "announce", "scrape"],
)
def test_a_reply_that_is_cut_short_is_refused_wherever_it_is_cut(data: bytes) -> None:
    # No numbers, or no peers, are a whole reply.
    whole = {len(data), 8 if data[3] == 2 else 20}
    for length in set(range(len(data))) - whole:
        with pytest.raises(AnnounceError, match=r"cut short|at least 8|whole number of peers"):
            decode_udp_reply(data[:length])


def test_an_absurd_interval_is_brought_within_bounds() -> None:
    for interval, taken in ((0, 1), (2**32 - 1, MAX_INTERVAL_SECONDS)):
        reply = decode_udp_reply(encode_udp_announce_reply(TID, interval, 0, 0, b""))
        assert isinstance(reply, UdpAnnounceReply)
        assert reply.response.interval == taken


def test_more_peers_than_anybody_dials_are_left_off() -> None:
    packed = b"\1\2\3\4\0\5" * (MAX_PEERS + 1)
    reply = decode_udp_reply(encode_udp_announce_reply(TID, 1, 0, 0, packed))
    assert isinstance(reply, UdpAnnounceReply)
    assert len(reply.response.peers) == MAX_PEERS


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(AnnounceError, match="no action 4"):
        decode_udp_reply(b"\0\0\0\4" + TID)


@given(st.integers(0, 4), st.binary(max_size=200), st.sampled_from([4, 16]))
def test_any_rubbish_is_read_or_refused(action: int, rubbish: bytes, address_length: int) -> None:
    with suppress(AnnounceError):
        decode_udp_reply(action.to_bytes(4, "big") + rubbish, address_length)
