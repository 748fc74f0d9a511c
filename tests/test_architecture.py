"""The house rules as tests: who may import whom, what pure rooms may not touch, and size."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "rawserver"

MAY_IMPORT = {
    "engine": set(),
    "wire": set(),
    "swarm": {"wire"},
    "http": {"engine"},
    "simulation": {"engine"},
    "services": {"engine", "http", "swarm", "wire"},
    "cli": {"engine", "http", "services", "simulation", "swarm", "wire"},
}
# Time, chance, network and disk come in as arguments everywhere but where they are supplied.
SUPPLIERS = {"engine", "simulation"}
NOT_IN_PURE_ROOMS = {
    "asyncio", "concurrent", "io", "multiprocessing", "os", "pathlib", "random", "secrets",
    "select", "selectors", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile",
    "threading", "time",
}  # fmt: skip
NOT_OUTSIDE_SUPPLIERS = {"random", "secrets", "select", "selectors", "socket", "threading", "time"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 50


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the absolute name of each module that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports whole, not relative"
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    names = (name.split(".") for name in imported_modules(path))
    return {name[1] for name in names if name[0] == "rawserver" and len(name) > 1} & set(MAY_IMPORT)


def identify(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", sources(), ids=identify)
def test_rooms_import_only_what_they_may(path: Path) -> None:
    room = room_of(path)
    if room == "":
        return  # the package's front door and __main__ point inward
    assert rooms_imported(path) - {room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", sources(), ids=identify)
def test_the_world_comes_in_as_an_argument(path: Path) -> None:
    room = room_of(path)
    if room in SUPPLIERS or room in {"cli", ""}:
        return
    forbidden = NOT_IN_PURE_ROOMS if room in {"wire", "swarm"} else NOT_OUTSIDE_SUPPLIERS
    assert not {name.split(".")[0] for name in imported_modules(path)} & forbidden


@pytest.mark.parametrize("path", sorted((PACKAGE / "engine").rglob("*.py")), ids=identify)
def test_the_engine_needs_only_the_standard_library(path: Path) -> None:
    tops = {name.split(".")[0] for name in imported_modules(path)}
    assert tops <= set(sys.stdlib_module_names) | {"rawserver"}


def test_importing_the_engine_loads_the_standard_library_alone() -> None:
    # Isolated and without site-packages, so that nothing but the import itself loads anything.
    command = (
        "import sys; before = set(sys.modules); import rawserver; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    environment = {"PYTHONPATH": str(ROOT / "src")}
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.split()
    assert set(loaded) <= set(sys.stdlib_module_names) | {"rawserver"}
    assert "rawserver" in loaded


@pytest.mark.parametrize("path", sources(), ids=identify)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", sources(), ids=identify)
def test_every_source_file_has_its_own_test_file(path: Path) -> None:
    if path.name in {"__init__.py", "__main__.py"}:
        return
    relative = path.relative_to(PACKAGE)
    assert (ROOT / "tests" / relative.parent / f"test_{path.name}").exists()


def test_no_drawer_for_odds_and_ends() -> None:
    assert not {path.stem for path in sources()} & {"utils", "util", "helpers", "misc", "common"}
