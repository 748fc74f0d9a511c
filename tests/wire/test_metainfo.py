"""Torrent files: what is read, what is mended with a warning, what is refused and why."""

import hashlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rawserver.wire.bencode import encode
from rawserver.wire.metainfo import Metainfo, MetainfoError, MetainfoFile, parse_metainfo

HASHES = bytes(range(60))


def single(**changes: object) -> dict[str, object]:
    info = {"name": "a.bin", "length": 40, "piece length": 16, "pieces": HASHES}
    return {key: value for key, value in (info | changes).items() if value is not None}


def multiple(*files: object, **changes: object) -> dict[str, object]:
    return single(name="folder", length=None, files=list(files), **changes)


def entry(length: int, *path: str | bytes, **changes: object) -> dict[str, object]:
    return {"length": length, "path": list(path)} | changes


def read(info: object, **top: object) -> Metainfo:
    keys = {key.replace("_", "-"): value for key, value in top.items()}
    return parse_metainfo(encode({"info": info} | keys))


WHOLE = encode(
    {
        "announce": "http://a.example/announce",
        "announce-list": [["http://b.example/announce", "udp://c.example:1"], ["http://d.example"]],
        "comment": "a comment",
        "created by": "someone",
        "creation date": 1_700_000_000,
        "info": multiple(entry(10, "b"), entry(30, "d", "c"), private=1, source="S"),
        "url-list": ["http://seed.example/"],
    }
)


def test_reads_a_single_file() -> None:
    info = single()
    metainfo = read(info)
    assert metainfo.info_hash == hashlib.sha1(encode(info)).digest()
    assert metainfo.single
    assert metainfo.name == "a.bin"
    assert metainfo.files == (MetainfoFile(("a.bin",), 40, 0),)
    assert metainfo.total_size == 40
    assert metainfo.piece_length == 16
    assert metainfo.num_pieces == 3
    assert [metainfo.piece_size(index) for index in range(3)] == [16, 16, 8]
    assert [metainfo.piece_hash(index) for index in range(3)] == [
        HASHES[:20],
        HASHES[20:40],
        HASHES[40:],
    ]
    assert metainfo.raw_info == encode(info)
    assert metainfo.info[b"name"] == b"a.bin"
    assert metainfo.warnings == metainfo.trackers == metainfo.url_list == ()
    assert metainfo.creation_date is None
    assert not metainfo.private


def test_reads_everything_of_a_folder() -> None:
    metainfo = parse_metainfo(WHOLE)
    assert not metainfo.single
    assert metainfo.files == (MetainfoFile(("b",), 10, 0), MetainfoFile(("d", "c"), 30, 10))
    assert metainfo.trackers == (
        ("http://b.example/announce", "udp://c.example:1"),
        ("http://d.example",),
    )
    assert metainfo.comment == "a comment"
    assert metainfo.created_by == "someone"
    assert metainfo.creation_date == 1_700_000_000
    assert metainfo.private
    assert metainfo.source == "S"
    assert metainfo.url_list == ("http://seed.example/",)
    assert metainfo.raw == WHOLE
    assert metainfo.warnings == ()
    assert parse_metainfo(WHOLE) == metainfo
    assert hash(parse_metainfo(WHOLE)) == hash(metainfo)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_piece_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        read(single()).piece_size(index)
    with pytest.raises(IndexError):
        read(single()).piece_hash(index)


def test_the_info_hash_is_of_the_bytes_as_they_stand() -> None:
    info = b"d6:pieces20:" + HASHES[:20] + b"4:name1:a6:lengthi5e12:piece lengthi16ee"
    metainfo = parse_metainfo(b"d4:info" + info + b"e")
    assert metainfo.info_hash == hashlib.sha1(info).digest()
    assert metainfo.warnings == ("the keys of a dictionary are not sorted",)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (single(name=None), "no name"),
        (single(name=7), "no name"),
        (single(name=".."), "leave its folder"),
        (single(name=""), "no parts"),
        (single(name="a/b"), "separator"),
        (single(length=None), "has no length"),
        (single(length=-1), "not between"),
        (single(length=2**63), "not between"),
        (single(length="5"), "has no length"),
        (single(length=0, pieces=b""), "no bytes at all"),
        (single(length=48 + 1), "need 4 hashes, not 3"),
        (single(length=32), "need 2 hashes, not 3"),
        (single(pieces=b""), "need 3 hashes, not 0"),
        (single(pieces=None), "no piece hashes"),
        (single(pieces=HASHES[:-1]), "not a multiple of 20"),
        ({**single(), "piece length": 0}, "piece length 0"),
        ({**single(), "piece length": -16}, "piece length -16"),
        ({**single(), "piece length": 2**30}, "piece length 1073741824"),
        ({**single(), "piece length": "x"}, "no piece length"),
        (multiple(), "empty or no list"),
        (single(files={}), "empty or no list"),
        (multiple(7), "file 0 is not a dictionary"),
        (multiple(entry(40)), "file 0 has no path"),
        (multiple({"path": ["a"]}), "file 0 has no length"),
        (multiple({"length": 40, "path": "a"}), "file 0 has no path"),
        (multiple({"length": 40, "path": [7]}), "not a string"),
        (multiple(entry(40, "a"), entry(0, "..", "a")), "file 1 is refused: .* leave its folder"),
        (multiple(*[entry(1, "a")] * 502), "more than 500 files share a path"),
        (multiple(entry(40, *["a"] * 101)), "101 parts"),
        (multiple(entry(2**63 - 1, "a"), entry(1, "b")), "more than 2"),
        ({"name": "a", "meta version": 2, "file tree": {}, "piece length": 16384}, "version 2"),
        ("text", "no info dictionary"),
    ],
)
def test_refuses_with_one_clear_line(info: object, reason: str) -> None:
    with pytest.raises(MetainfoError, match=reason) as caught:
        read(info)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"x", b"de", b"le", b"i1e", b"<html>", WHOLE + b"\n"])
