from urllib.parse import parse_qs, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire import announce_request
from rawserver.wire.announce_request import (
    MAX_COUNT,
    MAX_QUERY_LENGTH,
    AnnounceError,
    AnnounceRequest,
    Event,
    announce_url,
    encode_announce_query,
    parse_announce_query,
    said_endpoint,
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
    ipv4=st.just(b"") | st.ip_addresses(v=4).map(lambda ip: str(ip).encode()),
    ipv6=st.binary(max_size=50),
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


IPV4 = b"\xc0\0\2\7"
IPV6 = bytes.fromhex("20010db8000000000000000000000001")


@pytest.mark.parametrize(
    ("said", "endpoint"),
    [
        (b"192.0.2.7", (IPV4, 6881)),
        (b"192.0.2.7:80", (IPV4, 80)),
        (b"2001:db8::1", (IPV6, 6881)),
        (b"[2001:db8::1]", (IPV6, 6881)),
        (b"[2001:db8::1]:65535", (IPV6, 65535)),
        (b"[::ffff:192.0.2.7]:1", (IPV4, 1)),
        *(
            (said, None)
            for said in (
                b"", b":", b"[", b"[]", b"host", b"host:80", b"192.0.2.7:", b"192.0.2.7:65536",
                b"192.0.2.7:+1", b"192.0.2.7:\xb2", b"192.0.2.7:000001", b"[2001:db8::1",
                b"[2001:db8::1]80", b"2001:db8::1:99999", b"\xff",
            )
        ),
    ],
)  # fmt: skip
def test_where_else_a_client_listens(said: bytes, endpoint: tuple[bytes, int] | None) -> None:
    assert said_endpoint(said, 6881) == endpoint


@given(st.text(st.sampled_from("[]:.0129afx\xff"), max_size=20) | st.text(max_size=20))
def test_an_endpoint_is_an_address_and_a_port_or_none(text: str) -> None:
    endpoint = said_endpoint(text.encode(), 6881)
    assert endpoint is None or (len(endpoint[0]) in (4, 16) and 0 <= endpoint[1] <= 65535)


@given(st.binary(max_size=200) | st.text(max_size=100))
def test_any_rubbish_is_refused_with_a_reason_of_one_line(rubbish: bytes | str) -> None:
    with pytest.raises(AnnounceError, match=r"\A[ -~]+\Z"):
        parse_announce_query(rubbish)


# Both ways of reading.

# As real clients write it: libtorrent 2.0, Transmission 4, aria2 1.37, npm bittorrent-tracker 11.
AS_CLIENTS_SAY = [
    b"info_hash=%00%0a%14%1e%28%32%3c%46%50%5a%64%6e%78%82%8c%96%a0%aa%b4%be&peer_id=-LT20B0-abcdef"
    b"ghi(.)&port=6881&uploaded=0&downloaded=0&left=16384&corrupt=0&key=9A3C4F2E&event=started&numwa"
    b"nt=200&compact=1&no_peer_id=1&supportcrypto=1&redundant=0",
    b"info_hash=%00%0A%14%1E%28%32%3C%46%50%5A%64%6E%78%82%8C%96%A0%AA%B4%BE&peer_id=-TR4050-abcdefg"
    b"hijkl&port=51413&uploaded=0&downloaded=0&left=16384&numwant=80&key=1234ABCD&compact=1&supportc"
    b"rypto=1&requirecrypto=1&event=started&ipv6=%5B2001%3Adb8%3A%3A1%5D%3A51413",
    b"info_hash=%00%0A%14%1E%282%3CFPZdnx%82%8C%96%A0%AA%B4%BE&peer_id=A2-1-37-0-%00%01%02%03%04%05%"
    b"06%07%08%09&uploaded=0&downloaded=0&left=16384&compact=1&key=K%12x&numwant=50&no_peer_id=1&port=6"
    b"881&event=started&supportcrypto=1",
    b"numwant=50&uploaded=0&downloaded=0&left=16384&event=completed&compact=1&info_hash=%00%0A%14%1E("
    b"2%3CFPZdnx%82%8C%96%A0%AA%B4%BE&peer_id=-WW0206-abcdefghijkl&port=6881",
]  # fmt: skip
pieces = st.sampled_from([
    b"info_hash=" + b"%00" * 20, b"info_hash=" + b"a" * 20, b"info_hash=short", b"info_hash",
    b"peer_id=" + b"p" * 20, b"peer_id=%zz", b"port=1", b"port=65536", b"port=%31", b"port=", b"",
    b"left=0", b"left=-1", b"left=" + b"9" * 19, b"uploaded=7", b"uploaded=x", b"downloaded=8",
    b"event=started", b"event=", b"event=Paused", b"event=paused", b"event=%73topped", b"compact=1",
    b"compact=0", b"compact", b"numwant=", b"numwant=-1", b"numwant=0050", b"numwant=1234567890",
    b"key=k", b"key=%41", b"key=" + b"k" * 129, b"key", b"trackerid=t", b"no_peer_id=0",
    b"no_peer_id=1", b"no_peer_id=2", b"ip=192.0.2.1", b"ip", b"ipv6=::1", b"ipv6",
    b"ipv6=%5B::1%5D", b"ipv4=192.0.2.1", b"ipv4=%31", b"ipv4", b"ports=x",
    b"xinfo_hash=", b"supportcrypto=1", b"=", b"=x", b"a=b=c", b"a", b"\n",
    b"port=1\n", b"\xff", b"left=\xb2",
])  # fmt: skip
WHOLE = [b"info_hash=" + b"%00" * 20, b"peer_id=" + b"p" * 20, b"port=1", b"left=0"]


def both(query: bytes) -> tuple[object, object]:
    try:
        thorough: object = announce_request._parse_any(query)
    except AnnounceError as error:
        thorough = str(error)
    return announce_request._parse_usual(query), thorough


@given(st.lists(pieces, max_size=6).flatmap(lambda some: st.permutations(some + WHOLE)))
def test_what_is_read_quickly_is_what_is_read_thoroughly(fields: list[bytes]) -> None:
    usual, thorough = both(b"&".join(fields))
    assert usual is None or usual == thorough


@given(st.sampled_from(AS_CLIENTS_SAY), st.data())
def test_so_is_what_is_damaged_on_the_way(query: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(query)))
    stop = data.draw(st.integers(start, min(len(query), start + 3)))
    usual, thorough = both(query[:start] + data.draw(st.binary(max_size=3)) + query[stop:])
    assert usual is None or usual == thorough


