"""The journal's settings, proved before they are used; and a gateway without a journal."""

from pathlib import Path

import pytest

from tests.gateway_process import ANY_PORTS, dargah, environment_of, running_gateway
from tests.operator_box import components


@pytest.mark.parametrize(
    ("written", "line", "why"),
    [
        ('url = "mysql://a/b"', 2, "a URL that begins with sqlite:// or postgresql://"),
        ('url = "postgresql://u:secret-word@h/d"', 2, 'given as "env:NAME"'),
        ('url = "postgresql://h:port/d"', 2, "is no database URL"),
        ('corrections_by = "mci"', 2, "no bind of operator 'mci' carries sms"),
        ("kept_for = 0", 2, "out of range"),
    ],
)
def test_a_journal_that_cannot_be_as_it_is_set_is_named(
    written: str, line: int, why: str, tmp_path: Path
) -> None:
    """`dargah check` says what is wrong with the journal, and in which line; never a password."""
    settings = tmp_path / "settings.toml"
    settings.write_text(f"[journal]\n{written}\n")
    done = dargah("check", environment=environment_of(tmp_path / "data", settings))
    assert done.returncode == 1
    assert f"settings.toml:{line}: journal." in done.stdout
    assert why in done.stdout
    assert "secret-word" not in done.stdout + done.stderr


def test_a_gateway_without_a_journal(tmp_path: Path) -> None:
    """With an empty URL nothing is journalled, and a recall says that there is nothing to look at.

    The commands of the journal say so too.
    """
    settings = ANY_PORTS + '[journal]\nurl = ""\n'
    with running_gateway(settings=settings, folder=tmp_path / "data") as gateway:
        assert "journal" not in components(gateway)[1]
        for words in (("recall", "--generation", "1"), ("journal", "status")):
            refused = gateway.run(*words)
            assert refused.returncode == 1
            assert "there is no journal" in refused.stderr
    assert not list((tmp_path / "data").glob("journal*"))


def test_a_gateway_without_a_key_of_its_own_does_not_start(tmp_path: Path) -> None:
    """A key file that is not what its name says stops the start with a sentence."""
    data = tmp_path / "data"
    keys = data / "secrets" / "journal"
    keys.mkdir(parents=True)
    (keys / "20261121T083000Z-0123abcd.key").write_bytes(b"k" * 32)
    settings = tmp_path / "settings.toml"
    settings.write_text(ANY_PORTS)
    done = dargah("serve", environment=environment_of(data, settings))
    assert done.returncode == 1
    assert "is not the key that its name says" in done.stderr
