"""A tracker's state on a disk: saved, loaded, refused, and not saved."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from kit.loop import run_until
from rawserver import RawServer
from rawserver.services.tracker import state_file
from rawserver.services.tracker.state_file import StateFile


class Words:
    """A section that remembers words."""

    name = "words"

    def __init__(self, *words: bytes) -> None:
        self.words = list(words)
        self.away = -1.0

    def dump(self, now: float) -> Iterator[bytes]:
        yield from self.words

    def restore(self, blocks: Iterable[bytes], now: float, away: float) -> None:
        self.words = list(blocks)
        self.away = away
        if b"nonsense" in self.words:
            raise ValueError("the words make no sense")


def save(raw_server: RawServer, state: StateFile) -> None:
    done: list[int] = []
    state.save(lambda: done.append(1))
    run_until(raw_server, lambda: done)


def test_what_is_saved_is_loaded(raw_server: RawServer, tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    saved = StateFile(raw_server, path, [Words(b"hello", b"world")])
    save(raw_server, saved)
    assert saved.saved_at is not None
    words = Words()
    assert StateFile(raw_server, path, [words]).load() == ""
    assert words.words == [b"hello", b"world"]
    assert 0 <= words.away < 60


def test_without_a_file_it_begins_with_nothing(raw_server: RawServer, tmp_path: Path) -> None:
    words = Words(b"still")
    assert StateFile(raw_server, str(tmp_path / "none"), [words]).load() == ""
    assert words.words == [b"still"]


@pytest.mark.parametrize("content", [b"", b"junk", b"RawServer tracker state 1\njunk"])
def test_a_damaged_file_is_said_to_be_and_kept_aside(
    raw_server: RawServer, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    told = StateFile(raw_server, str(path), [Words()]).load()
    assert told.startswith(f"{path}: ")
    assert told.endswith("begins anew")
    assert not path.exists()
    assert (tmp_path / "state.damaged").read_bytes() == content


def test_a_section_that_makes_no_sense_is_damage(raw_server: RawServer, tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    save(raw_server, StateFile(raw_server, path, [Words(b"nonsense")]))
    assert "the words make no sense" in StateFile(raw_server, path, [Words()]).load()


def test_a_section_that_nobody_wants_is_passed_over(raw_server: RawServer, tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    save(raw_server, StateFile(raw_server, path, [Words(b"hello")]))
    assert StateFile(raw_server, path, []).load() == ""


def test_it_is_saved_again_and_again(raw_server: RawServer, tmp_path: Path) -> None:
    path, words = tmp_path / "state", Words(b"one")
    StateFile(raw_server, str(path), [words], interval=0.01).start()
    run_until(raw_server, path.exists)
    words.words = [b"two"]
    run_until(raw_server, lambda: b"two" in path.read_bytes())


def test_a_long_state_is_made_over_several_turns(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "SLICE_SECONDS", 0.0)
    path = str(tmp_path / "state")
    many = [b"%d" % number for number in range(1, 50)]
    turns: list[int] = []
    done: list[int] = []
    StateFile(raw_server, path, [Words(*many)]).save(lambda: done.append(1))

    def turn() -> None:
        turns.append(1)
        raw_server.add_task(turn)

    turn()
    run_until(raw_server, lambda: done)
    assert len(turns) > len(many)
    words = Words()
    StateFile(raw_server, path, [words]).load()
    assert words.words == many


def test_who_asks_during_a_save_gets_another(raw_server: RawServer, tmp_path: Path) -> None:
    path, words = str(tmp_path / "state"), Words(b"one")
    state = StateFile(raw_server, path, [words])
    done: list[str] = []
    state.save(lambda: done.append("first"))
    words.words = [b"two"]
    state.save(lambda: done.append("second"))
    run_until(raw_server, lambda: len(done) == 2)
    read = Words()
    StateFile(raw_server, path, [read]).load()
    assert (done, read.words) == (["first", "second"], [b"two"])


def test_a_section_that_fails_costs_this_save_alone(tmp_path: Path) -> None:
    reported: list[tuple[int, str]] = []
    raw_server = RawServer(errorfunc=lambda level, text: reported.append((level, text)))

    class Faulty(Words):
        def dump(self, now: float) -> Iterator[bytes]:
            yield b"one"
            if self.words:
                raise LookupError("a fault of ours")

    words, path = Faulty(b"one"), tmp_path / "state"
    state = StateFile(raw_server, str(path), [words])
    save(raw_server, state)
    assert not path.exists()
    assert "LookupError" in reported[0][1]
    assert "state was not saved" in reported[1][1]
    words.words = []
    save(raw_server, state)
    assert path.exists()
    raw_server.close()


def test_what_cannot_be_saved_is_reported_once(tmp_path: Path) -> None:
    reported: list[tuple[int, str]] = []
    raw_server = RawServer(errorfunc=lambda level, text: reported.append((level, text)))
    folder = tmp_path / "folder"
    state = StateFile(raw_server, str(folder / "state"), [Words(b"one")])
    for _ in range(2):
        save(raw_server, state)
    ((level, text),) = reported
    assert level == logging.WARNING
    assert text.startswith(f"the tracker's state was not saved: {folder}/state: ")
    assert state.saved_at is None
    folder.mkdir()
    save(raw_server, state)
    assert state.saved_at is not None
    raw_server.close()
