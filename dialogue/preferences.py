"""
What a person has chosen, remembered for the next time they call, dial or write.

    dialogue:person:TOKEN    the language's code

TOKEN is the asker's keyed hash (state/keyed_hash.py), the same on every channel.
"""

import re
from datetime import timedelta

import structlog

from dialogue.toml_table import NAME
from eligibility.answer import Asker
from state.commands import Commands
from state.errors import ReplyError, Unavailable

log = structlog.get_logger("dialogue")

_AWAY = (Unavailable, ReplyError)

# A language, or a script of it, such as fa-latn.
_CODE = re.compile(NAME.pattern + "(?:-[a-z]{4})?")


class Preferences:
    """Choices by asker, each kept for `kept_for` after it was made. No method raises."""

    def __init__(self, commands: Commands, *, kept_for: timedelta) -> None:
        self._commands = commands
        self._seconds = max(1, round(kept_for.total_seconds()))

    async def language(self, asker: Asker) -> str | None:
        """The language that they chose; None if they never did, or it cannot be asked now."""
        if not asker.known:
            return None
        try:
            kept = await self._commands.send("GET", _key(asker))
        except _AWAY:
            return None
        code = kept.decode("ascii", "replace") if kept is not None else ""
        return code if _CODE.fullmatch(code) else None

    async def choose(self, asker: Asker, language: str) -> None:
        """Remember a choice. Where the network hid the number there is nobody to remember."""
        if not asker.known:
            return
        try:
            await self._commands.send("SET", _key(asker), language, "EX", self._seconds)
        except _AWAY as error:
            log.warning("language_not_remembered", reason=type(error).__name__)


def _key(asker: Asker) -> str:
    return f"dialogue:person:{asker.token}"
