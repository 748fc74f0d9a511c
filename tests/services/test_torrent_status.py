import dataclasses

from rawserver.services.torrent_status import TorrentState, TorrentStatus

STATUS = TorrentStatus(
    state=TorrentState.DOWNLOADING,
    total_size=1000,
    bytes_verified=400,
    pieces_have=4,
    num_pieces=10,
    peers=2,
    seeds=1,
    bytes_downloaded=450,
    bytes_uploaded=10,
    bytes_wasted=0,
    download_rate=60.0,
    upload_rate=0.0,
    seconds=5.0,
)


def test_the_time_left_follows_from_the_rate() -> None:
    assert STATUS.eta_seconds == 10.0


def test_the_time_left_is_unknown_while_nothing_comes_in() -> None:
    assert dataclasses.replace(STATUS, download_rate=0.0).eta_seconds is None


def test_no_time_is_left_when_complete() -> None:
    assert dataclasses.replace(STATUS, bytes_verified=1000, download_rate=0.0).eta_seconds == 0.0


def test_the_state_reads_as_a_word() -> None:
    assert f"{STATUS.state}" == "downloading"
