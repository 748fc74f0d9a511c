"""Where a shared store is said to be."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.services.tracker.redis_url import RedisUrl, parse_redis_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://localhost", RedisUrl(("localhost", 6379))),
        ("redis://store.example:7000/3", RedisUrl(("store.example", 7000), database=3)),
        ("valkey://store.example/", RedisUrl(("store.example", 6379))),
        ("rediss://[2001:db8::1]:7001", RedisUrl(("2001:db8::1", 7001), tls=True)),
        ("valkeys://store.example", RedisUrl(("store.example", 6379), tls=True)),
        ("redis://:se%40cret@h", RedisUrl(("h", 6379), password="se@cret")),
        ("redis://ann:pw@h:1/2", RedisUrl(("h", 1), "ann", "pw", 2)),
        ("unix:///run/redis.sock", RedisUrl("/run/redis.sock")),
        ("unix:///run/a%20b?db=4", RedisUrl("/run/a b", database=4)),
        ("unix://ann:pw@/run/redis.sock", RedisUrl("/run/redis.sock", "ann", "pw")),
    ],
)
def test_what_a_url_says(text: str, url: RedisUrl) -> None:
    assert parse_redis_url(text) == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://localhost", "begins with redis://"),
        ("localhost:6379", "begins with redis://"),
        ("redis://", "no host"),
        ("redis:///3", "no host"),
        ("redis://h:99999", "no possible host or port"),
        ("redis://[::1", "no possible host or port"),
        ("redis://h/first", "a number from 0"),
        ("redis://h/-1", "a number from 0"),
        ("redis://h/0?timeout=3", "nothing may follow"),
        ("redis://ann@h", "user without a password"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix://", "three slashes"),
        ("unix:///run/redis.sock?db=x", "a number from 0"),
    ],
)
def test_what_is_no_url(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_redis_url(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://ann:secret@h/1", "redis://h:6379/1"),
        ("rediss://:secret@[2001:db8::1]", "rediss://[2001:db8::1]:6379/0"),
        ("unix://ann:secret@/run/s", "unix:///run/s"),
    ],
)
def test_a_password_is_shown_to_nobody(text: str, shown: str) -> None:
    assert str(parse_redis_url(text)) == shown


@pytest.mark.parametrize(
    "text", ["http://:secret@h", "redis://:secret@h/x", "redis://:secret@", "redis://:secret@h:x"]
)
def test_nor_is_the_password_of_what_is_no_url(text: str) -> None:
    with pytest.raises(ValueError, match="store") as caught:
        parse_redis_url(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.sampled_from(["", "redis://", "unix://"]), st.text())
def test_any_text_is_a_url_or_is_none(scheme: str, text: str) -> None:
    with suppress(ValueError):
        assert parse_redis_url(scheme + text).address
