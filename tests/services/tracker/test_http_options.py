from rawserver.engine import Limits
from rawserver.services.tracker.forwarded import parse_networks
from rawserver.services.tracker.http_options import DEFAULT_LIMITS, HttpOptions


def test_there_are_limits_without_asking_for_them() -> None:
    limits = HttpOptions().effective_limits
    assert limits is DEFAULT_LIMITS
    assert limits.total is not None
    assert limits.per_ip is not None
    assert limits.opening is not None
    assert limits.per_ip < limits.total


def test_who_comes_through_a_proxy_comes_from_one_address() -> None:
    options = HttpOptions(trusted_proxies=parse_networks(["10.0.0.1"]))
    assert options.effective_limits.per_ip is None
    assert options.effective_limits.total == DEFAULT_LIMITS.total


def test_limits_that_are_given_stand() -> None:
    limits = Limits(5)
    options = HttpOptions(limits=limits, trusted_proxies=parse_networks(["10.0.0.1"]))
    assert options.effective_limits is limits
