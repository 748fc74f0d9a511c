from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.services.resume_record import FORMAT, ResumeError, ResumeRecord, resume_path
from rawserver.swarm.bitfield import Bitfield
from rawserver.wire.bencode import encode

INFO_HASH = bytes(range(20))
NUM_PIECES = 12


def record(*have: int, unsure: tuple[int, ...] = ()) -> ResumeRecord:
    bits = Bitfield(NUM_PIECES)
    for index in have:
        bits.set(index)
    return ResumeRecord(INFO_HASH, bits, unsure, ((5, 1_700_000_000_123_456_789), None, (0, 1)))


def document(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "format": FORMAT,
        "have": bytes(2),
        "info_hash": INFO_HASH,
        "stamps": [],
        "unsure": [],
    }
    fields |= changes
    return encode({key: value for key, value in fields.items() if value is not None})


def read(data: bytes) -> ResumeRecord:
    return ResumeRecord.from_bytes(data, INFO_HASH, NUM_PIECES)


def test_a_record_comes_back_as_it_was() -> None:
    noted = record(0, 3, 11, unsure=(3, 4))
    assert read(noted.to_bytes()) == noted


@given(
    st.sets(st.integers(0, NUM_PIECES - 1)),
    st.lists(st.integers(0, NUM_PIECES - 1), max_size=5),
    st.lists(st.none() | st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))),
)
def test_any_record_comes_back_as_it_was(
    have: set[int], unsure: list[int], stamps: list[tuple[int, int] | None]
) -> None:
    bits = Bitfield(NUM_PIECES)
    for index in have:
        bits.set(index)
    noted = ResumeRecord(INFO_HASH, bits, tuple(unsure), tuple(stamps))
    assert read(noted.to_bytes()) == noted


def test_a_time_before_1970_comes_back() -> None:
    noted = ResumeRecord(INFO_HASH, Bitfield(NUM_PIECES), (), ((1, -1),))
    assert read(noted.to_bytes()) == noted


def test_the_smallest_document_is_read() -> None:
    assert read(document()) == ResumeRecord(INFO_HASH, Bitfield(NUM_PIECES), (), ())


@pytest.mark.parametrize(
    "data",
    [
        document(format=FORMAT + 1),
        document(format=b"1"),
        document(format=None),
        document(info_hash=bytes(20)),
        document(info_hash=None),
        document(have=bytes(1)),
        document(have=bytes(3)),
        document(have=b"\0\x01"),  # a bit past the last piece
        document(have=None),
        document(unsure=[NUM_PIECES]),
        document(unsure=[-1]),
        document(unsure=[b"1"]),
        document(unsure=None),
        document(stamps=[[1]]),
        document(stamps=[[1, 2, 3]]),
        document(stamps=[[b"1", 2]]),
        document(stamps=[[-1, 2]]),
        document(stamps=[b"12"]),
        document(stamps=[7]),
        document(stamps=None),
        b"",
        b"le",
        b"i1e",
    ],
)
def test_what_is_no_record_of_this_torrent_is_refused(data: bytes) -> None:
    with pytest.raises(ResumeError):
        read(data)


def test_a_record_that_was_cut_off_or_has_a_tail_is_refused() -> None:
    data = record(1, 2).to_bytes()
    for length in range(len(data)):
        with pytest.raises(ResumeError):
            read(data[:length])
    with pytest.raises(ResumeError):
        read(data + b"e")


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(ResumeError):
        read(data)


@given(st.data())
def test_a_changed_byte_is_refused_or_gives_a_possible_record(data: st.DataObject) -> None:
    whole = bytearray(record(1, 2, unsure=(3,)).to_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(whole))
    except ResumeError:
        return
    assert found.have.size == NUM_PIECES
    assert all(0 <= index < NUM_PIECES for index in found.unsure)


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("/data/model.bin", "/data/.model.bin.rawserver-resume"),
        ("folder", ".folder.rawserver-resume"),
        ("/data/" + "n" * 200, "/data/." + "n" * 200 + ".rawserver-resume"),
    ],
)
def test_the_record_lies_hidden_beside_the_content(root: str, path: str) -> None:
    assert resume_path(root) == path


@pytest.mark.parametrize("name", ["n" * 255, "\u00e9" * 127, "\udcff" * 201])
def test_a_name_as_long_as_can_be_has_a_record_of_its_own(tmp_path: Path, name: str) -> None:
    place = Path(resume_path(str(tmp_path / name)))
    assert place.parent == tmp_path
    place.write_bytes(b"")  # the system takes it
    assert resume_path(str(tmp_path / name[:-1]) + "m") != str(place)