def test_refuses_what_is_no_torrent_file(data: bytes) -> None:
    with pytest.raises(MetainfoError, match="not a torrent file"):
        parse_metainfo(data)


def test_limits_the_document_and_the_pieces() -> None:
    with pytest.raises(MetainfoError, match="limit of 10000000"):
        parse_metainfo(b"d" + b"x" * 10_000_000)
    with pytest.raises(MetainfoError, match="need 2097153 hashes, not 3"):
        read({**single(length=2_097_153), "piece length": 1})


def test_empty_files_take_no_room() -> None:
    metainfo = read(multiple(entry(0, "a"), entry(40, "b"), entry(0, "c")))
    assert [(file.length, file.offset) for file in metainfo.files] == [(0, 0), (40, 0), (0, 40)]


def test_padding_is_known_by_attribute_or_by_name() -> None:
    metainfo = read(
        multiple(
            entry(10, "a"),
            entry(6, "pad", attr="p"),
            entry(4, ".pad", "4"),
            entry(4, ".pad", "4"),
            entry(8, ".pad", "notes"),
            entry(8, "x", attr="xh"),
        )
    )
    assert [file.padding for file in metainfo.files] == [False, True, True, True, False, False]
    assert metainfo.warnings == ()


def test_a_symbolic_link_is_an_ordinary_file() -> None:
    link = {"attr": "l", "path": ["b"], "symlink path": ["..", "..", "etc"]}
    metainfo = read(multiple(entry(40, "a"), link))
    assert metainfo.files[1] == MetainfoFile(("b",), 0, 40)
    assert "symbolic link" in metainfo.warnings[0]


def test_a_hybrid_torrent_is_read_as_version_1() -> None:
    info = {**single(), "meta version": 2, "file tree": {"a.bin": {"": {"length": 40}}}}
    assert read(info).num_pieces == 3


def test_names_in_utf_8_win_and_others_are_replaced_visibly() -> None:
    file = {**entry(40, b"caf\xe9"), "path.utf-8": ["café"]}
    assert read(multiple(file)).files[0].path == ("café",)
    metainfo = read(multiple(entry(40, b"caf\xe9"), **{"name.utf-8": "dossier"}))
    assert metainfo.name == "dossier"
    assert metainfo.files[0].path == ("caf\ufffd",)
    assert len(metainfo.warnings) == 1


def test_files_that_share_a_path_are_separated() -> None:
    metainfo = read(multiple(entry(20, "a"), entry(10, "a"), entry(10, "a", "b")))
    assert [file.path for file in metainfo.files] == [("a.1",), ("a.2",), ("a", "b")]
    assert len(metainfo.warnings) == 2


def test_windows_names_are_kept_unless_asked_for() -> None:
    data = encode({"info": single(name="aux.c")})
    assert parse_metainfo(data).files[0].path == ("aux.c",)
    assert parse_metainfo(data, windows=True).files[0].path == ("aux_.c",)


def test_both_a_length_and_files() -> None:
    metainfo = read({**multiple(entry(40, "a")), "length": 7})
    assert metainfo.total_size == 40
    assert "the list counts" in metainfo.warnings[0]


