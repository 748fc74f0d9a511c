"""Where the data of a torrent lies, when a person has named a place near it."""

from __future__ import annotations

import os

from rawserver.cli.command_error import CommandError
from rawserver.wire.metainfo import Metainfo


def locate_data(metainfo: Metainfo, given: str) -> str:
    """Return the path of the torrent's file, or of the folder that holds its files.

    `given` is that path itself, or the folder in which it lies under the torrent's name.
    Raises CommandError when it is neither.
    """
    inside = os.path.join(given, metainfo.name)
    if metainfo.single:
        candidates = (given, inside)
        found = [path for path in candidates if os.path.isfile(path)]
    else:
        # The folder by its name first: `given` is a folder in both cases.
        found = [path for path in (inside, given) if os.path.isdir(path)]
    if not found:
        kind = "file" if metainfo.single else "folder"
        at = given if metainfo.single and not os.path.isdir(given) else inside
        raise CommandError(f"{at}: there is no such {kind}")
    return found[0]
