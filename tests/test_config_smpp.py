"""SMPP binds in the settings: every key documented, every mistake with its line."""

import dataclasses
import re
from importlib.resources import files
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.reading import Secret
from config.settings import Settings, read_settings
from config.smpp_settings import DialectSettings, SmppBind

BIND = """[[smpp]]
name = "a-1"
operator = "a"
host = "127.0.0.1"
port = 2775
system_id = "dargah"
password = "env:PW"
"""


def read(tmp_path: Path, text: str, password: str = "secret") -> Settings:
    """The settings of a file with this text."""
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path, {"PW": password, "SMPP_PASSWORD": password})


def example() -> str:
    """The commented example of defaults.toml, without the marks that make it a comment."""
    text = (files("config") / "defaults.toml").read_text(encoding="utf-8")
    block = text[text.index("#[[smpp]]") :]
    return "\n".join(re.sub(r"^#(?=[\[a-z])", "", line) for line in block.split("\n"))


def test_no_bind_by_default() -> None:
    """A gateway without binds speaks no SMPP."""
    assert read_settings(None, {}).smpp == ()


def test_the_example_is_whole_and_true(tmp_path: Path) -> None:
    """The example in the defaults names every key with the value that holds without it."""
    (bind,) = read(tmp_path, example()).smpp
    bare = BIND.replace("a-1", bind.name).replace('"a"', f'"{bind.operator}"')
    (plain,) = read(tmp_path, bare.replace("127.0.0.1", bind.host)).smpp
    assert bind == plain
    for kind in (SmppBind, DialectSettings):
        for field in dataclasses.fields(kind):
            if field.name != "dialect":
                assert re.search(rf"^{field.name} = ", example(), re.MULTILINE), field.name


def test_two_sites_with_their_dialect(tmp_path: Path) -> None:
    """Each bind has its own values, octets in hexadecimal, and its own dialect below it."""
    text = BIND + (
        'carries = ["ussd"]\nrate = 100\n'
        "[smpp.dialect]\nend_op = 0x17\nabort_ops = [0x81, 19]\nend_bit_out = false\n"
    )
    first, second = read(tmp_path, text + BIND.replace("a-1", "a-2")).smpp
    assert (first.carries, first.rate, first.password) == (("ussd",), 100.0, Secret("secret"))
    assert first.dialect == DialectSettings(end_op=0x17, abort_ops=(0x81, 0x13), end_bit_out=False)
    assert (second.name, second.operator, second.dialect) == ("a-2", "a", DialectSettings())
    assert "secret" not in repr(first)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BIND + "prt = 1\n", "own.toml:8: unknown key 'prt' in [smpp]; did you mean 'port'?"),
        (BIND + BIND, "own.toml:9: smpp.name: two binds have the name 'a-1'"),
        (BIND.replace('host = "127.0.0.1"\n', ""), "own.toml:1: smpp.host: it is missing."),
        (BIND.replace("2775", "0"), "own.toml:5: smpp.port: 0 is out of range"),
        (BIND.replace('"env:PW"', '"pw"'), "own.toml:7: smpp.password: a secret is given as"),
        (BIND.replace("a-1", "A 1"), "own.toml:2: smpp.name: a-z, 0-9, - and _ are allowed"),
        (BIND.replace('"a"', '""'), "own.toml:3: smpp.operator: it is empty."),
        (BIND.replace("dargah", "d" * 16), "own.toml:6: smpp.system_id: 15 ASCII characters"),
        (BIND + 'carries = ["mms"]\n', "own.toml:8: smpp.carries: one of sms, ussd is needed."),
        (BIND + "carries = []\n", "own.toml:8: smpp.carries: it is empty"),
        (BIND + 'tls_authority = "x"\n', "own.toml:8: smpp.tls_authority: it is of no use"),
        (BIND + 'bind_type = "receiver"\n', "own.toml:8: smpp.bind_type: nothing can answer"),
        (BIND + "dialect = 3\n", "own.toml:8: [smpp.dialect] must be a table of settings."),
        (
            BIND + "[smpp.dialect]\n\nbegin_op = [1]\n",
            "own.toml:10: unknown key 'begin_op' in [smpp.dialect]; did you mean 'begin_ops'?",
        ),
        (
            BIND + "[smpp.dialect]\nbegin_ops = [256]\n",
            "own.toml:9: smpp.dialect.begin_ops: 256 is out of range",
        ),
        (
            BIND + '[smpp.dialect]\nbegin_ops = ["1"]\n',
            "own.toml:9: smpp.dialect.begin_ops: a list of whole numbers is needed",
        ),
        (
            BIND + '[smpp.dialect]\nsession_source = "vendor"\n',
            "own.toml:8: smpp.dialect.vendor_tag: session_source",
        ),
        (
            BIND + '[smpp.dialect]\nservice_type = "USSDGW"\n',
            "own.toml:9: smpp.dialect.service_type: 5 ASCII characters",
        ),
        (
            BIND + 'carries = ["ussd"]\nanswers_by_sms = true\n',
            "own.toml:9: smpp.answers_by_sms: no bind of operator 'a' carries sms and may submit.",
        ),
        (
            BIND + 'carries = ["sms"]\nanswers_by_sms = true\n',
            "own.toml:9: smpp.answers_by_sms: it is of no use where ussd is not carried.",
        ),
        (
            '[ussd]\nanswers_by_sms = "b"\n' + BIND,
            "own.toml:2: ussd.answers_by_sms: no bind of operator 'b' carries sms and may submit.",
        ),
        ('[sms]\nnumber = ""\n', "own.toml:2: sms.number: 1 to 20 ASCII characters"),
        ('[sms]\nnumber = "تأمین"\n', "own.toml:2: sms.number: 1 to 20 ASCII characters"),
        ("smpp = 3\n", "own.toml:1: smpp: tables headed [[smpp]] are needed."),
        ('[smpp]\nname = "a"\n', "own.toml:1: smpp: tables headed [[smpp]] are needed."),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_line(
    tmp_path: Path, text: str, sentence: str
) -> None:
    """A mistake in a bind is told in one sentence that names the file, the line and the key."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(sentence)


def test_a_password_that_does_not_fit_is_not_shown(tmp_path: Path) -> None:
    """A password too long for SMPP stops the start, and the sentence does not hold it."""
    with pytest.raises(ConfigError, match=r"own\.toml:7: smpp\.password: 8 ASCII") as caught:
        read(tmp_path, BIND, password="nine-long")
    assert "nine-long" not in str(caught.value)


def test_a_receiver_with_a_transmitter_beside_it(tmp_path: Path) -> None:
    """A receiver may carry USSD where its operator has a bind that submits the answers."""
    pair = BIND + 'bind_type = "receiver"\n' + BIND.replace("a-1", "a-2")
    types = [bind.bind_type for bind in read(tmp_path, pair).smpp]
    assert types == ["receiver", "transceiver"]
