"""Torrent files written: that readers accept them, and that edits touch only what they must."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.bencode import decode_document
from rawserver.wire.metainfo import MetainfoError, parse_metainfo
from rawserver.wire.metainfo_writer import build_info, build_metainfo, edit_metainfo

KIB = 1024
PIECES = bytes(range(40))
SINGLE = build_info("a.bin", 20 * KIB, 16 * KIB, PIECES)
TIERS = [["http://a/announce", "http://b/announce"], ["udp://c:1"]]
# Unsorted, with fields that we do not know inside and outside the info dictionary.
UNSORTED_INFO = (
    b"d6:pieces20:" + PIECES[:20] + b"4:name1:a6:lengthi5e12:piece lengthi16e3:newd1:zi1e1:yi2eee"
)
UNSORTED = b"d4:info" + UNSORTED_INFO + b"5:nodesl2:xxe8:announce8:http://ae"


def test_a_single_file_is_read_back() -> None:
    metainfo = parse_metainfo(build_metainfo(SINGLE))
    assert metainfo.single
    assert metainfo.raw_info == SINGLE
    assert metainfo.name == "a.bin"
    assert metainfo.total_size == 20 * KIB
    assert metainfo.pieces == PIECES
    assert set(metainfo.info) == {b"length", b"name", b"piece length", b"pieces"}
    assert metainfo.warnings == ()


def test_a_folder_is_read_back_with_everything() -> None:
    files = [(("b",), 4 * KIB), (("a", "c"), 0), (("a", "b"), 16 * KIB)]
    info = build_info("é", files, 16 * KIB, PIECES, True, "S")
    raw = build_metainfo(info, TIERS, "comment", "maker", 1_700_000_000, ["http://w/", "http://x/"])
    metainfo = parse_metainfo(raw)
    assert metainfo.name == "é"
    assert [file.path for file in metainfo.files] == [("b",), ("a", "c"), ("a", "b")]
    assert [file.length for file in metainfo.files] == [4 * KIB, 0, 16 * KIB]
    assert metainfo.private
    assert metainfo.source == "S"
    assert metainfo.trackers == tuple(map(tuple, TIERS))
    assert metainfo.comment == "comment"
    assert metainfo.created_by == "maker"
    assert metainfo.creation_date == 1_700_000_000
    assert metainfo.url_list == ("http://w/", "http://x/")
    assert metainfo.warnings == ()


def test_one_tracker_needs_no_list_and_empty_tiers_vanish() -> None:
    assert set(top(build_metainfo(SINGLE, [[], ["http://a"], []]))) == {b"announce", b"info"}
    assert set(top(build_metainfo(SINGLE, [["http://a"], ["http://b"]]))) == {
        b"announce",
        b"announce-list",
        b"info",
    }


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("..", 1, 16 * KIB, PIECES[:20]), "leave its folder"),
        (("a\\b", 1, 16 * KIB, PIECES[:20]), "cannot be shared under this name"),
        (("a\nb", 1, 16 * KIB, PIECES[:20]), "cannot be shared under this name"),
        (("a\udcff", 1, 16 * KIB, PIECES[:20]), "cannot be shared under this name"),
        (("", 1, 16 * KIB, PIECES[:20]), "no parts"),
        (("a", [(("b", ""), 1)], 16 * KIB, PIECES[:20]), "cannot be shared under this name"),
        (("a", [(("b",), 1), (("b",), 1)], 16 * KIB, PIECES[:20]), "same path"),
        (("a", [(("b",), -1), (("c",), 9)], 16 * KIB, PIECES[:20]), "negative"),
        (("a", [], 16 * KIB, b""), "no bytes at all"),
        (("a", 0, 16 * KIB, b""), "no bytes at all"),
        (("a", 1, 16 * KIB, PIECES), "need 20 bytes of piece hashes, not 40"),
        (("a", 1, 1000, PIECES[:20]), "power of two"),
    ],
)
def test_builds_nothing_that_readers_would_refuse_or_change(arguments: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build_info(*arguments)


def test_refuses_urls_that_readers_would_leave_out() -> None:
    with pytest.raises(ValueError, match="is not a URL"):
        build_metainfo(SINGLE, [["tracker.example"]])
    with pytest.raises(ValueError, match="is not a URL"):
        edit_metainfo(UNSORTED, url_list=["x"])


def test_refuses_to_write_or_edit_what_is_no_torrent() -> None:
    with pytest.raises(MetainfoError):
        build_metainfo(b"de")
    with pytest.raises(MetainfoError):
        edit_metainfo(b"de", comment="x")
    with pytest.raises(MetainfoError, match="limit of 10000000"):
        build_metainfo(SINGLE, comment="x" * 10_000_000)


def test_an_edit_outside_leaves_the_info_bytes_and_unknown_fields_alone() -> None:
    raw = edit_metainfo(UNSORTED, trackers=TIERS, comment="c", created_by="m", creation_date=5)
    metainfo = parse_metainfo(raw)
    assert metainfo.raw_info == UNSORTED_INFO
    assert metainfo.info_hash == hashlib.sha1(UNSORTED_INFO).digest()
    assert metainfo.trackers == tuple(map(tuple, TIERS))
    assert (metainfo.comment, metainfo.created_by, metainfo.creation_date) == ("c", "m", 5)
    assert top(raw)[b"nodes"] == [b"xx"]


def test_an_edit_of_the_info_changes_only_that_field() -> None:
    metainfo = parse_metainfo(edit_metainfo(UNSORTED, name="b", private=True, source="S"))
    assert (metainfo.name, metainfo.private, metainfo.source) == ("b", True, "S")
    assert b"3:newd1:zi1e1:yi2ee" in metainfo.raw_info
    assert metainfo.info_hash != hashlib.sha1(UNSORTED_INFO).digest()
    assert metainfo.trackers == (("http://a",),)


def test_an_edit_to_the_same_value_keeps_the_identity() -> None:
    raw = edit_metainfo(UNSORTED, name="a", private=False, source="")
    assert parse_metainfo(raw).raw_info == UNSORTED_INFO


def test_empty_values_remove_fields() -> None:
    info = build_info("a.bin", 20 * KIB, 16 * KIB, PIECES, True, "S")
    raw = build_metainfo(info, TIERS, "c", "m", 5, ["http://w/"])
    emptied = edit_metainfo(
        raw, trackers=[], comment="", created_by="", creation_date=None, url_list=[],
        private=False, source="",
    )  # fmt: skip
    assert emptied == build_metainfo(SINGLE)


def test_an_edit_of_nothing_changes_nothing() -> None:
    raw = build_metainfo(SINGLE, TIERS, "c", "m", 5, ["http://w/"])
    assert edit_metainfo(raw) == raw


def test_a_name_that_readers_would_change_is_refused() -> None:
    with pytest.raises(ValueError, match="leave its folder"):
        edit_metainfo(UNSORTED, name="..")
    with pytest.raises(ValueError, match="cannot be shared"):
        edit_metainfo(UNSORTED, name="a\tb")


NAMES = st.text(st.sampled_from("ab.é 日-"), min_size=1, max_size=5).filter(
    lambda name: name not in {".", ".."}
)


@given(
    NAMES, st.lists(st.integers(0, 40 * KIB), min_size=1, max_size=4).filter(any), st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"])),
)  # fmt: skip
def test_round_trip(name: str, lengths: list[int], private: bool, text: str) -> None:
    total = sum(lengths)
    files = [((f"f{index}",), length) for index, length in enumerate(lengths)]
    pieces = bytes(20 * -(-total // (16 * KIB)))
    info = build_info(name, files, 16 * KIB, pieces, private, text)
    metainfo = parse_metainfo(build_metainfo(info, comment=text))
    assert metainfo.name == name
    assert [(file.path, file.length) for file in metainfo.files] == files
    assert (metainfo.private, metainfo.source, metainfo.comment) == (private, text, text)
    assert metainfo.warnings == ()


def top(raw: bytes) -> dict[bytes, object]:
    value = decode_document(raw, allow_unsorted=True).value
    assert isinstance(value, dict)
    return dict(value)


CONTENT = {
    ("Z",): b"z" * 20_000,
    ("a", "z"): b"az" * 9_000,
    ("a-b",): b"-",
    ("a.txt",): b"text",
    ("empty",): b"",
    (".hidden",): b"h" * 16_384,
    ("é", "日本"): b"unicode",
}


@pytest.mark.parametrize("private", [False, True])
def test_libtorrent_makes_the_same_info_hash_of_a_folder(tmp_path: Path, private: bool) -> None:
    """With v1_only, which keeps the order given, keeps empty files and adds no padding."""
    lt = pytest.importorskip("libtorrent")
    for path, content in CONTENT.items():
        target = tmp_path.joinpath("folder", *path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    paths = sorted(CONTENT, key=lambda path: [part.encode() for part in path])
    entries = [
        lt.create_file_entry("/".join(("folder", *path)), len(CONTENT[path])) for path in paths
    ]
    theirs = made_by_libtorrent(lt, entries, tmp_path, private)
    info = build_info(
        "folder",
        [(path, len(CONTENT[path])) for path in paths],
        16 * KIB,
        hashes(b"".join(CONTENT[path] for path in paths)),
        private,
    )
    assert hashlib.sha1(info).digest() == hashlib.sha1(theirs).digest()


def test_libtorrent_makes_the_same_info_hash_of_a_file(tmp_path: Path) -> None:
    lt = pytest.importorskip("libtorrent")
    content = b"ab" * 30_000
    (tmp_path / "é.bin").write_bytes(content)
    entries = [lt.create_file_entry("é.bin", len(content))]
    theirs = made_by_libtorrent(lt, entries, tmp_path, False)
    info = build_info("é.bin", len(content), 16 * KIB, hashes(content))
    assert hashlib.sha1(info).digest() == hashlib.sha1(theirs).digest()
    ours = lt.load_torrent_buffer(build_metainfo(info, TIERS))
    assert ours.info_hashes.v1.to_bytes() == hashlib.sha1(theirs).digest()
    assert ours.trackers == ["http://a/announce", "http://b/announce", "udp://c:1"]
    assert ours.tracker_tiers == [0, 0, 1]


def made_by_libtorrent(lt: Any, entries: list[Any], folder: Path, private: bool) -> bytes:
    maker = lt.create_torrent(entries, 16 * KIB, lt.create_torrent.v1_only)
    maker.set_priv(private)
    lt.set_piece_hashes(maker, str(folder))
    info = lt.bencode(maker.generate()[b"info"])
    assert isinstance(info, bytes)
    return info


def hashes(content: bytes) -> bytes:
    parts = (content[start : start + 16 * KIB] for start in range(0, len(content), 16 * KIB))
    return b"".join(hashlib.sha1(part).digest() for part in parts)
