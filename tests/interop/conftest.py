"""Data to move, and commands that are gone when the test is over."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from interop.peers.ours import Ours

MIB = 1024 * 1024


class Closable(Protocol):
    def close(self) -> None: ...


@pytest.fixture(scope="session")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 200 MiB of chance."""
    path = tmp_path_factory.mktemp("big") / "big.bin"
    chance = random.Random(200)
    with path.open("wb") as file:
        for _ in range(200):
            file.write(chance.randbytes(MIB))
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 300 files: nested, with names in several scripts, some empty, 24 MiB in all."""
    root = tmp_path_factory.mktemp("data") / "a folder, ünïcode"
    chance = random.Random(300)
    names = ["plain", "with blank", "grüße", "данные", "数据", ".hidden", "emoji-🌊"]
    for number in range(300):
        parts = [f"level{depth}" for depth in range(number % 4)]
        place = root.joinpath(*parts, f"{names[number % len(names)]}-{number}.dat")
        place.parent.mkdir(parents=True, exist_ok=True)
        size = 0 if number % 25 == 0 else chance.randrange(1, 170_000)
        place.write_bytes(chance.randbytes(size))
    return root


@pytest.fixture
def closing() -> Iterator[Callable[[Closable], Closable]]:
    """Close what is passed through it when the test is over, the last first."""
    opened: list[Closable] = []

    def add(thing: Closable) -> Closable:
        opened.append(thing)
        return thing

    yield add
    for thing in reversed(opened):
        thing.close()


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Callable[..., Ours]]:
    """Start our commands in a folder of the test's own."""
    started: list[Ours] = []

    def start(*arguments: str) -> Ours:
        command = Ours(tmp_path, *arguments)
        started.append(command)
        return command

    yield start
    for command in reversed(started):
        command.close()
