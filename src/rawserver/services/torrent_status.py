"""What a person or a program may know of a torrent at one moment."""

from dataclasses import dataclass
from enum import StrEnum


class TorrentState(StrEnum):
    """Where a torrent is in its life."""

    CHECKING = "checking"
    DOWNLOADING = "downloading"
    SEEDING = "seeding"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class TorrentStatus:
    """A snapshot: sizes in bytes, rates in bytes per second, times in seconds."""

    state: TorrentState
    total_size: int
    bytes_verified: int
    pieces_have: int
    num_pieces: int
    peers: int
    seeds: int
    bytes_downloaded: int
    bytes_uploaded: int
    bytes_wasted: int
    download_rate: float
    upload_rate: float
    seconds: float

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until the data is complete at the present rate; None while nothing comes in."""
        left = self.total_size - self.bytes_verified
        if left == 0:
            return 0.0
        return left / self.download_rate if self.download_rate > 0 else None
