"""Files of a dialogue broken in every way: check, publish and a start each say it in a sentence."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from config.errors import ConfigError
from config.settings import read_settings
from dargah.commands import check
from dargah.dialogue_of_settings import own_version
from dargah.publishing import publish
from tests.gateway_process import ANY_PORTS, GatewayProcess, running_gateway
from tests.ussd_line import MENU


@pytest.fixture(scope="module", name="gateway")
def _gateway() -> Iterator[GatewayProcess]:
    with running_gateway() as gateway:
        yield gateway


FOLDERS = ("dialogue", "phrases", "voice", "guide")
TREE, FA, VOICE, GUIDE = (
    "dialogue/tree.toml",
    "phrases/fa.toml",
    "voice/fa.toml",
    "guide/brokers.toml",
)
TEN_MEGABYTES = "#" * (10 << 20)

Breaking = Callable[[str], str | bytes]


def put(old: str, new: str) -> Callable[[str], str]:
    """Something else in place of the first of these."""

    def breaking(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return breaking


def after(more: str) -> Breaking:
    """Something more at the end."""
    return lambda text: f"{text}\n{more}\n"


def loop(text: str) -> str:
    """Two screens that only lead to each other."""
    screens = "".join(
        f'[screens.{one}]\nkind = "message"\nsay = ["busy"]\ngo = "{other}"\n'
        for one, other in (("ping", "pong"), ("pong", "ping"))
    )
    return put('"*1666" =', '"*7" = "ping"\n"*1666" =')(text) + screens


ITSELF = """
[subtrees.language.screens.again]
kind = "subtree"
use = "language"
returns = { menu = "menu" }
"""
MANY = "".join(f'[screens.z{n}]\nkind = "message"\nsay = ["busy"]\n' for n in range(1001))
WIDE = "".join(
    f'[subtrees.t{n}]\nstart = "x0"\n'
    + "".join(
        f'[subtrees.t{n}.screens.x{i}]\nkind = "subtree"\nuse = "t{n + 1}"\n' for i in range(40)
    )
    for n in range(7)
)
WIDE += '[subtrees.t7]\nstart = "x"\n[subtrees.t7.screens.x]\nkind = "message"\nsay = ["busy"]\n'
WIDE += '[screens.wide]\nkind = "subtree"\nuse = "t0"\n'
CROWD = '[screens.m]\nkind = "menu"\ntitle = "busy"\nwrong = "busy"\n' + "".join(
    f'[[screens.m.options]]\nkey = "{n % 99}"\nlabel = "busy"\ngo = "m"\n' for n in range(201)
)

BROKEN: dict[str, tuple[str, Breaking, str]] = {
    "syntax": (TREE, put("[limits]", "[limits"), "not valid TOML"),
    "an unknown key": (TREE, put('kind = "menu"', 'kind = "menu"\ncolour = 1'), "not known here"),
    "a key twice": (TREE, put("tries = 3", "tries = 3\ntries = 4"), "not valid TOML"),
    "a table twice": (TREE, after('[screens.main]\nkind = "menu"'), "not valid TOML"),
    "a target that is not there": (TREE, put('go = "ask_id"', 'go = "gone"'), "is no screen"),
    "a loop without a way out": (TREE, loop, "no path from"),
    "a sub-tree in itself": (TREE, after(ITSELF), "use itself"),
    "sub-trees without end": (TREE, after(WIDE), "more than the 1000 screens"),
    "too many screens": (TREE, after(MANY), "more than 1000"),
    "too many options": (TREE, after(CROWD), "more than 200"),
    "too many languages": (
        TREE,
        put('["fa", "en"]', str([f"a{chr(97 + n)}" for n in range(21)])),
        "more than 20",
    ),
    "ten megabytes": (TREE, after(TEN_MEGABYTES), "goes on after"),
    "arrays in arrays": (TREE, put("[limits]", f"x = {'[' * 50_000}\n[limits]"), "nested too deep"),
    "tables in tables": (
        TREE,
        after(f"x = {'{a=' * 50_000}1{'}' * 50_000}"),
        "nested too deep",
    ),
    "a name without end": (TREE, after(f"{'.'.join('a' * 90_000)} = 1"), "more than 64 parts"),
    "a quoted name without end": (
        TREE,
        after('"a".' * 90_000 + "a = 1"),
        "more than 64 parts",
    ),
    "a number without end": (TREE, put("tries = 3", f"tries = {'9' * 9_000}"), "number too long"),
    "no text": (TREE, lambda _: "", '"languages"'),
    "another encoding": (TREE, lambda text: text.encode("utf-16"), "not UTF-8"),
    "one octet of another encoding": (FA, lambda text: text.encode() + b"# \xe9", "not UTF-8"),
    "a value that nobody has": (FA, put("{as_of})", "{kode})"), "value in braces"),
    "the value of another phrase": (FA, put("تا {valid_until}", "تا {since}"), "has the values"),
    "a reach into a value": (FA, put("{as_of})", "{as_of.__class__})"), "value in braces"),
    "a value a gigabyte wide": (FA, put("{as_of})", "{as_of:>1000000000})"), "value in braces"),
    "half a brace": (FA, put("{as_of})", "{as_of)"), "brace without its fellow"),
    "a phrase that is not there": (FA, put("\nbusy = ", "\nbusyness = "), 'the phrase "busy"'),
    "a phrase without end": (
        FA,
        put('\nbusy = "', f'\nbusy = "{"x" * 900_000}'),
        "longer than 1000",
    ),
    "phrases of ten megabytes": (FA, after(TEN_MEGABYTES), "goes on after"),
    "a voice without a sentence": (VOICE, put("\nbusy = ", "\nbusyness = "), "is missing"),
    "a voice of ten megabytes": (VOICE, after(TEN_MEGABYTES), "goes on after"),
    "a topic over its pages": (GUIDE, put('ussd = """', f'ussd = """{"واژه " * 60}'), "USSD pages"),
    "a topic without English": (GUIDE, lambda text: text[: text.index("[en]")], "no words in [en]"),
    "a topic of ten megabytes": (GUIDE, after(TEN_MEGABYTES), "goes on after"),
    "two topics in one place": (GUIDE, put("place = 6", "place = 5"), "same place"),
}


def copied(folder: Path) -> Path:
    """The shipped files, and settings that name them."""
    for name in FOLDERS:
        with as_file(files("config") / name) as ours:
            shutil.copytree(ours, folder / name)
    settings = folder / "settings.toml"
    named = "".join(
        f'{"tree" if name == "dialogue" else name} = "{folder / name}"\n'
        for name in FOLDERS
        if name != "voice"
    )
    text = ANY_PORTS.replace("[ivr]", f'[ivr]\nvoices = "{folder / "voice"}"')
    settings.write_text(f"[dialogue]\n{named}{text}", encoding="utf-8")
    return settings


def spoil(folder: Path, what: str) -> str:
    """Break the file; its path."""
    name, breaking, _ = BROKEN[what]
    file = folder / name
    broken = breaking(file.read_text(encoding="utf-8"))
    file.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    return str(file)


@pytest.mark.parametrize("what", BROKEN)
def test_each_says_it_in_one_sentence(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is broken is named with its file and line by check, by publish, and at a start."""
    path = copied(tmp_path)
    spoil(tmp_path, what)
    says = BROKEN[what][2]
    sentence = re.compile(rf"{re.escape(str(tmp_path))}/\w+/[\w-]+\.toml:\d+: [^\n]+")

    assert check.run(Namespace(settings=path, screens=False)) == 1
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if sentence.fullmatch(line)]
    assert any(says in line for line in told), lines[:5]
    assert len(told) <= 1000

    settings = read_settings(path, {"DARGAH_DATA": str(tmp_path / "data")})
    for begins in (lambda: own_version(settings), lambda: asyncio.run(publish(settings, {}, "A"))):
        with pytest.raises(ConfigError) as refused:
            begins()
        assert sentence.fullmatch(str(refused.value))
        assert says in str(refused.value)
    assert not (tmp_path / "data").exists()


