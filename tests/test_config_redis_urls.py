"""URLs of several Redis servers."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.redis_settings import CLUSTER, SENTINEL, many_servers, url_mistake
from config.settings import read_settings


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    """User and password are those of every node, as they were written."""
    found = many_servers(
        "rediss+cluster://line:p%40ss@a.example:7001,[::1]:7002,b?ssl_ca_certs=/ca"
    )
    assert found is not None
    assert (found.kind, found.tls) == (CLUSTER, True)
    assert found.hosts == (("a.example", 7001), ("::1", 7002), ("b", 6379))
    assert found.url_of("::1", 7) == "rediss://line:p%40ss@[::1]:7?ssl_ca_certs=%2Fca"
    assert "p%40ss" not in repr(found)


def test_sentinels_are_named_with_their_name_for_the_master() -> None:
    """Sentinels may have a password of their own, which the data servers never see."""
    url = "redis+sentinel://u:one@h1,h2:5000/people?db=2&sentinel_password=t%2Fwo"
    found = many_servers(url)
    assert found is not None
    assert (found.kind, found.name, found.hosts) == (
        SENTINEL,
        "people",
        (("h1", 26379), ("h2", 5000)),
    )
    assert found.url_of("h", 1) == "redis://u:one@h:1?db=2"
    assert found.sentinel_url("h", 1) == "redis://:t%2Fwo@h:1"
    assert "t%2Fwo" not in repr(found)


@pytest.mark.parametrize("url", ["", "redis://h:1/0", "rediss://h", "unix:///tmp/x"])
def test_one_server_is_none_of_them(url: str) -> None:
    """What was set before means what it meant."""
    assert many_servers(url) is None
    assert url_mistake(url) == ""


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis+cluster://secret@", "HOST:PORT"),
        ("redis+cluster://h:1,,g:2", "HOST:PORT"),
        ("redis+cluster://h:port-secret", "from 1 to 65535"),
        ("redis+cluster://h:70000", "from 1 to 65535"),
        ("redis+cluster://h:1/2", "one database"),
        ("redis+cluster://h:1?db=1", "nothing follows"),
        ("redis+cluster://h:1?ssl_ca_certs=/secret", "nothing follows"),
        ("rediss+cluster://h:1?sll_ca_certs=/secret", "ssl_ca_certs"),
        ("redis+sentinel://h:1", "redis+sentinel://HOST:26379/mymaster"),
        ("redis+sentinel://h:1/a/b", "the name under which"),
        ("redis+sentinel://h:1/people?db=secret", "db is a number"),
        ("redis+sentinel://h:1/people?password=secret", "sentinel_password"),
    ],
)
def test_a_mistake_in_a_url_is_told_without_quoting_it(url: str, sentence: str) -> None:
    """What is wrong with the URL of Redis is told, and nothing of the URL."""
    said = url_mistake(url)
    assert sentence in said
    assert "secret" not in said.replace("sentinel_password", "")


def test_settings_are_refused_with_file_and_line(tmp_path: Path) -> None:
    """`dargah check` names the line of a URL that cannot be."""
    file = tmp_path / "own.toml"
    file.write_text('[redis]\ncache_url = "redis+sentinel://h:1"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"own.toml:2: redis.cache_url: the name under which"):
        read_settings(file, {})


def test_a_password_after_the_question_mark_is_not_written_plainly(tmp_path: Path) -> None:
    """The Sentinels' password too is given by environment or file."""
    file = tmp_path / "own.toml"
    url = "redis+sentinel://h:1/people?sentinel_password=abc"
    file.write_text(f'[redis]\nstate_url = "{url}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="never itself"):
        read_settings(file, {})
    file.write_text('[redis]\nstate_url = "env:URL"\n', encoding="utf-8")
    assert read_settings(file, {"URL": url}).redis.state_url.value == url
