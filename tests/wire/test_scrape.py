from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.bencode import decode, encode
from rawserver.wire.scrape import (
    MAX_SCRAPE_HASHES,
    ScrapeFile,
    encode_scrape_response,
    parse_scrape_query,
    scrape_url,
)


def query(count: int) -> str:
    return "&".join(f"info_hash={quote(bytes([number]) * 20)}" for number in range(count))


def test_each_torrent_is_asked_for_once() -> None:
    text = query(3) + "&" + query(2) + "&passkey=x"
    assert parse_scrape_query(text) == (bytes(20), b"\1" * 20, b"\2" * 20)


def test_no_info_hash_asks_for_all() -> None:
    assert parse_scrape_query("") == ()
    assert parse_scrape_query(b"passkey=x") == ()


def test_limits_and_nonsense_are_refused() -> None:
    assert len(parse_scrape_query(query(MAX_SCRAPE_HASHES))) == MAX_SCRAPE_HASHES
    with pytest.raises(AnnounceError, match="at most 50"):
        parse_scrape_query(query(MAX_SCRAPE_HASHES + 1))
    with pytest.raises(AnnounceError, match="has 3 bytes"):
        parse_scrape_query("info_hash=abc")
    with pytest.raises(AnnounceError, match="8192"):
        parse_scrape_query("x" * 8193)


@given(
    st.dictionaries(
        st.binary(min_size=20, max_size=20), st.tuples(*[st.integers(0, 2**63)] * 3), max_size=5
    )
)
def test_the_reply_is_bencoded_as_anything_is(files: dict[bytes, tuple[int, int, int]]) -> None:
    names = (b"complete", b"downloaded", b"incomplete")
    expected = {name: dict(zip(names, numbers, strict=True)) for name, numbers in files.items()}
    data = encode_scrape_response(ScrapeFile(name, *numbers) for name, numbers in files.items())
    assert data == encode({b"files": expected})


def test_how_many_of_the_incomplete_download_is_said_where_it_is_known() -> None:
    data = encode_scrape_response([ScrapeFile(b"a" * 20, 1, 2, 3, 2)])
    numbers = {b"complete": 1, b"downloaded": 2, b"downloaders": 2, b"incomplete": 3}
    assert decode(data) == {b"files": {b"a" * 20: numbers}}


def test_the_reply_is_laid_out_as_bep_48_says() -> None:
    data = encode_scrape_response([ScrapeFile(b"b" * 20, 1, 2, 3), ScrapeFile(b"a" * 20, 0, 0, 1)])
    assert decode(data) == {
        b"files": {
            b"a" * 20: {b"complete": 0, b"downloaded": 0, b"incomplete": 1},
            b"b" * 20: {b"complete": 1, b"downloaded": 2, b"incomplete": 3},
        }
    }
    assert encode_scrape_response([]) == b"d5:filesdee"


@pytest.mark.parametrize(
    ("announce", "scrape"),
    [
        ("http://t.example/announce", "http://t.example/scrape"),
        ("http://t.example/x/announce", "http://t.example/x/scrape"),
        ("http://t.example/announce.php", "http://t.example/scrape.php"),
        ("http://t.example/announce?x2%0644", "http://t.example/scrape?x2%0644"),
        ("http://t.example/announce?x=2/4", "http://t.example/scrape?x=2/4"),
        ("http://t.example/a", None),
        ("http://t.example/x%064announce", None),
    ],
)
def test_scrape_urls_follow_the_convention(announce: str, scrape: str | None) -> None:
    assert scrape_url(announce) == scrape


@given(st.binary(max_size=200))
def test_any_bytes_are_a_scrape_or_are_told_what_is_wrong(query: bytes) -> None:
    try:
        hashes = parse_scrape_query(query)
    except AnnounceError:
        pass
    else:
        assert all(len(info_hash) == 20 for info_hash in hashes)
