import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.announce_response import (
    DEFAULT_INTERVAL_SECONDS,
    MAX_INTERVAL_SECONDS,
    MAX_PEERS,
    MAX_RESPONSE_LENGTH,
    AnnounceResponse,
    decode_announce_response,
    encode_announce_response,
    encode_usual_response,
)
from rawserver.wire.bencode import decode
from rawserver.wire.compact_peers import Peer

PEERS = (Peer("192.0.2.1", 6881, b"a" * 20), Peer("2001:db8::1", 80, b"b" * 20))
RESPONSE = AnnounceResponse(
    1800,
    60,
    PEERS,
    complete=3,
    incomplete=4,
    downloaded=5,
    tracker_id=b"\xff",
    warning="Vorsicht ü",
    external_ip=b"\xc0\x00\x02\x07",
)


def test_a_compact_reply_keeps_all_but_the_peer_ids() -> None:
    data = encode_announce_response(RESPONSE)
    assert b"5:peers6:" in data
    assert b"6:peers618:" in data
    expected = RESPONSE._replace(peers=tuple(Peer(ip, port) for ip, port, _ in PEERS))
    assert decode_announce_response(data) == expected


def test_a_reply_of_dictionaries_keeps_everything() -> None:
    data = encode_announce_response(RESPONSE, compact=False)
    assert decode_announce_response(data) == RESPONSE


def test_peers_that_are_packed_already_are_not_packed_again() -> None:
    packed = (b"\1\2\3\4\0\5", b"\0" * 17 + b"\6")
    data = encode_announce_response(RESPONSE._replace(packed=packed))
    assert decode_announce_response(data).peers == (Peer("1.2.3.4", 5), Peer("::", 6))
    data = encode_announce_response(RESPONSE._replace(packed=(b"", b"")))
    assert decode_announce_response(data).peers == ()


def test_peer_ids_can_be_left_out() -> None:
    data = encode_announce_response(RESPONSE, compact=False, no_peer_id=True)
    assert [peer.peer_id for peer in decode_announce_response(data).peers] == [None, None]


def test_the_smallest_replies() -> None:
    data = encode_announce_response(AnnounceResponse(900))
    assert data == b"d8:intervali900e5:peers0:e"
    assert decode_announce_response(data) == AnnounceResponse(900)


def test_a_failure_says_nothing_else() -> None:
    data = encode_announce_response(RESPONSE._replace(failure="not here"))
    assert data == b"d14:failure reason8:not heree"
    assert decode_announce_response(data) == AnnounceResponse(failure="not here")


def test_who_is_refused_may_be_told_when_to_come_again() -> None:
    for retry_in, text in ((60, b"i1e"), (61, b"i2e"), (3600, b"i60e"), (0, b"5:never")):
        refusal = AnnounceResponse(failure="not now", retry_in=retry_in)
        data = encode_announce_response(refusal)
        assert data == b"d14:failure reason7:not now8:retry in" + text + b"e"
        read = decode_announce_response(data)
        assert read == refusal._replace(retry_in=-(-retry_in // 60) * 60)


@pytest.mark.parametrize("value", [b"i0e", b"i-1e", b"4:soon", b"le", b"0:"])
def test_a_retry_that_makes_no_sense_is_as_not_said(value: bytes) -> None:
    refusal = decode_announce_response(b"d14:failure reason1:x8:retry in" + value + b"e")
    assert refusal == AnnounceResponse(failure="x")


def test_a_tracker_cannot_say_to_come_again_in_a_year() -> None:
    refusal = decode_announce_response(b"d14:failure reason1:x8:retry ini525600ee")
    assert refusal.retry_in == MAX_INTERVAL_SECONDS


@pytest.mark.parametrize("value", [b"3:abc", b"0:", b"9:192.0.2.1", b"i3e", b"le"])
def test_an_external_address_that_is_none_is_left_out(value: bytes) -> None:
    data = b"d11:external ip" + value + b"8:intervali60ee"
    assert decode_announce_response(data) == AnnounceResponse(60)


def test_what_opentracker_sends() -> None:
    data = (
        b"d8:completei1e10:downloadedi0e10:incompletei1e8:intervali1770e"
        b"12:min intervali885e5:peers12:\x7f\0\0\1\x1a\xe1\x7f\0\0\2\0\0e"
    )
    assert decode_announce_response(data) == AnnounceResponse(
        1770, 885, (Peer("127.0.0.1", 6881),), complete=1, incomplete=1, downloaded=0
    )


def test_keys_may_come_in_any_order() -> None:
    response = decode_announce_response(b"d5:peers0:8:intervali60ee")
    assert response.interval == 60


def test_host_names_are_kept_and_what_cannot_be_dialled_is_dropped() -> None:
    data = (
        b"d5:peersl"
        b"d2:ip12:host.example4:porti1ee"
        b"d2:ip9:192.0.2.14:porti0ee"
        b"d2:ip9:192.0.2.14:porti65536ee"
        b"d2:ip0:4:porti1ee"
        b"d2:ip3:a\nb4:porti1ee"
        b"d2:ip3:::17:peer id3:abc4:porti2ee"
        b"ee"
    )
    assert decode_announce_response(data).peers == (Peer("host.example", 1), Peer("::1", 2))


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        (b"i-5e", DEFAULT_INTERVAL_SECONDS),
        (b"i0e", DEFAULT_INTERVAL_SECONDS),
        (b"2:60", DEFAULT_INTERVAL_SECONDS),
        (b"i60e", 60),
        (b"i99999999e", MAX_INTERVAL_SECONDS),
    ],
)
def test_an_absurd_interval_is_as_if_not_said(said: bytes, taken: int) -> None:
    assert decode_announce_response(b"d8:interval" + said + b"e").interval == taken


