"""A power cut takes back the last changes of folders, never one from the midst."""

import random

from rawserver.simulation.file_content import FileContent
from rawserver.simulation.folder import Folder
from rawserver.simulation.folder_journal import COMMIT_SECONDS, FolderJournal


def test_what_is_kept_is_a_beginning() -> None:
    kept = set()
    for seed in range(60):
        root, journal = Folder(None, 0), FolderJournal()
        for name in "abcd":
            journal.put(root, name, FileContent(0), 0.0)
        journal.crash(random.Random(seed), 0.0)
        kept.add("".join(root.entries))
    assert kept == {"", "a", "ab", "abc", "abcd"}


def test_what_was_replaced_and_removed_comes_back() -> None:
    old, new = FileContent(0), FileContent(0)
    seen = set()
    for seed in range(60):
        root, journal = Folder(None, 0), FolderJournal()
        journal.put(root, "a", old, 0.0)
        journal.commit()
        journal.put(root, "a", new, 0.0)
        journal.put(root, "a", None, 0.0)
        journal.crash(random.Random(seed), 0.0)
        seen.add(root.entries.get("a"))
    assert seen == {old, new, None}


def test_it_writes_itself_out_and_stays_short() -> None:
    root, journal = Folder(None, 0), FolderJournal()
    for number in range(1000):
        journal.put(root, str(number), FileContent(0), float(number))
    assert len(journal._changes) <= COMMIT_SECONDS + 1
    journal.crash(random.Random(1), 1000.0 + COMMIT_SECONDS)
    assert len(root.entries) == 1000
