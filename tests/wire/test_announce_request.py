from urllib.parse import parse_qs, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.announce_request import (
    MAX_COUNT,
    MAX_QUERY_LENGTH,
    AnnounceError,
    AnnounceRequest,
    Event,
    announce_url,
    encode_announce_query,
    parse_announce_query,
)

HASH = bytes(range(0, 200, 10))
REQUEST = AnnounceRequest(HASH, b"-RW0100-abc&=+%/ ?\xff\x00", 6881, left=10)
FIELDS = {"info_hash": quote(HASH), "peer_id": "p" * 20, "port": "6881", "left": "0"}

requests = st.builds(
    AnnounceRequest,
    info_hash=st.binary(min_size=20, max_size=20),
    peer_id=st.binary(min_size=20, max_size=20),
    port=st.integers(0, 65535),
    uploaded=st.integers(0, MAX_COUNT),
    downloaded=st.integers(0, MAX_COUNT),
    left=st.integers(0, MAX_COUNT),
    event=st.sampled_from(Event),
    numwant=st.none() | st.integers(0, 999_999_999),
    compact=st.booleans(),
    no_peer_id=st.booleans(),
    key=st.binary(max_size=128),
    tracker_id=st.binary(max_size=128),
    ip=st.just("") | st.ip_addresses(v=4).map(str),
)


def query(**changes: str | None) -> str:
    fields = FIELDS | changes
    return "&".join(f"{name}={value}" for name, value in fields.items() if value is not None)


@given(requests)
def test_what_is_encoded_is_parsed(request: AnnounceRequest) -> None:
    text = encode_announce_query(request)
    assert parse_announce_query(text) == request
    assert parse_announce_query(text.encode()) == request


def test_the_query_is_what_others_expect() -> None:
    fields = parse_qs(encode_announce_query(REQUEST), encoding="latin-1", strict_parsing=True)
    assert fields["info_hash"] == [HASH.decode("latin-1")]
    assert fields["peer_id"] == [REQUEST.peer_id.decode("latin-1")]
    assert (fields["left"], fields["compact"]) == (["10"], ["1"])
    assert not {"event", "numwant", "key", "trackerid", "ip", "no_peer_id"} & set(fields)


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("http://t/announce", "http://t/announce?info_hash="),
        ("http://t/announce?passkey=1", "http://t/announce?passkey=1&info_hash="),
        ("http://t/announce?", "http://t/announce?info_hash="),
        ("http://t/a?b&#part", "http://t/a?b&info_hash="),
    ],
)
def test_a_trackers_own_query_stays(url: str, start: str) -> None:
    assert announce_url(url, REQUEST).startswith(start)


def test_only_what_bep_3_demands_has_to_be_there() -> None:
    request = parse_announce_query(query())
    assert request == AnnounceRequest(HASH, b"p" * 20, 6881)


def test_a_plus_is_a_plus() -> None:
    assert parse_announce_query(query(peer_id="+" * 20)).peer_id == b"+" * 20


def test_the_last_of_two_values_counts_but_not_of_two_info_hashes() -> None:
    assert parse_announce_query("key=tracker&" + query(key="client")).key == b"client"
    with pytest.raises(AnnounceError, match="twice"):
        parse_announce_query(query() + "&info_hash=" + quote(HASH))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"info_hash": None}, "info_hash is missing"),
        ({"info_hash": "abc"}, "info_hash has 3 bytes, not 20"),
        ({"info_hash": "%zz" * 20}, "info_hash has 60 bytes"),
        ({"peer_id": None}, "peer_id is missing"),
        ({"peer_id": "p" * 21}, "peer_id has 21 bytes"),
        ({"port": None}, "port is missing"),
        ({"port": "65536"}, "port is more than 65535"),
        ({"port": "-1"}, "port is not a number"),
        ({"port": ""}, "port is not a number"),
        ({"left": None}, "left is missing"),
        ({"left": "-1"}, "left is not a number"),
        ({"left": "1_0"}, "left is not a number"),
        ({"left": "%d9%a1"}, "left is not a number"),
        ({"left": str(2**63)}, "left is more than"),
        ({"left": "9" * 5000}, "left is more than"),
        ({"uploaded": "x"}, "uploaded is not a number"),
        ({"key": "k" * 129}, "key has more than 128"),
        ({"trackerid": "k" * 129}, "trackerid has more than 128"),
    ],
)
def test_nonsense_is_refused_with_a_reason(changes: dict[str, str | None], reason: str) -> None:
    with pytest.raises(AnnounceError, match=reason):
        parse_announce_query(query(**changes))


def test_a_query_has_a_longest_length() -> None:
    start = query() + "&x="
    parse_announce_query(start + "x" * (MAX_QUERY_LENGTH - len(start)))
    with pytest.raises(AnnounceError, match="more than 8192"):
        parse_announce_query(start + "x" * (MAX_QUERY_LENGTH - len(start) + 1))


@pytest.mark.parametrize("numwant", ["-1", "", "many", "9" * 10])
def test_a_senseless_numwant_leaves_it_to_the_tracker(numwant: str) -> None:
    assert parse_announce_query(query(numwant=numwant)).numwant is None


def test_an_unknown_event_is_a_sign_of_life() -> None:
    assert parse_announce_query(query(event="paused")).event is Event.PAUSED
    assert parse_announce_query(query(event="bored")).event is Event.NONE


@pytest.mark.parametrize(
    ("said", "taken"),
    [("192.0.2.7", "192.0.2.7"), ("2001:DB8::0:1", "2001:db8::1"), ("host.example", "")],
)
def test_only_an_address_is_taken_for_ip(said: str, taken: str) -> None:
    assert parse_announce_query(query(ip=said)).ip == taken


@given(st.binary(max_size=200) | st.text(max_size=100))
def test_any_rubbish_is_refused_with_a_reason_of_one_line(rubbish: bytes | str) -> None:
    with pytest.raises(AnnounceError, match=r"\A[ -~]+\Z"):
        parse_announce_query(rubbish)
