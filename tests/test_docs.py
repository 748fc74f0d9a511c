"""The documents: what they name is there, and their programs are those that are tested."""

import re
from pathlib import Path

import pytest

from rawserver.cli.tracker import tracker

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "bench" / "README.md"]


def python_blocks(document: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        assert "://" in target or (document.parent / target).exists(), target


def test_every_row_of_the_engine_names_tests_that_are_there() -> None:
    rows = [
        row.split("|")
        for row in (ROOT / "docs" / "engine.md").read_text(encoding="utf-8").splitlines()
        if row.startswith("| ") and "tested in" not in row
    ]
    assert len(rows) > 40
    for _, feature, how, tests, _ in rows:
        names = re.findall(r"`([^`]+)`", tests)
        # Only the heading of a group has no tests, and says nothing else either.
        assert names or (feature.strip().startswith("**") and not how.strip()), feature
        for name in names:
            assert (ROOT / "tests" / name).is_file(), name


def test_the_programs_of_the_readme_are_the_examples() -> None:
    blocks = python_blocks(ROOT / "README.md")
    for name in ("echo.py", "chat_room.py", "tracker.py"):
        text = (ROOT / "examples" / name).read_text(encoding="utf-8")
        code = text.partition('"""\n\n')[2] if text.startswith('"""') else text
        assert any(code.strip() in block for block in blocks), name


def test_the_echo_server_is_fifteen_lines_and_the_service_forty() -> None:
    for name, most in (("echo.py", 15), ("chat_room.py", 40)):
        lines = (ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()
        assert sum(bool(line.strip()) for line in lines) <= most


def test_the_tracker_in_its_document_is_the_example() -> None:
    [block] = python_blocks(ROOT / "docs" / "tracker.md")
    assert block == (ROOT / "examples" / "tracker.py").read_text(encoding="utf-8")


def test_the_trackers_document_has_all_options_of_the_command_and_no_others() -> None:
    named = set(
        re.findall(r"`?--([a-z][a-z-]*)", (ROOT / "docs" / "tracker.md").read_text("utf-8"))
    )
    options = {
        name.removeprefix("--")
        for param in tracker.params
        for name in (*param.opts, *param.secondary_opts)
    }
    assert named - options <= {"help"}
    told = {name.removeprefix("no-") for name in named}
    assert {name.removeprefix("no-") for name in options} - told <= {"json"}
