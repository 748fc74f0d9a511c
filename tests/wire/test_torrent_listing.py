import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.content import folder_metainfo, metainfo_of, random_bytes
from rawserver.wire.bencode import encode
from rawserver.wire.metainfo import MetainfoError
from rawserver.wire.torrent_listing import read_listing

METAINFO = metainfo_of(random_bytes(100_000))
TREE = {
    "a": {"": {"length": 5, "pieces root": bytes(32)}},
    "b": {"c": {"": {"length": 7}}, "d": {"": {"length": 0}}},
}
INFO_V2: dict[str, Any] = {
    "file tree": TREE, "meta version": 2, "name": "both\nof them", "piece length": 16384
}  # fmt: skip


def sha256(info: dict[str, Any]) -> bytes:
    return hashlib.sha256(encode(info)).digest()[:20]


def test_a_torrent_of_version_1() -> None:
    assert read_listing(METAINFO.raw) == ((METAINFO.info_hash,), "content.bin", 100_000, "", "")
    folder = folder_metainfo([(("a",), b"123"), (("b", "c"), b"45")])
    assert read_listing(folder.raw)[1:3] == ("folder", 5)


def test_a_torrent_of_version_2_is_known_by_the_hash_that_trackers_are_asked_by() -> None:
    listing = read_listing(encode({"info": INFO_V2}))
    assert listing.info_hashes == (sha256(INFO_V2),)
    assert listing.size == 12
    assert listing.name.isprintable()


def test_a_hybrid_torrent_is_known_by_both() -> None:
    info = dict(METAINFO.info) | {b"meta version": 2, b"file tree": {b"a": {}}}
    listing = read_listing(encode({"info": info}))
    assert listing.info_hashes == (
        hashlib.sha1(encode(info)).digest(), hashlib.sha256(encode(info)).digest()[:20]
    )  # fmt: skip


@pytest.mark.parametrize("info", [dict(METAINFO.info), INFO_V2])
def test_what_its_owner_says_is_one_line_each(info: Any) -> None:
    said = {"failure reason": b"  gone,\n\n sorry \x1b[1m", "warning message": b"\xffmoving " * 400}
    listing = read_listing(encode({"info": info} | said))
    assert listing.failure == "gone, sorry [1m"
    assert len(listing.warning) == 1000
    assert listing.warning.startswith("\ufffdmoving \ufffdmoving")
    listing = read_listing(encode({"info": info, "failure reason": 7, "warning message": []}))
    assert (listing.failure, listing.warning) == ("", "")


def changed(**fields: Any) -> bytes:
    info = {name: value for name, value in (INFO_V2 | fields).items() if value is not None}
    return encode({"info": info})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a torrent file"),
        (encode({"info": 7}), "no info dictionary"),
        (encode({"announce": "http://example.org/"}), "no info dictionary"),
        (changed(name=None), "has no name"),
        (changed(name="a\0b"), "name is refused"),
        (changed(**{"file tree": None}), "something else than files and folders"),
        (changed(**{"file tree": {}}), "something else than files and folders"),
        (changed(**{"file tree": {"a": 7}}), "something else than files and folders"),
        (changed(**{"file tree": {"a": {"": {}}}}), "without a length"),
        (changed(**{"file tree": {"a": {"": {"length": -1}}}}), "without a length"),
        (
            changed(**{"file tree": {name: {"": {"length": 2**62}} for name in "abc"}}),
            "more than 2",
        ),
        (changed(**{"meta version": 3}), "version 2 only"),
        (changed(pieces=7), "no piece hashes"),
    ],
)
def test_what_is_no_torrent_is_said(data: bytes, reason: str) -> None:
    with pytest.raises(MetainfoError, match=reason):
        read_listing(data)


VALUES: Any = st.recursive(
    st.one_of(st.integers(-5, 2**63), st.binary(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([b"", b"length", b"a", b"name"]), inner, max_size=3),
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([b"file tree", b"name", b"meta version"]), VALUES))
def test_whatever_it_holds_it_is_a_listing_or_a_metainfo_error(info: dict[bytes, Any]) -> None:
    data = encode({"info": {b"meta version": 2, b"name": b"x"} | info, "failure reason": b""})
    try:
        listing = read_listing(data)
    except MetainfoError:
        return
    assert all(len(info_hash) == 20 for info_hash in listing.info_hashes)


@given(st.binary(max_size=100))
def test_random_bytes_are_a_metainfo_error(data: bytes) -> None:
    with pytest.raises(MetainfoError):
        read_listing(data)
