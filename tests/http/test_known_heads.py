"""What is read at a glance is what the parser finds, or is left to the parser."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rawserver.http.known_heads import MAX_KNOWN, MAX_KNOWN_BYTES, KnownHeads
from rawserver.http.request_reader import (
    MAX_URL_BYTES,
    ReadRequest,
    RequestError,
    RequestReader,
)

WHOLE = b"GET /announce?a=%00&b HTTP/1.1\r\nHost: tracker\r\nUser-Agent: some/1.0\r\n\r\n"

url = st.binary(max_size=30) | st.text("/a?=&%# ", max_size=30).map(str.encode)
name = st.sampled_from([b"Host", b"X", b"Connection", b"connection", b"Content-Length", b"Upgrade",
                        b"Transfer-Encoding", b"x y", b"", b"Expect"])  # fmt: skip
value = st.sampled_from([b"a", b"close", b"Keep-Alive", b"upgrade", b"0", b"4", b"chunked", b"",
                         b" a b ", b"keep-alive, upgrade", b"a\x00", b"\xff", b"h2c"])  # fmt: skip
colon = st.sampled_from([b": ", b":", b" : ", b":\t"])
line = st.tuples(name, colon, value).map(b"".join)
version = st.sampled_from(
    [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.1 HTTP/1.1", b"RTSP/1.0"]
)
method = st.sampled_from([b"GET", b"HEAD", b"get", b"GET ", b"\r\nGET"])
end = st.sampled_from(
    [b"\r\n\r\n", b"\r\n", b"\n\n", b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"\r\n\r\nbody"]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    first = b" ".join([draw(method), b"/" + draw(url), draw(version)])
    return b"\r\n".join([first, *draw(st.lists(line, max_size=4))]) + draw(end)


def parsed(data: bytes) -> list[ReadRequest] | None:
    """All requests of some bytes as the parser finds them; None if anything is wrong or left."""
    found: list[ReadRequest] = []
    reader = RequestReader(found.append)
    try:
        reader.feed(data)
    except RequestError:
        return None
    return None if reader.is_amid else found


@given(st.lists(requests(), min_size=1, max_size=3))
@example([WHOLE])
@example([WHOLE + b"\r\n"])
@example([b"GET /a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"])
@example([b"GET /a HTTP/1.1\r\nA: b\n\n\r\n\r\n"])
def test_it_reads_what_the_parser_reads_or_nothing(several: list[bytes]) -> None:
    heads = KnownHeads()
    for data in [*several, *several]:  # as one it does not know, and as one it knows
        found = heads.read(data)
        if found is None:
            continue
        read = parsed(data)
        assert read is not None
        (request,) = read
        url, head = found
        assert (request.method, request.url, request.body) == ("GET", url, b"")
        assert request.headers == head.headers
        assert (request.version, request.keeps_alive) == (head.version, head.keeps_alive)


def test_usual_requests_are_read_and_the_rest_of_them_once() -> None:
    heads = KnownHeads()
    for number in range(3):
        found = heads.read(WHOLE.replace(b"announce", b"%d" % number))
        assert found is not None
        assert found[0] == b"/%d?a=%%00&b" % number
        assert found[1].headers == {"host": "tracker", "user-agent": "some/1.0"}
    assert len(heads) == 1


@pytest.mark.parametrize(
    ("rest", "keeps_alive"),
    [
        (b"HTTP/1.1\r\n\r\n", True),
        (b"HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.0\r\n\r\n", False),
        (b"HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_whether_the_connection_is_kept(rest: bytes, keeps_alive: bool) -> None:
    found = KnownHeads().read(b"GET / " + rest)
    assert found is not None
    assert found[1].keeps_alive is keeps_alive


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:-1],
        WHOLE + WHOLE,
        WHOLE.replace(b"GET", b"HEAD"),
        WHOLE.replace(b"announce", b"a b"),
        WHOLE.replace(b"announce", b"\xe9"),
        WHOLE.replace(b"announce", b"a" * MAX_URL_BYTES),
        WHOLE.replace(b"tracker", b"t" * MAX_KNOWN_BYTES),
        WHOLE.replace(b"Host", b"Content-Length: 1\r\nHost"),
        b"",
    ],
)
def test_all_else_is_left_to_the_parser(data: bytes) -> None:
    assert KnownHeads().read(data) is None


def test_it_knows_no_more_than_so_many() -> None:
    heads = KnownHeads()
    for number in range(2 * MAX_KNOWN):
        assert heads.read(WHOLE.replace(b"some", b"%d" % number)) is not None
    assert len(heads) == MAX_KNOWN
