"""
From wrong answers to corrections: prepared with their words, then sent as SMS, each once.

    prepare    every wrong answer ─▶ who can be told how ─▶ a row in SQL, its text ready
    send       those rows, so many a second ─▶ an operator's outbox ─▶ a gateway sends them
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Final

from config.settings import Settings
from dargah.failures import Failure
from dargah.journal_of_settings import database_of, keys_of
from dargah.smpp_port import texting_of
from dargah.wiring import clock, freshness_of, hashes_of
from dialogue.phrases import Phrases, load_phrases, read_as
from dialogue.preferences import Preferences
from dialogue.steps import Value
from dialogue.texts import correction_of, has_corrections
from dialogue.version import Version
from eligibility.answer import Asker
from eligibility.generation import Generation
from eligibility.generations import Generations
from eligibility.journal_keys import JournalKeys
from eligibility.journal_sql import JournalTable, WrongSchema
from eligibility.recall import Contradiction, Recaller, Refused, Tally
from eligibility.recall_sql import (
    BY_NOBODY,
    BY_PROVIDER,
    BY_SMS,
    SENDING,
    SENT,
    Correction,
    Question,
    RecallTable,
)
from eligibility.saying import Saying
from eligibility.told import asker_of, microseconds
from eligibility.verdict import Outcome, Verdict
from persian.jalali import tehran_date
from sms.unasked import Unasked
from state.errors import Unavailable
from state.keyed_hash import KeyedHash, load_or_create_key
from state.sealed import Seal, Unreadable
from state.stores import Stores
from state.streams import Full
from telecom.msisdn import Msisdn

GOOD_FOR: Final = timedelta(hours=6)
"""How long a correction may wait to be sent: it tells what holds on the day it was prepared."""

KNOWN_FOR: Final = timedelta(days=7)
"""How long it is known which corrections were put, should their sending be begun again."""

PATIENCE: Final = 3600.0
"""Seconds for a statement: it looks through all that was told in months."""

AT_ONCE: Final = 200
FULL_PAUSE: Final = 5.0

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
    table = RecallTable(database)
    recaller = Recaller(
        table,
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


async def send(
    settings: Settings,
    stores: Stores,
    generation: int | None,
    *,
    progress: Callable[[int, int], None],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> int:
    """Hand what the last recall prepared to the operators' outboxes; how many texts.

    Raises Failure, also where it was prepared for other data or too long ago.
    """
    operators = texting_of(settings)
    if not operators:
        raise Failure("no operator takes SMS: there is no [[smpp]] that carries it.")
    unasked = Unasked(
        operators,
        state=stores.state,
        seal=Seal(
            load_or_create_key(settings.data_folder / "secrets" / "seal.key"), secrets.token_bytes
        ),
        hashes=hashes_of(settings),
        number=settings.sms.number,
        limit=settings.sms.outbox_limit,
        good_for=GOOD_FOR,
        known_for=KNOWN_FOR,
        clock=clock,
    )
    usual = settings.journal.corrections_by or next(iter(operators))
    keys = keys_of(settings)
    database = database_of(settings)
    table = RecallTable(database)
    try:
        await JournalTable(database).prepare()
        recall = await _sendable(table, stores, generation, clock())
        total = await table.left(recall)
        done, after = 0, 0
        while some := await table.unsent(recall, after, AT_ONCE):
            after = some[-1].number
            await table.mark([one.number for one in some], SENDING, microseconds(clock()))
            handed = []
            for one in some:
                if (contact := _number(keys, one)) is None:
                    continue
                operator = one.operator if one.operator in operators else usual
                await _put(unasked, operator, contact, one, pause)
                handed.append(one.number)
                await pause(1 / settings.journal.corrections_rate)
            await table.mark(handed, SENT, microseconds(clock()))
            done += len(handed)
            progress(done, total)
    except (Refused, WrongSchema) as error:
        raise Failure(str(error)) from None
    except Unavailable as error:
        raise Failure(f"{error}; send again: nobody is sent anything twice.") from None
    finally:
        await database.close()
    return done


async def _sendable(
    table: RecallTable, stores: Stores, generation: int | None, now: datetime
) -> int:
    """The recall to send from. Raises Refused where its corrections could be wrong by now."""
    recall = await table.latest()
    if recall is None or recall.ended is None:
        raise Refused("No recall is prepared: `dargah recall --generation G` prepares one.")
    if generation is not None and recall.generation != generation:
        raise Refused(f"What is prepared is not of generation {generation}; recall that one first.")
    current = await Generations(stores.cache, stores.state).current()
    if current is None or current.number != recall.right_generation:
        raise Refused(
            f"Another generation than {recall.right_generation} answers now, with which the "
            "corrections were prepared; recall again."
        )
    if microseconds(now) - recall.ended > GOOD_FOR / timedelta(microseconds=1):
        raise Refused(
            f"The corrections were prepared more than {GOOD_FOR // timedelta(hours=1)} hours ago; "
            "recall again."
        )
    return recall.number


async def _put(
    unasked: Unasked,
    operator: str,
    contact: Msisdn,
    one: Correction,
    pause: Callable[[float], Awaitable[None]],
) -> None:
    # Not by its row's number: a recall that was made anew has other rows for the same correction.
    once = f"correction {one.inquiry} {one.told} {one.now}"
    while True:
        try:
            await unasked.put(operator, contact, one.text, once=once)
        except Full:
            await pause(FULL_PAUSE)
        else:
            return


def _number(keys: JournalKeys, one: Correction) -> Msisdn | None:
    key = keys.of(one.key_id)
    try:
        contact = asker_of(key.seal, one.sealed) if key else None
    except Unreadable:
        return None
    return contact if isinstance(contact, Msisdn) else None


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
