"""What a command says for what it cannot do: a sentence, never a trace."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway_process import ANY_PORTS, ROOT, dargah, environment_of

HEADER = "national_id,status,valid_until,kind,branch,updated_at\n"
ROW = "0012345679,active,2090-03-20,main,7,2026-01-01T00:00:00+03:30\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An operator with an empty data folder and any free ports."""
    settings = tmp_path / "settings.toml"
    settings.write_text(ANY_PORTS)
    return environment_of(tmp_path / "data", settings)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("demo", "--people", "0"), "--people is a number from 1 to "),
        (("demo", "--people", "-1"), "--people is a number from 1 to "),
        (("bench", "cache", "--people", "99999999999", "--seconds", "1"), "--people is a number"),
        (("carrier", "--port", "99999"), "--port is a number from 1 to 65535"),
        (("carrier", "--port", "-1"), "--port is a number from 1 to 65535"),
        (("dial", "\udcff"), "CODE is no text"),
        (("dial", "*4*1420#", "--msisdn", "\udcff"), "--msisdn: not a telephone number; write"),
        (("text", "\udcff"), "MESSAGE is no text"),
        (("text", "1", "--msisdn", "x"), "--msisdn: not a telephone number; write one such as 09"),
        (("call", "--msisdn", "x"), "--msisdn: not a telephone number; write one such as 09"),
        (("inquiry", "48305172606", "--msisdn", "x"), "--msisdn: not a telephone number; write"),
        (("load", ""), "the file's name is empty"),
        (("load", "/"), "/ cannot be read: Is a directory."),
    ],
)
def test_what_cannot_be_done(
    words: tuple[str, ...], says: str, environment: dict[str, str]
) -> None:
    """Numbers out of range and octets that are no text get one line that names the option."""
    done = dargah(*words, environment=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"dargah: {says}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [
        (("--help",), {}),
        (("check",), {}),
        (("check",), {"PYTHONUNBUFFERED": "1"}),
        (("check", "--screens"), {}),
    ],
)
def test_output_that_cannot_be_written(
    words: tuple[str, ...], unbuffered: dict[str, str], environment: dict[str, str]
) -> None:
    """A full disk behind the output is told in one line."""
    del environment["PYTHONUNBUFFERED"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dargah.main", *words],
            cwd=ROOT,
            env=environment | unbuffered,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "dargah: the output cannot be written: No space left on device.\n"


def test_a_terminal_that_knows_ascii_alone(environment: dict[str, str]) -> None:
    """What it cannot show is replaced, and the rest is shown."""
    done = dargah("check", "--screens", environment=environment | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "of 160 octets" in done.stdout


def test_a_fault_of_ours_shows_no_id(environment: dict[str, str]) -> None:
    """A trace goes through the logs, which mask whatever could be an ID."""
    # A process of its own: the command sets up the logs of a whole process.
    program = """
import sys
import dargah.commands.check as check
from dargah.main import main

def fails(*_):
    raise RuntimeError("of 0012345679")

check.read_settings = fails
sys.exit(main(["check"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "RuntimeError: of **********" in done.stderr
    assert "0012345679" not in done.stderr


def test_why_an_id_is_none(tmp_path: Path, environment: dict[str, str]) -> None:
    """A look-up says what is wrong with an ID, and in which line of its input it stands."""
    people = tmp_path / "people.csv"
    people.write_text(HEADER + ROW.replace("0012345679", "1234567891") + ROW + ROW)
    loaded = dargah("load", str(people), environment=environment)
    assert "1 duplicate left out (of each person the newest row answers; of equ" in loaded.stdout
    asked = f"0012345679\n\n{'x' * 600}\n0012345670\n12345679\n123\n"
    found = dargah("lookup", "--json", "-", "12", environment=environment, given=asked)
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(each["outcome"], each["wrong"], each["line"]) for each in lines] == [
        ("COVERED", None, None),
        ("INVALID_ID", "length", 3),
        ("INVALID_ID", "check_digit", 4),
        ("INVALID_ID", "short", 5),
        ("INVALID_ID", "length", 6),
        ("INVALID_ID", "length", None),
    ]
    found = dargah("lookup", "-", "1x", environment=environment, given="\n0012345670\n")
    first, second = found.stdout.splitlines()
    assert first.split() == ["…", "INVALID_ID", "wrong", "check", "digit,", "line", "2"]
    assert second.endswith("not only digits")