def test_what_is_whole_is_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same files unbroken hold: it is the breaking that is found."""
    path = copied(tmp_path)
    assert check.run(Namespace(settings=path, screens=False)) == 0
    assert "hold" in capsys.readouterr().out
    assert own_version(read_settings(path, {})).tree.screens


def menu(gateway: GatewayProcess, session: str) -> str:
    """What is read on a phone that dials."""
    form = {
        "sessionId": session,
        "serviceCode": "*4*1420#",
        "phoneNumber": "+989121234567",
        "text": "",
    }
    request = Request(f"{gateway.http}/ussd", urlencode(form).encode())
    with urlopen(request, timeout=10) as reply:
        return str(reply.read().decode())


@pytest.mark.parametrize(
    "what", ["syntax", "ten megabytes", "a value that nobody has", "a topic over its pages"]
)
def test_the_version_in_service_goes_on(what: str, tmp_path: Path, gateway: GatewayProcess) -> None:
    """A gateway that runs is as it was after a publication that was refused."""
    copied(tmp_path)
    file = spoil(tmp_path, what)
    named = [f"--{'tree' if name == 'dialogue' else name}={tmp_path / name}" for name in FOLDERS]
    done = gateway.run("dialogue", "publish", "--by", "Sara", *named)
    assert done.returncode == 1
    assert re.match(rf"dargah: {re.escape(file)}:\d+: [^\n]+\n$", done.stderr)
    assert menu(gateway, what) == f"CON {MENU}"
    assert "own files" in gateway.run("dialogue", "versions").stdout


def test_a_start_is_refused(tmp_path: Path) -> None:
    """A gateway does not begin on broken files: one line says which, and no port is open."""
    path = copied(tmp_path)
    file = spoil(tmp_path, "a loop without a way out")
    dargah = Path(sys.executable).parent / "dargah"
    done = subprocess.run(
        [str(dargah), "serve", "--settings", str(path)],
        env={**os.environ, "DARGAH_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(rf"dargah: {re.escape(file)}:\d+: [^\n]+\n", done.stderr), done.stderr
    assert not (tmp_path / "data" / "running.json").exists()
