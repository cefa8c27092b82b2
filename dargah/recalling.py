"""
From wrong answers to corrections, prepared with their words; dargah/correcting.py sends them.

    every wrong answer ─▶ who can be told how ─▶ a row in SQL, its text ready
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import Final

from config.settings import Settings
from dargah.failures import Failure
from dargah.journal_of_settings import database_of, keys_of
from dargah.wiring import clock, freshness_of, hashes_of
from dialogue.phrases import Phrases, load_phrases, read_as
from dialogue.preferences import Preferences
from dialogue.steps import Value
from dialogue.texts import correction_of, has_corrections
from dialogue.version import Version
from eligibility.answer import Asker
from eligibility.corrections_sql import (
    BY_NOBODY,
    BY_PROVIDER,
    BY_SMS,
    Correction,
    CorrectionTable,
)
from eligibility.generation import Generation
from eligibility.generations import Generations
from eligibility.journal_sql import JournalTable, WrongSchema
from eligibility.recall import Contradiction, Recaller, Refused, Tally
from eligibility.recall_sql import Question, RecallTable
from eligibility.saying import Saying
from eligibility.told import microseconds
from eligibility.verdict import Outcome, Verdict
from persian.jalali import tehran_date
from state.errors import Unavailable
from state.keyed_hash import KeyedHash
from state.stores import Stores
from telecom.msisdn import Msisdn

PATIENCE: Final = 3600.0
"""Seconds for a statement: it looks through all that was told in months."""

AT_ONCE: Final = 200

_TEXT_OF: Final = {
    Outcome.COVERED: "covered",
    Outcome.NOT_COVERED: "not_covered",
    Outcome.PENDING_PAYMENT: "pending",
    Outcome.NOT_FOUND: "not_found",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a recall found. `reach` counts wrong answers by how their askers can be told."""

    generation: Generation
    tally: Tally
    reach: Counter[str]


@dataclass(frozen=True, slots=True)
class Words:
    """The text of a correction, in the language that the asker chose last.

    `ours` are the phrases that come with Dargah, for those of an operator that lack corrections.
    """

    version: Version
    preferences: Preferences
    hashes: KeyedHash
    ours: Phrases

    async def text(self, contact: Msisdn, code: str, now: Verdict) -> str:
        """One message."""
        asker = Asker(token_of(self.hashes, contact))
        tree, phrases = self.version.tree, self.version.phrases
        chosen = await self.preferences.language(asker)
        language = chosen if chosen and tree.speaks(chosen) else tree.languages[0]
        words = read_as(phrases, language)
        if not has_corrections(words):
            known = language if language in self.ours else "fa"
            words = read_as(self.ours, known)
        values: dict[str, Value] = {"code": code}
        if now.valid_until is not None:
            values["valid_until"] = now.valid_until
        if now.not_covered_since is not None:
            values["since"] = now.not_covered_since
        if now.stale and now.as_of is not None:
            values["as_of"] = tehran_date(now.as_of)
        return correction_of(words, _TEXT_OF[now.outcome], values)


def token_of(hashes: KeyedHash, contact: Msisdn | str) -> str:
    """The asker's token, as the edges make it."""
    if isinstance(contact, Msisdn):
        return hashes.of("asker", contact.digits)
    return hashes.of("api_key", contact)


async def prepare(
    settings: Settings,
    stores: Stores,
    version: Version,
    question: Question,
    *,
    changed: bool,
    dry_run: bool,
    progress: Callable[[int, int], None],
) -> Prepared:
    """Find every wrong answer, and keep its correction unless this is a `dry_run`. Raises Failure.

    Nothing is sent.
    """
    database = database_of(settings, timeout=PATIENCE)
    hashes, now = hashes_of(settings), clock()
    table = CorrectionTable(database)
    recaller = Recaller(
        RecallTable(database),
        stores.cache,
        Generations(stores.cache, stores.state),
        keys_of(settings),
        question,
        freshness_of(settings),
        now,
        lambda contact: token_of(hashes, contact),
        changed=changed,
        progress=progress,
    )
    words = _words(settings, stores, version, hashes)
    reach: Counter[str] = Counter()
    try:
        await JournalTable(database).prepare()
        current = await recaller.in_service()
        recall = 0 if dry_run else await table.begin(question, current.number, microseconds(now))
        async with aclosing(recaller.contradictions(current)) as found:
            async for some in _together(found):
                reach.update(_reach(one) for one in some)
                if recall:
                    rows = [await _correction(one, words) for one in some]
                    await table.prepare(recall, rows, microseconds(now))
        if recall:
            await table.end(recall, microseconds(clock()))
    except (Refused, WrongSchema) as error:
        raise Failure(str(error)) from None
    except Unavailable as error:
        raise Failure(f"{error}; nothing was sent.") from None
    finally:
        await database.close()
    return Prepared(current, recaller.tally, reach)


def _words(settings: Settings, stores: Stores, version: Version, hashes: KeyedHash) -> Words:
    kept_for = timedelta(days=settings.dialogue.preferences_kept_for)
    return Words(
        version,
        Preferences(stores.state, kept_for=kept_for),
        hashes,
        load_phrases(files("config") / "phrases"),
    )


def _reach(one: Contradiction) -> str:
    if isinstance(one.contact, Msisdn):
        return BY_SMS if one.contact.is_mobile else BY_NOBODY
    return BY_PROVIDER if one.contact else BY_NOBODY


async def _correction(one: Contradiction, words: Words) -> Correction:
    reach, asked = _reach(one), one.asked
    text = ""
    if reach == BY_SMS:
        assert isinstance(one.contact, Msisdn)
        text = await words.text(one.contact, asked.code, one.now)
    return Correction(
        number=0,
        inquiry=asked.number,
        code=asked.code,
        channel=asked.channel,
        operator=asked.operator,
        key_id=asked.key_id,
        sealed=asked.sealed,
        told=asked.told,
        right=one.right,
        now=Saying.of(one.now),
        reach=reach,
        text=text,
    )


async def _together(found: AsyncIterator[Contradiction]) -> AsyncIterator[list[Contradiction]]:
    some: list[Contradiction] = []
    async for one in found:
        some.append(one)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some
