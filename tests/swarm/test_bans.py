from rawserver.swarm.bans import STRIKES_OF_A_SHARED_HOST, Bans


def test_a_host_of_its_own_is_banned_at_once() -> None:
    bans = Bans()
    assert bans.strike(("10.0.0.1", 1), shared=False)
    assert "10.0.0.1" in bans
    assert "10.0.0.2" not in bans


def test_a_shared_host_is_banned_when_others_of_its_peers_go_on() -> None:
    bans = Bans()
    for port in range(1, STRIKES_OF_A_SHARED_HOST):
        assert not bans.strike(("10.0.0.1", port), shared=True)
        assert "10.0.0.1" not in bans
    assert bans.strike(("10.0.0.1", 99), shared=True)
    assert "10.0.0.1" in bans


def test_one_peer_counts_once() -> None:
    bans = Bans()
    for _ in range(2 * STRIKES_OF_A_SHARED_HOST):
        assert not bans.strike(("10.0.0.1", 1), shared=True)
    assert bans.is_guilty(("10.0.0.1", 1))
    assert not bans.is_guilty(("10.0.0.1", 2))
    assert not bans.is_guilty(("10.0.0.2", 1))
