"""The tracker: tells the peers of a torrent of each other, by HTTP and UDP, on one RawServer."""

from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.catalog import Catalog, Listed
from rawserver.services.tracker.gate import Gate, Refused, Watcher
from rawserver.services.tracker.tracker import Tracker

__all__ = ["Asker", "Catalog", "Gate", "Listed", "Refused", "Tracker", "Watcher"]
