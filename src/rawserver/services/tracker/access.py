"""What a tracker's gates say of whoever asks for anything but an announce."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Refused

if TYPE_CHECKING:
    from rawserver.services.tracker.tracker import Tracker


class Access:
    """Asks those of a tracker's gates that have something to say of it; see `Gate`."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def admit(self, asker: Asker) -> None:
        """Raise Refused for who may not scrape, nor have a .torrent."""
        for gate in self._tracker.gates:
            admit = getattr(gate, "admit", None)
            if admit is not None:
                try:
                    admit(asker)
                except Refused:
                    self._tracker.counters.note_refusal(gate)
                    raise

    def shows(self, info_hash: bytes) -> bool:
        """Tell whether others may hear of a torrent."""
        for gate in self._tracker.gates:
            shows = getattr(gate, "shows", None)
            if shows is not None and not shows(info_hash):
                return False
        return True

    def refuses(self, ip: bytes) -> bool:
        """Tell whether a packed address gets no answer at all."""
        for gate in self._tracker.gates:
            refuses = getattr(gate, "refuses", None)
            if refuses is not None and refuses(ip):
                self._tracker.counters.note_refusal(gate)
                return True
        return False
