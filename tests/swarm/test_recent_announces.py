from rawserver.swarm.recent_announces import RecentAnnounces

HASH = bytes(20)
PEER = b"-XX0001-abcdefghijkl"
IP = bytes([192, 0, 2, 1])


def test_who_came_is_to_stay_away_for_a_while() -> None:
    recent = RecentAnnounces(longest=100.0)
    assert recent.seconds_left(HASH, PEER, IP, 10.0) == 0.0
    recent.note(HASH, PEER, IP, 60.0, 10.0)
    assert recent.seconds_left(HASH, PEER, IP, 30.0) == 40.0
    assert recent.seconds_left(HASH, PEER, IP, 70.0) == 0.0


def test_another_torrent_peer_or_address_is_another() -> None:
    recent = RecentAnnounces(longest=100.0)
    recent.note(HASH, PEER, IP, 60.0, 0.0)
    assert not recent.seconds_left(b"x" * 20, PEER, IP, 1.0)
    assert not recent.seconds_left(HASH, b"x" * 20, IP, 1.0)
    assert not recent.seconds_left(HASH, PEER, b"x" * 4, 1.0)


def test_who_need_not_stay_away_is_forgotten() -> None:
    recent = RecentAnnounces(longest=100.0)
    recent.note(HASH, PEER, IP, 60.0, 0.0)
    recent.note(HASH, PEER, IP, 0.0, 1.0)
    assert recent.seconds_left(HASH, PEER, IP, 1.0) == 0.0
    assert len(recent) == 0


def test_none_is_forgotten_before_his_time() -> None:
    recent = RecentAnnounces(longest=10.0)
    for now in range(100):
        recent.note(HASH, PEER, now.to_bytes(4, "big"), 10.0, float(now))
        for came in range(max(0, now - 9), now + 1):
            left = recent.seconds_left(HASH, PEER, came.to_bytes(4, "big"), float(now))
            assert left == 10 - (now - came)
    assert len(recent) <= 22


def test_memory_has_a_bound() -> None:
    recent = RecentAnnounces(longest=100.0, max_remembered=10)
    for number in range(1000):
        recent.note(HASH, PEER, number.to_bytes(4, "big"), 50.0, 0.0)
        assert len(recent) <= 10
    assert recent.seconds_left(HASH, PEER, (999).to_bytes(4, "big"), 0.0) == 50.0
    assert recent.seconds_left(HASH, PEER, (1).to_bytes(4, "big"), 0.0) == 0.0


def test_after_a_long_silence_nobody_is_remembered() -> None:
    recent = RecentAnnounces(longest=10.0)
    recent.note(HASH, PEER, IP, 10.0, 0.0)
    recent.note(HASH, PEER, b"x" * 4, 10.0, 1000.0)
    assert len(recent) == 1
