"""A gateway with a registry behind it, as an operator sets it up."""

import json
import sqlite3
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.errors import ConfigError
from config.settings import Settings, read_settings
from dargah.registry_of_settings import registry_of
from dargah.wiring import clock
from eligibility.registry import Registry
from tests.gateway_process import (
    ANY_PORTS,
    GatewayProcess,
    dargah,
    environment_of,
    running_gateway,
)
from tests.loading import csv_of, line, national

BOTH, REGISTERED, NOBODY = (national(n) for n in (369258147, 369258148, 369258149))
OWN = '[registry]\nurl = "sqlite:///registry.sqlite3"\nfaults = 2\npause = 3600.0\n'
OWN += "longest_pause = 3600.0\n"


def settings_of(tmp_path: Path, text: str, **environ: str) -> Settings:
    """The settings of a file with this text."""
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path, {"DARGAH_DATA": str(tmp_path), **environ})


def asked(gateway: GatewayProcess, key: str, digits: str) -> dict[str, object]:
    """What a provider's system is answered."""
    place = urlsplit(gateway.http)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
    body, headers = json.dumps({"national_id": digits}), {"Authorization": f"Bearer {key}"}
    connection.request("POST", "/v1/eligibility", body, headers)
    answer: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def page(url: str, path: str) -> tuple[int, str]:
    """Status and text of a page of a gateway."""
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_from_file_to_answer(tmp_path: Path) -> None:
    """Who is only in the registry is answered; when it fails, people are still answered for."""
    data, settings = tmp_path / "data", tmp_path / "settings.toml"
    settings.write_text(ANY_PORTS + OWN, encoding="utf-8")
    environment = environment_of(data, settings)
    export, whole = tmp_path / "export.csv", tmp_path / "whole.csv"
    export.write_text(csv_of([line(BOTH)]), encoding="utf-8")
    whole.write_text(csv_of([line(BOTH), line(REGISTERED, valid_until="2090-01-02")]))
    filled = dargah("registry", "fill", str(whole), environment=environment)
    assert filled.stdout.startswith("2 people are in "), filled.stderr
    with running_gateway(settings=ANY_PORTS + OWN, folder=data) as gateway:
        assert gateway.run("load", str(export)).returncode == 0
        key = gateway.run("key", "create", "test").stdout.strip()
        cache_only = gateway.run("lookup", "--cache-only", REGISTERED).stdout
        assert "NOT_FOUND" in cache_only
        first, again = (asked(gateway, key, REGISTERED) for _ in range(2))
        assert (first["outcome"], first["valid_until"]) == ("COVERED", "2090-01-02")
        assert (first["source"], again["source"]) == ("registry", "cache")
        assert "COVERED" in gateway.run("lookup", "--cache-only", REGISTERED).stdout
        assert asked(gateway, key, NOBODY)["source"] == "registry"
        assert json.loads(page(gateway.http, "/readyz")[1])["components"]["registry"] == "ok"
        with sqlite3.connect(data / "registry.sqlite3") as database:
            database.execute("DROP TABLE people")
        database.close()
        for n in range(3):
            answer = asked(gateway, key, national(369258150 + n))
            assert (answer["outcome"], answer["source"]) == ("NOT_FOUND", "cache")
        assert asked(gateway, key, BOTH)["outcome"] == "COVERED"
        status, ready = page(gateway.http, "/readyz")
        assert status == 200
        assert "left alone" in json.loads(ready)["components"]["registry"]
        _, metrics = page(gateway.metrics, "/metrics")
        for counted in (
            'dargah_registry_answers_total{known="yes"} 1.0',
            'dargah_registry_answers_total{known="no"} 1.0',
            'dargah_registry_faults_total{kind="away"} 2.0',
            'dargah_registry_refused_total{why="breaker"} 1.0',
            'dargah_registry_breaker{dargah_registry_breaker="open"} 1.0',
            "dargah_registry_seconds_count 4.0",
        ):
            assert counted in metrics
        written = gateway.output.read_text()
        assert "registry_fault" in written
        for n in range(369258147, 369258153):
            assert national(n) not in written + metrics + ready