@pytest.mark.parametrize(
    ("top", "trackers", "warnings"),
    [
        ({"announce": "http://a"}, (("http://a",),), 0),
        ({"announce": "http://a", "announce_list": []}, (("http://a",),), 0),
        ({"announce": "http://a", "announce_list": [[]]}, (("http://a",),), 0),
        ({"announce": "http://a", "announce_list": [["http://b"]]}, (("http://b",),), 0),
        ({"announce_list": [[], ["http://a", ""], []]}, (("http://a",),), 0),
        (
            {"announce_list": [["http://a", "http://b"], ["http://a"], ["http://c"]]},
            (("http://a", "http://b"), ("http://c",)),
            0,
        ),
        ({"announce_list": ["http://a", "http://b"]}, (("http://a",), ("http://b",)), 0),
        ({"announce_list": [["junk", "http://a"], [7]]}, (("http://a",),), 2),
        ({"announce": " http://a\n"}, (("http://a",),), 0),
        ({"announce": "http://a/\r\nX: y"}, (), 1),
        ({"announce": b"http://\xff"}, (), 1),
        ({"announce": ""}, (), 0),
        ({"announce": {}}, (), 1),
    ],
)
def test_trackers(top: dict[str, object], trackers: object, warnings: int) -> None:
    metainfo = read(single(), **top)
    assert metainfo.trackers == trackers
    assert len(metainfo.warnings) == warnings


@pytest.mark.parametrize(
    ("value", "urls"),
    [("http://a", ("http://a",)), (["http://a", "http://b"], ("http://a", "http://b")), ("", ())],
)
def test_web_seeds_as_a_string_or_a_list(value: object, urls: object) -> None:
    assert read(single(), url_list=value).url_list == urls


def test_trackers_and_warnings_are_limited() -> None:
    metainfo = read(single(), announce_list=[[f"http://a{number}" for number in range(1200)]])
    assert len(metainfo.trackers[0]) == 1000
    assert len(metainfo.warnings) == 101
    assert metainfo.warnings[-1] == "and 100 more warnings"


@pytest.mark.parametrize("date", [-1, 10**15, "today", []])
def test_a_date_that_is_none(date: object) -> None:
    metainfo = parse_metainfo(encode({"creation date": date, "info": single()}))
    assert metainfo.creation_date is None
    assert len(metainfo.warnings) == 1


def test_text_that_is_none() -> None:
    metainfo = read(single(), comment=7)
    assert metainfo.comment == ""
    assert metainfo.warnings == ("the comment is not text",)


def test_every_truncation_and_tail_is_refused() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(MetainfoError):
            parse_metainfo(WHOLE[:length])
    with pytest.raises(MetainfoError):
        parse_metainfo(WHOLE + b"e")


MUTATIONS = st.lists(
    st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3), st.integers(0, 3)), max_size=4
)


@given(MUTATIONS)
@settings(max_examples=300)
def test_any_change_gives_a_metainfo_or_its_error(mutations: list[tuple[int, bytes, int]]) -> None:
    data = WHOLE
    for at, text, removed in mutations:
        data = data[:at] + text + data[at + removed :]
    check(data)


JUNK = st.recursive(
    st.integers(-1, 50) | st.binary(max_size=4) | st.sampled_from([HASHES, b"..", b"http://a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([b"length", b"path", b"attr"]), inner, max_size=3)
    ),
    max_leaves=6,
)
INFO_KEYS = ["name", "length", "files", "piece length", "pieces", "private", "source", "name.utf-8"]
TOP_KEYS = ["announce", "announce-list", "comment", "creation date", "url-list", "created by"]


@given(
    st.dictionaries(st.sampled_from(INFO_KEYS), JUNK),
    st.dictionaries(st.sampled_from(TOP_KEYS), JUNK),
)
@example({"files": [{"length": 40, "path": [b"a"], "attr": 7}]}, {})
def test_any_value_in_any_place_gives_a_metainfo_or_its_error(
    info: dict[str, object], top: dict[str, object]
) -> None:
    check(encode({"info": single() | info} | top))


def check(data: bytes) -> None:
    try:
        metainfo = parse_metainfo(data)
    except MetainfoError as error:
        one_line = str(error).splitlines() == [str(error)]
    else:
        assert sum(metainfo.piece_size(index) for index in range(metainfo.num_pieces)) == (
            metainfo.total_size
        )
        one_line = all("\n" not in warning for warning in metainfo.warnings)
        for file in metainfo.files:
            assert ".." not in file.path
    assert one_line


@given(MUTATIONS)
def test_another_client_agrees_on_what_we_accept(mutations: list[tuple[int, bytes, int]]) -> None:
    libtorrent = pytest.importorskip("libtorrent")
    data = WHOLE
    for at, text, removed in mutations[:1]:
        data = data[:at] + text + data[at + removed :]
    try:
        ours = parse_metainfo(data)
        loaded = libtorrent.load_torrent_buffer(data)
    except (MetainfoError, RuntimeError):
        return
    assert loaded.info_hashes.v1.to_bytes() == ours.info_hash
    theirs = loaded.ti
    assert theirs.total_size() == ours.total_size
    assert theirs.num_pieces() == ours.num_pieces
    assert theirs.num_files() == len(ours.files)
