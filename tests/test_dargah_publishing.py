"""Operators change what the line says, while gateways run."""

import re
import secrets
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from dargah.until import moment_of
from persian.jalali import TEHRAN
from tests.dialogue_editions import NOON, TITLE, titled
from tests.gateway_process import ANY_PORTS, GatewayProcess, running_gateway
from tests.ussd_line import FA, MENU, MENU_EN

PATIENCE = 30.0


def dial(gateway: GatewayProcess, text: str = "", session: str = "") -> str:
    """What an aggregator gets."""
    form = {
        "sessionId": session or secrets.token_hex(4),
        "serviceCode": "*4*1420#",
        "phoneNumber": "+989120000001",
        "text": text,
    }
    request = Request(f"{gateway.http}/ussd", urlencode(form).encode())
    with urlopen(request, timeout=10) as reply:
        return str(reply.read().decode())


def awaited(gateway: GatewayProcess, said: str) -> float:
    """Dial until this is said; how long that took in seconds."""
    began = time.monotonic()
    while (heard := dial(gateway)) != said:
        assert time.monotonic() - began < PATIENCE, heard
        time.sleep(0.02)  # another process: there is nothing of ours to wait on
    return time.monotonic() - began


def changed_phrases(folder: Path) -> Path:
    """A copy of the phrases with another title."""
    with as_file(files("config") / "phrases") as ours:
        shutil.copytree(ours, folder)
    text = titled("خوش آمدید").files["phrases/fa.toml"]
    (folder / "fa.toml").write_text(text, encoding="utf-8")
    return folder


def in_service(gateway: GatewayProcess) -> str:
    """The version that its metrics name."""
    with urlopen(f"{gateway.metrics}/metrics", timeout=10) as reply:
        found = re.findall(
            r'dargah_dialogue_version_info\{version="(\w+)"\} 1', reply.read().decode()
        )
    (version,) = found
    return str(version)


def run(gateway: GatewayProcess, *words: str) -> str:
    """A command that must go well; what it says."""
    done = gateway.run(*words)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_two_gateways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two gateways switch to what is published, a started conversation goes on, and back."""
    phrases = str(changed_phrases(tmp_path / "phrases"))
    new = f"CON {MENU.replace(TITLE, 'خوش آمدید')}"
    with (
        running_gateway(folder=tmp_path / "data") as one,
        running_gateway(folder=tmp_path / "data") as other,
    ):
        assert dial(one) == dial(other) == f"CON {MENU}"
        dial(one, session="begun before")
        before = {in_service(one), in_service(other)}
        out = run(one, "dialogue", "publish", "--phrases", phrases, "--by", "Sara")
        assert "all proven" in out
        took = [awaited(one, new), awaited(other, new)]
        versions = {in_service(one), in_service(other)}
        assert len(versions) == 1
        assert versions != before
        assert versions.pop() in out
        # The words of what was begun are those of the version it began with.
        options = MENU.removeprefix(f"{TITLE}\n")
        assert dial(other, "7", "begun before") == f"CON {FA['wrong_option']}\n{options}"
        assert "by Sara" in run(one, "dialogue", "versions")
        again = run(one, "dialogue", "publish", "--phrases", phrases, "--by", "Sara")
        assert "already" in again

        (tmp_path / "phrases" / "fa.toml").write_text("[language", encoding="utf-8")
        refused = one.run("dialogue", "publish", "--phrases", phrases, "--by", "Sara")
        assert refused.returncode == 1
        assert f"{phrases}/fa.toml:1: not valid TOML" in refused.stderr
        assert dial(one) == new

        notice = ["notice", "set", "امروز تعطیلیم.", "--until", "1h", "--by", "Sara"]
        out = run(one, *notice)
        assert "WARNING: not spoken" in out
        assert "en: nothing is said" in out
        noticed = new.replace("CON ", "CON امروز تعطیلیم.\n")
        lines = noticed.removeprefix("CON ").split("\n")
        assert "\n".join(f"  │ {line}" for line in lines) in out, "not as a phone shows it"
        took += [awaited(one, noticed), awaited(other, noticed)]
        assert "by Sara" in run(one, "notice")
        run(one, "notice", "clear")
        awaited(one, new)
        assert one.run("notice", "clear").returncode == 1

        assert "own files" in run(one, "dialogue", "back", "--by", "Sara")
        took += [awaited(one, f"CON {MENU}"), awaited(other, f"CON {MENU}")]
        shown = run(one, "dialogue", "versions")
        for did in ("published", "set a notice", "cleared the notice", "went back to the gateways"):
            assert did in shown
        assert dial(one, "9*1", "english") == f"CON {MENU_EN}"
        assert dial(other) == f"CON {MENU_EN}"
    with capsys.disabled():
        print(f"\ngateways followed after {', '.join(f'{each:.2f}' for each in took)} s")


def test_a_gateway_that_starts_later(tmp_path: Path) -> None:
    """A gateway begins with what is published, telephone and SMS or not."""
    phrases = str(changed_phrases(tmp_path / "phrases"))
    with running_gateway(folder=tmp_path / "data") as one:
        run(one, "dialogue", "publish", "--phrases", phrases, "--by", "Sara")
    with running_gateway("serve", "--only", "ussd", folder=tmp_path / "data") as two:
        assert dial(two) == f"CON {MENU.replace(TITLE, 'خوش آمدید')}"


def test_the_telephone_needs_a_new_recording(tmp_path: Path) -> None:
    """A recording speaks for the notice that it was made for, and for a later one if told so."""
    recording = tmp_path / "data" / "prompts" / "fa" / "notice.wav"
    with running_gateway(folder=tmp_path / "data", settings=ANY_PORTS) as one:
        recording.parent.mkdir(parents=True)
        recording.write_bytes(b"RIFF")
        words = ["notice", "set", "تعطیل است.", "--until", "1h"]
        assert "is spoken first" in run(one, *words)
        assert "WARNING: not spoken" in run(one, *words)
        assert "is spoken first" in run(one, *words, "--spoken")
        assert "WARNING: not spoken" in run(one, *words, "--not-spoken")
        assert one.run("notice", "set", "ا" * 80, "--until", "1h").returncode == 1
        assert one.run("notice", "set", "خبر", "--until", "2020-01-01 10:00").returncode == 1


def _tehran(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=TEHRAN)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("18:30", lambda: _tehran(2026, 11, 21, 18, 30)),
        ("۱۸:۳۰", lambda: _tehran(2026, 11, 21, 18, 30)),
        ("11:59", lambda: _tehran(2026, 11, 22, 11, 59)),
        ("2026-11-23 08:00", lambda: _tehran(2026, 11, 23, 8)),
        ("2026-11-23T08:00+00:00", lambda: _tehran(2026, 11, 23, 11, 30)),
        ("90m", lambda: NOON + timedelta(minutes=90)),
        ("2d", lambda: NOON + timedelta(days=2)),
    ],
)
def test_when_it_ends(text: str, moment: Callable[[], datetime]) -> None:
    """An end is a time of day in Tehran, a date with a time, or a span from now."""
    assert moment_of(text, NOON) == moment()


@pytest.mark.parametrize(
    "text", ["", "soon", "0m", "25:00", "2026-11-21", "2026-11-21 11:59", "32d"]
)
def test_when_it_does_not(text: str) -> None:
    """What is no end, has passed or is too far away is refused."""
    with pytest.raises(ValueError, match=r"[a-z]"):
        moment_of(text, NOON)