def test_a_text_is_one_line_of_bounded_length() -> None:
    text = b"bad\n\x1b[31m\xff" + b"x" * 5000
    data = b"d14:failure reason%d:%be" % (len(text), text)
    failure = decode_announce_response(data).failure
    assert failure.startswith("bad  [31m\ufffdxxx")
    assert len(failure) == 1000


def test_a_failure_without_words_is_still_one() -> None:
    assert decode_announce_response(b"d14:failure reason0:e").failure
    assert decode_announce_response(b"d14:failure reasoni1ee").failure


def test_no_more_peers_are_taken_than_could_be_dialled() -> None:
    packed = b"\1\2\3\4\5\6" * (MAX_PEERS + 1)
    data = b"d5:peers%d:%be" % (len(packed), packed)
    assert len(decode_announce_response(data).peers) == MAX_PEERS


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html>", "not bencoded"),
        (b"le", "not a dictionary"),
        (b"d5:peersi1ee", "neither a string nor a list"),
        (b"d5:peers5:12345e", "peers: a compact list of 5 bytes"),
        (b"d6:peers66:123456e", "peers6: a compact list of 6 bytes"),
        (b"d5:peersli1eee", "not a dictionary"),
        (b"d5:peersld2:ip1:xeee", "without ip or port"),
        (bytes(MAX_RESPONSE_LENGTH + 1), "more than 1048576"),
    ],
)
def test_nonsense_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(AnnounceError, match=reason):
        decode_announce_response(data)


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda tail: b"d5:peers" + tail))
def test_rubbish_gives_a_reply_or_an_announce_error(data: bytes) -> None:
    try:
        response = decode_announce_response(data)
    except AnnounceError:
        return
    assert response.interval > 0


@given(
    st.lists(st.integers(0, 2**63), min_size=5, max_size=5),
    st.sampled_from([4, 16]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.lists(st.binary(min_size=6, max_size=6)).map(b"".join),
    st.lists(st.binary(min_size=18, max_size=18)).map(b"".join),
)
def test_a_usual_reply_is_what_any_reply_of_its_kind_is(
    numbers: list[int], external_ip: bytes, peers4: bytes, peers6: bytes
) -> None:
    complete, downloaded, incomplete, interval, least = numbers
    response = AnnounceResponse(
        interval,
        least,
        complete=complete,
        incomplete=incomplete,
        downloaded=downloaded,
        packed=(peers4, peers6),
        external_ip=external_ip,
    )
    assert encode_announce_response(response) == encode_usual_response(
        complete, downloaded, external_ip, incomplete, interval, least, peers4, peers6
    )


def test_the_data_of_a_scrape_comes_with_an_announce_that_asks_for_it() -> None:
    data = encode_announce_response(RESPONSE, with_scrape=True)
    reply = decode(data)
    assert isinstance(reply, dict)
    assert reply[b"scrape"] == {b"complete": 3, b"downloaded": 5, b"incomplete": 4}
    silent = decode(encode_announce_response(AnnounceResponse(), with_scrape=True))
    assert isinstance(silent, dict)
    assert silent[b"scrape"] == {b"complete": 0, b"downloaded": 0, b"incomplete": 0}
    assert b"scrape" not in encode_announce_response(RESPONSE)