def test_a_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """A SQLite registry that is not there is said to be missing, and no empty one is made."""
    data, settings = tmp_path / "data", tmp_path / "settings.toml"
    data.mkdir()
    settings.write_text(ANY_PORTS + OWN, encoding="utf-8")
    environment = environment_of(data, settings)
    refused = dargah("registry", "ask", environment=environment)
    assert refused.returncode == 1
    assert f"the file {data / 'registry.sqlite3'} does not exist" in refused.stderr
    noted = dargah("check", environment=environment)
    assert "registry.sqlite3 does not exist" in noted.stdout, noted.stderr
    assert not list(data.glob("registry.sqlite3*"))


def test_what_check_says(tmp_path: Path) -> None:
    """A registry that cannot be reached is noted and no problem; one that is set wrongly is."""
    settings = tmp_path / "settings.toml"
    environment = environment_of(tmp_path / "data", settings) | {"SECRET": "canary-of-check"}
    url = tmp_path / "url"
    url.write_text("postgresql://u:canary-of-check@127.0.0.1:1/x", encoding="utf-8")
    settings.write_text(f'[registry]\nurl = "file:{url}"\n', encoding="utf-8")
    done = dargah("check", environment=environment)
    assert done.returncode == 0, done.stdout
    assert "Note: the registry postgresql://u:***@127.0.0.1:1/x cannot be" in done.stdout
    assert "canary" not in done.stdout + done.stderr
    failed = dargah("registry", "ask", environment=environment)
    assert failed.returncode == 1
    assert "cannot be asked" in failed.stderr
    settings.write_text('[registry]\nurl = "http://10.0.0.1/"\n', encoding="utf-8")
    done = dargah("check", environment=environment)
    assert done.returncode == 1
    assert "settings.toml:2: registry.url: https:// is needed" in done.stdout


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('url = "mysql://x/y"', "registry.url: a URL that begins with sqlite://"),
        ('url = "http://10.0.0.1/people"', "registry.url: https:// is needed"),
        ('url = "https:///people"', "registry.url: is no address such as"),
        ('url = "https://registry.example:port/"', "registry.url: is no address such as"),
        ('url = "sqlite:///"', "registry.url: names no file"),
        ('url = "postgresql://u:canary@h/x"', "registry.url: a URL with a password in it"),
        ('url = "https://canary@h/x"', "registry.url: a URL with a password in it"),
        ('url = "postgresql://h:port/x"', "registry.url: is no database URL"),
        (
            'url = "https://registry.example/"\nauthority = "/nowhere.pem"',
            "registry.authority: /nowhere.pem cannot be used (No such file or directory)",
        ),
        (
            'url = "https://registry.example/"\ntimeout = 0.9',
            "registry.timeout: with redis.timeout",
        ),
        ('secret = "itself"', 'registry.secret: a secret is given as "env:NAME"'),
        ("pause = 90.0", "registry.pause: pause, 90 seconds, is longer than longest_pause"),
        ('id_type = "uuid"', "registry.id_type: one of text, number is needed"),
        (
            '[registry.columns]\nnational_ID = "x"',
            "unknown key 'national_ID' in [registry.columns]",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """A registry that is set wrongly stops the start, with file and line."""
    with pytest.raises(ConfigError, match=r"own\.toml:[123]: ") as caught:
        registry_of(settings_of(tmp_path, f"[registry]\n{text}\n"), clock)
    assert sentence in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://dargah@db.example/people", "postgresql://dargah@db.example/people"),
        ("http://127.0.0.1:8080/people", "http://127.0.0.1:8080"),
        ("http://localhost/people", "http://localhost"),
        ("https://registry.example/people?k=1", "https://registry.example"),
    ],
)
def test_what_is_taken(tmp_path: Path, url: str, name: str) -> None:
    """HTTP in clear stays on this machine; one's own names of columns go beside the defaults."""
    text = f'[registry]\nurl = "{url}"\n[registry.columns]\nbranch = "office"\n'
    settings = settings_of(tmp_path, text)
    registry: Registry | None = registry_of(settings, clock)
    assert registry is not None
    assert registry.name == name
    columns = settings.registry.columns
    assert (columns.branch, columns.national_id) == ("office", "national_id")
    assert registry_of(settings_of(tmp_path, ""), clock) is None
