"""What a Redis URL says, and what of it may be shown."""

import pytest

from orchestrator.settings.redis_url import RedisUrl, parse_redis_url, redacted


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://h", RedisUrl("redis", (("h", 6379),))),
        ("rediss://h:6380/3", RedisUrl("rediss", (("h", 6380),), db=3)),
        ("redis://:p%40s%2Fs@h", RedisUrl("redis", (("h", 6379),), password="p@s/s")),
        ("redis://red-abc:secret@h:1", RedisUrl("redis", (("h", 1),), username="red-abc", password="secret")),
        ("redis://[::1]:1/2", RedisUrl("redis", (("::1", 1),), db=2)),
        ("redis://h?db=2", RedisUrl("redis", (("h", 6379),), db=2, options={"db": "2"})),
        ("unix:///run/r.sock?db=1", RedisUrl("unix", path="/run/r.sock", db=1, options={"db": "1"})),
        ("unix://u:p@/run/r.sock", RedisUrl("unix", path="/run/r.sock", username="u", password="p")),
        ("redis-sentinel://a,b:2/m/1", RedisUrl("redis-sentinel", (("a", 26379), ("b", 2)), db=1, service="m")),
        ("rediss-cluster://a,b:2/0", RedisUrl("rediss-cluster", (("a", 6379), ("b", 2)))),
    ],
)
def test_a_url_is_taken_apart(text: str, url: RedisUrl) -> None:
    assert parse_redis_url(text) == url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:hush@h:1/0", "redis://:***@h:1/0"),
        ("rediss://user:hush@h", "rediss://user:***@h:6379/0"),
        ("unix://:hush@/run/r.sock?db=2", "unix://:***@/run/r.sock?db=2"),
        (
            "redis-sentinel://:hush@a,b/m/1?sentinel_password=hush",
            "redis-sentinel://:***@a:26379,b:26379/m/1",
        ),
        ("redis://[::1]", "redis://[::1]:6379/0"),
        ("http://u:hush@h/x?token=hush", "http://***@h/x"),
    ],
)
def test_what_is_shown_holds_no_secret(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_the_parts_do_not_show_the_secret_either() -> None:
    assert "hush" not in repr(parse_redis_url("redis-sentinel://:hush@a/m?sentinel_password=hush"))
