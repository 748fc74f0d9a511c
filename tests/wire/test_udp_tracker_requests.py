from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.announce_request import MAX_COUNT, AnnounceError, AnnounceRequest, Event
from rawserver.wire.udp_tracker_requests import (
    ANNOUNCE_LENGTH,
    EVENTS,
    MAX_SCRAPE_HASHES,
    UdpAnnounce,
    UdpConnect,
    UdpScrape,
    decode_udp_request,
    encode_udp_announce,
    encode_udp_connect,
    encode_udp_scrape,
)

CID, TID = b"connecti", b"tran"
HASH, PEER_ID = bytes(range(100, 120)), b"-RW0100-abcdefghijkl"
REQUEST = AnnounceRequest(
    HASH, PEER_ID, 0x1AE1, 3, 1, 2, Event.STARTED, 50, key=b"DEADBEEF", ip="192.0.2.7"
)

announces = st.builds(
    AnnounceRequest,
    info_hash=st.binary(min_size=20, max_size=20),
    peer_id=st.binary(min_size=20, max_size=20),
    port=st.integers(0, 65535),
    uploaded=st.integers(0, MAX_COUNT),
    downloaded=st.integers(0, MAX_COUNT),
    left=st.integers(0, MAX_COUNT),
    event=st.sampled_from(EVENTS),
    numwant=st.none() | st.integers(0, 2**31 - 1),
    key=st.just(b"") | st.integers(1, 2**32 - 1).map(lambda number: b"%08X" % number),
    compact=st.just(True),
    no_peer_id=st.just(False),
    tracker_id=st.just(b""),
    ip=st.just("") | st.ip_addresses(v=4).map(str).filter(lambda ip: ip != "0.0.0.0"),
    ipv4=st.just(b""),
    ipv6=st.just(b""),
)
paths = st.text(st.characters(max_codepoint=127), max_size=600)


@given(announces, paths)
def test_an_announce_that_is_encoded_is_decoded(announce: AnnounceRequest, path: str) -> None:
    data = encode_udp_announce(CID, TID, announce, path)
    assert decode_udp_request(data) == UdpAnnounce(CID, TID, announce, path)


@given(st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=MAX_SCRAPE_HASHES))
def test_a_scrape_that_is_encoded_is_decoded(hashes: list[bytes]) -> None:
    data = encode_udp_scrape(CID, TID, hashes)
    assert decode_udp_request(data) == UdpScrape(CID, TID, tuple(hashes))


def test_connect_has_the_bytes_of_the_proposal() -> None:
    data = encode_udp_connect(TID)
    assert data == bytes.fromhex("0000 0417 2710 1980 0000 0000") + TID
    assert decode_udp_request(data) == UdpConnect(TID)
    assert decode_udp_request(data + b"tail") == UdpConnect(TID)


def test_an_announce_has_the_offsets_of_the_proposal() -> None:
    data = encode_udp_announce(CID, TID, REQUEST)
    assert len(data) == ANNOUNCE_LENGTH
    assert data[:8] == CID
    assert data[8:12] == b"\0\0\0\1"
    assert data[12:16] == TID
    assert data[16:36] == HASH
    assert data[36:56] == PEER_ID
    assert data[56:64] == (1).to_bytes(8, "big")  # downloaded
    assert data[64:72] == (2).to_bytes(8, "big")  # left
    assert data[72:80] == (3).to_bytes(8, "big")  # uploaded
    assert data[80:84] == b"\0\0\0\2"  # started
    assert data[84:88] == b"\xc0\0\2\7"
    assert data[88:92] == b"\xde\xad\xbe\xef"
    assert data[92:96] == b"\0\0\0\x32"
    assert data[96:98] == b"\x1a\xe1"


def test_a_scrape_has_the_offsets_of_the_proposal() -> None:
    assert encode_udp_scrape(CID, TID, [HASH, PEER_ID]) == CID + b"\0\0\0\2" + TID + HASH + PEER_ID


@pytest.mark.parametrize(
    ("event", "number"),
    [(Event.NONE, 0), (Event.COMPLETED, 1), (Event.STARTED, 2), (Event.STOPPED, 3)],
)
def test_events_have_the_numbers_of_the_proposal(event: Event, number: int) -> None:
    data = encode_udp_announce(CID, TID, REQUEST._replace(event=event))
    assert data[80:84] == number.to_bytes(4, "big")


def test_an_event_for_which_there_is_no_number_is_sent_as_a_sign_of_life() -> None:
    for event in set(Event) - set(EVENTS):
        assert encode_udp_announce(CID, TID, REQUEST._replace(event=event))[80:84] == bytes(4)


def changed(start: int, replacement: bytes) -> bytes:
    data = encode_udp_announce(CID, TID, REQUEST)
    return data[:start] + replacement + data[start + len(replacement) :]


