"""Settings: every default, every mistake."""

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.reading import Secret
from config.settings import Settings, read_settings


def read(tmp_path: Path, text: str, **environ: str) -> Settings:
    """The settings of a file with this text."""
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path, environ)


def refusal(tmp_path: Path, text: str, **environ: str) -> str:
    """The one sentence with which such a file is refused, without its folder."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **environ)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_the_defaults_stand_alone() -> None:
    """Without a file there are the published ports, on loopback."""
    settings = read_settings(None, {})
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8420)
    assert (settings.metrics.host, settings.metrics.port) == ("127.0.0.1", 9420)
    assert settings.data_folder == Path("var").absolute()


def test_every_setting_has_a_default_and_a_reason() -> None:
    """Each key in the defaults is read by somebody, and a comment stands above it or its group."""
    text = (files("config") / "defaults.toml").read_text(encoding="utf-8")
    keys = [
        name for table in tomllib.loads(text).values() if isinstance(table, dict) for name in table
    ]
    assert len(keys) > 30
    assert text.count("\n# ") > 30


def test_an_own_file_goes_over_the_defaults(tmp_path: Path) -> None:
    """What the file says counts, the rest stays; whole numbers do where a fraction may stand."""
    settings = read(tmp_path, "[http]\nport = 80\nidle_timeout = 5\n")
    assert (settings.http.port, settings.http.idle_timeout) == (80, 5.0)
    assert settings.http.connections == read_settings(None, {}).http.connections


def test_the_environment_names_file_and_folder(tmp_path: Path) -> None:
    """DARGAH_SETTINGS names the file, DARGAH_DATA goes before its data folder."""
    path = tmp_path / "s.toml"
    path.write_text('data_folder = "/from/file"\n[http]\nport = 81\n')
    environ = {"DARGAH_SETTINGS": str(path)}
    assert read_settings(None, environ).http.port == 81
    assert read_settings(None, environ).data_folder == Path("/from/file")
    assert read_settings(None, environ | {"DARGAH_DATA": "/else"}).data_folder == Path("/else")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[http]\nprt = 1\n", "own.toml:2: unknown key 'prt' in [http]; did you mean 'port'?"),
        ("\n[htp]\nport = 1\n", "own.toml:2: unknown key 'htp'; did you mean 'http'?"),
        ('[http]\nport = "x"\n', "own.toml:2: http.port: a whole number is needed, not a text."),
        ("[http]\nport = true\n", "own.toml:2: http.port: a whole number is needed, not true or"),
        ("[http]\nport = 99999\n", "own.toml:2: http.port: 99999 is out of range; from 0 to 65535"),
        ("[redis]\ntimeout = nan\n", "own.toml:2: redis.timeout: nan is out of range"),
        ('[log]\nlevel = "loud"\n', "own.toml:2: log.level: one of debug, info, warning, error"),
        ("[ussd]\nnetworks = [1]\n", "own.toml:2: ussd.networks: a list of texts is needed"),
        ("http = 3\n", "own.toml:1: [http] must be a table of settings."),
        ("data_folder = 3\n", "own.toml:1: data_folder: a folder in quotes is needed."),
        ("[http\n", "own.toml:1: not valid TOML"),
        ('[ussd]\nsecret = "open sesame"\n', "own.toml:2: ussd.secret: a secret is given as"),
        ('[ussd]\nsecret = "env:NOT_SET"\n', "own.toml:2: ussd.secret: the environment variable"),
        ('[ussd]\nsecret = "file:/none"\n', "own.toml:2: ussd.secret: /none cannot be read"),
        (
            '[redis]\ncache_url = "redis://:pw@host"\n',
            "own.toml:2: redis.cache_url: a URL with a password in it is given as",
        ),
        (
            '[redis]\nstate_url = "localhost:6379"\n',
            "own.toml:2: redis.state_url: a URL that begins with redis://, rediss://, unix://, redis+cluster://",
        ),
        ("[http]\nport = 4573\n", "own.toml:2: http.port: 4573 is ivr.port too; set another."),
        (
            '[ivr]\nport = 1\n[metrics]\nhost = "0.0.0.0"\nport = 1\n',
            "own.toml:2: ivr.port: 1 is metrics.port too; set another.",
        ),
        (
            "[eligibility]\nusable_for = 1\n",
            "own.toml:2: eligibility.usable_for: fresh_for, 48 hours, is longer than usable_for, "
            "1 days",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_line(
    tmp_path: Path, text: str, sentence: str
) -> None:
    """A mistake is told in one sentence that names the file, the line and what is needed."""
    told = refusal(tmp_path, text)
    assert told.startswith(sentence)
    assert "\n" not in told
    assert "sesame" not in told
    assert "pw@" not in told


def test_a_redis_url_from_elsewhere_is_proved_and_never_quoted(tmp_path: Path) -> None:
    """A URL of another kind is refused when it is read, and its password stays out of it."""
    told = refusal(tmp_path, '[redis]\ncache_url = "env:U"\n', U="http://:pw@host")
    assert told.startswith("own.toml:2: redis.cache_url: a URL that begins with redis://")
    assert "pw" not in told
    for scheme in ("redis", "rediss", "unix"):
        url = f"{scheme}://:pw@host"
        settings = read(tmp_path, '[redis]\ncache_url = "env:U"\n', U=url)
        assert settings.redis.cache_url.value == url


def test_ports_may_be_alike_where_they_do_not_meet(tmp_path: Path) -> None:
    """One number on two addresses, or any free port for each, is no contradiction."""
    text = '[http]\nport = 9420\nhost = "10.0.0.1"\n[ivr]\nport = 0\n'
    assert read(tmp_path, text).http.port == 9420
    assert read(tmp_path, "[http]\nport = 0\n[metrics]\nport = 0\n").metrics.port == 0


def test_a_default_is_placed_where_it_stands(tmp_path: Path) -> None:
    """A setting that the operator did not write is named by the line of its default."""
    lines = (files("config") / "defaults.toml").read_text(encoding="utf-8").splitlines()
    place = read(tmp_path, "[http]\nport = 1\n").where("ivr", "port")
    name, _, number = place.rpartition(":")
    assert name.endswith("defaults.toml")
    assert lines[int(number) - 1] == "port = 4573"


def test_all_mistakes_are_found_in_one_reading(tmp_path: Path) -> None:
    """`dargah check` can name every mistake, not the first alone."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "[http]\nprt = 1\nport = -1\n[log]\nlevel = 3\n")
    assert len(caught.value.others) == 2


def test_secrets_come_from_elsewhere_and_stay_hidden(tmp_path: Path) -> None:
    """A secret is read from the environment or a file, and no print shows it."""
    (tmp_path / "secret").write_text("from-file\n")
    settings = read(tmp_path, f'[ussd]\nsecret = "file:{tmp_path}/secret"\n')
    assert settings.ussd.secret.value == "from-file"
    settings = read(
        tmp_path,
        '[ussd]\nsecret = "env:S"\n[redis]\nstate_url = "env:U"\n',
        S="from-environment",
        U="redis://:pw@host",
    )
    assert settings.ussd.secret == Secret("from-environment")
    assert "from-environment" not in repr(settings)
    assert "pw@" not in repr(settings)


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """Whatever a settings file holds, it is read or refused in one sentence."""
    path = tmp_path_factory.mktemp("any") / "s.toml"
    path.write_bytes(raw)
    try:
        settings = read_settings(path, {})
    except ConfigError as error:
        told = str(error)
    else:
        told = settings.document.name
    assert path.name in told