@pytest.mark.parametrize("query", AS_CLIENTS_SAY)
def test_what_clients_say_is_understood(query: bytes) -> None:
    request = parse_announce_query(query)
    assert (request.info_hash, request.left, len(request.peer_id)) == (HASH, 16384, 20)
    assert request.compact


def test_most_of_what_clients_say_is_read_quickly() -> None:
    quick = [announce_request._parse_usual(query) is not None for query in AS_CLIENTS_SAY]
    assert quick == [True] * 4


@given(st.binary(max_size=200) | st.lists(pieces, max_size=12).map(b"&".join))
def test_any_bytes_are_an_announce_or_are_told_what_is_wrong(query: bytes) -> None:
    try:
        request = parse_announce_query(query)
    except AnnounceError:
        pass
    else:
        assert len(request.info_hash) == len(request.peer_id) == 20
        assert 0 <= request.port <= 65535
        assert 0 <= request.left <= MAX_COUNT


def test_what_is_no_info_hash_is_not_remembered() -> None:
    announce_request._unescaped_hash.cache_clear()
    for length in (21, 61, 8000):
        with pytest.raises(AnnounceError, match="info_hash has"):
            parse_announce_query(b"info_hash=%b&peer_id=%b&port=1&left=0" % (b"x" * length, HASH))
    assert announce_request._unescaped_hash.cache_info().currsize <= 1