def decoded(data: bytes) -> AnnounceRequest:
    request = decode_udp_request(data)
    assert isinstance(request, UdpAnnounce)
    return request.announce


def test_what_is_left_to_the_tracker_is_sent_as_the_proposal_says() -> None:
    data = encode_udp_announce(CID, TID, AnnounceRequest(HASH, PEER_ID, 1))
    assert data[84:96] == bytes(8) + b"\xff\xff\xff\xff"
    assert decoded(data) == AnnounceRequest(HASH, PEER_ID, 1)


@pytest.mark.parametrize("numwant", [-1, -2, -(2**31)])
def test_a_negative_numwant_leaves_it_to_the_tracker(numwant: int) -> None:
    assert decoded(changed(92, numwant.to_bytes(4, "big", signed=True))).numwant is None


@pytest.mark.parametrize("number", [4, 5, 2**32 - 1])
def test_an_unknown_event_is_a_sign_of_life(number: int) -> None:
    assert decoded(changed(80, number.to_bytes(4, "big"))).event is Event.NONE


def test_who_does_not_know_what_is_left_wants_all_of_it() -> None:
    assert decoded(changed(64, b"\xff" * 8)).left == MAX_COUNT


@pytest.mark.parametrize("start", [56, 72])
def test_a_negative_amount_is_refused(start: int) -> None:
    with pytest.raises(AnnounceError, match="less than nothing"):
        decode_udp_request(changed(start, b"\xff" * 8))


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        (b"", b"\0\0\0\0"),
        (b"deadbeef", b"\xde\xad\xbe\xef"),
        (b"DEADBEEF", b"\xde\xad\xbe\xef"),
        (b"not  hex", b"not "),
        (b"ab", b"\0\0ab"),
    ],
)
def test_a_key_is_sent_as_a_number(key: bytes, sent: bytes) -> None:
    assert encode_udp_announce(CID, TID, REQUEST._replace(key=key))[88:92] == sent


@pytest.mark.parametrize("ip", ["2001:db8::1", "host.example"])
def test_an_address_for_which_there_is_no_room_is_not_sent(ip: str) -> None:
    assert encode_udp_announce(CID, TID, REQUEST._replace(ip=ip))[84:88] == bytes(4)


def test_numbers_above_their_limits_are_sent_as_those() -> None:
    much = REQUEST._replace(uploaded=2**70, downloaded=2**63, left=2**64, numwant=2**40)
    announce = decoded(encode_udp_announce(CID, TID, much))
    assert (announce.uploaded, announce.downloaded, announce.left) == (MAX_COUNT,) * 3
    assert announce.numwant == 2**31 - 1


def test_an_announce_that_is_cut_short_is_refused_wherever_it_is_cut() -> None:
    data = encode_udp_announce(CID, TID, REQUEST, "/key/announce")
    for length in range(len(data)):
        if length == ANNOUNCE_LENGTH:
            continue  # whole, without options
        with pytest.raises(AnnounceError, match=r"bytes, not|cut short"):
            decode_udp_request(data[:length])
    # Old clients end it with two zero bytes, which are the end of no options.
    assert decode_udp_request(data[:98] + b"\0\0") == UdpAnnounce(CID, TID, REQUEST)


def test_a_scrape_that_is_cut_short_is_refused_wherever_it_is_cut() -> None:
    data = encode_udp_scrape(CID, TID, [HASH, PEER_ID])
    for length in range(len(data)):
        if length != 36:
            with pytest.raises(AnnounceError, match="bytes"):
                decode_udp_request(data[:length])


def test_a_scrape_has_a_largest_and_a_least_number() -> None:
    most = [HASH] * MAX_SCRAPE_HASHES
    data = encode_udp_scrape(CID, TID, most)
    assert decode_udp_request(data) == UdpScrape(CID, TID, tuple(most))
    with pytest.raises(AnnounceError, match="at most 74"):
        decode_udp_request(data + HASH)
    for hashes in ([], [*most, HASH]):
        with pytest.raises(ValueError, match="1 to 74"):
            encode_udp_scrape(CID, TID, hashes)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "at least 16 bytes, not 0"),
        (bytes(16), "begins with another number"),
        (bytes(11) + b"\3" + TID, "no action 3"),
        (CID + b"\xff" * 4 + TID, "no action 4294967295"),
    ],
)
def test_what_is_no_request_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(AnnounceError, match=reason):
        decode_udp_request(data)


@given(st.binary(max_size=200), st.sampled_from([b"", CID + b"\0\0\0\1", CID + b"\0\0\0\2"]))
def test_any_rubbish_is_read_or_refused(rubbish: bytes, start: bytes) -> None:
    with suppress(AnnounceError):
        decode_udp_request(start + rubbish)
