"""Dialogues that differ in a word, and a gateway's versions over a real Redis."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from config.settings import read_settings
from dargah.dialogue_of_settings import building, folders_of, own_version
from dialogue.bundle import Bundle, read_bundle
from dialogue.live import LiveVersions
from dialogue.notice import Notice
from dialogue.published import Published
from ivr.version import SpokenVersion
from state.commands import Commands

SETTINGS = read_settings(None, {})
OWN = own_version(SETTINGS)
BUILD = building(SETTINGS)
SHIPPED = read_bundle(folders_of(SETTINGS))
TITLE = "تأمین اجتماعی 1420"
NOON = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


def titled(title: str) -> Bundle:
    """The shipped dialogue under another title."""
    changed = SHIPPED.files["phrases/fa.toml"].replace(
        f'main_title = "{TITLE}"', f'main_title = "{title}"'
    )
    assert changed != SHIPPED.files["phrases/fa.toml"]
    return replace(SHIPPED, files={**SHIPPED.files, "phrases/fa.toml": changed})


def live(
    commands: Commands,
    clock: Callable[[], datetime] = lambda: NOON,
    build: Callable[[Bundle], SpokenVersion] = BUILD,
    polled_every: float = 3600.0,
) -> LiveVersions[SpokenVersion]:
    """One process's versions; it looks at the pointer when the test says `refresh`."""
    return LiveVersions(OWN, Published(commands), build, clock=clock, polled_every=polled_every)


def notice(text: str, until: datetime, **others: str) -> Notice:
    """A notice, set at NOON."""
    return Notice({"fa": text, **others}, until, "Sara", NOON)
