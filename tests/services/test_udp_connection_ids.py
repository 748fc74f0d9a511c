from rawserver.services.udp_connection_ids import LIFETIME_SECONDS, MOST_IDS, UdpConnectionIds

A, B = ("192.0.2.1", 80), ("192.0.2.2", 80)


def test_an_id_is_good_for_a_minute() -> None:
    ids = UdpConnectionIds()
    assert ids.get(A, 0.0) is None
    ids.put(A, b"12345678", 100.0)
    assert ids.get(A, 100.0 + LIFETIME_SECONDS - 0.1) == b"12345678"
    assert ids.get(A, 100.0 + LIFETIME_SECONDS) is None
    assert ids.get(B, 100.0) is None


def test_a_newer_id_takes_the_place_of_the_old() -> None:
    ids = UdpConnectionIds()
    ids.put(A, b"12345678", 100.0)
    ids.put(A, b"abcdefgh", 150.0)
    assert ids.get(A, 200.0) == b"abcdefgh"
    assert len(ids) == 1


def test_an_id_that_is_not_taken_is_forgotten() -> None:
    ids = UdpConnectionIds()
    ids.drop(A)
    ids.put(A, b"12345678", 100.0)
    ids.drop(A)
    assert ids.get(A, 100.0) is None


def test_old_ids_go_and_there_are_never_many() -> None:
    ids = UdpConnectionIds()
    ids.put(A, b"12345678", 0.0)
    ids.put(B, b"12345678", LIFETIME_SECONDS)
    assert len(ids) == 1
    for number in range(2 * MOST_IDS):
        ids.put(("192.0.2.3", number), b"12345678", LIFETIME_SECONDS + number / 1000)
    assert len(ids) <= MOST_IDS
    assert ids.get(("192.0.2.3", 2 * MOST_IDS - 1), LIFETIME_SECONDS + 2) == b"12345678"
