"""
Corrections that a recall prepared (dargah/recalling.py), sent as SMS, each once.

    their rows in SQL, so many a second ─▶ an operator's outbox ─▶ a gateway sends them
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from config.settings import Settings
from dargah.failures import Failure
from dargah.journal_of_settings import database_of, keys_of
from dargah.smpp_port import texting_of
from dargah.wiring import clock, hashes_of
from eligibility.corrections_sql import Correction, CorrectionTable
from eligibility.generations import Generations
from eligibility.journal_keys import JournalKeys
from eligibility.journal_sql import SENDING, SENT, JournalTable, WrongSchema
from eligibility.recall import Refused
from eligibility.told import asker_of, microseconds
from sms.unasked import Unasked
from state.errors import Unavailable
from state.keyed_hash import load_or_create_key
from state.sealed import Seal, Unreadable
from state.stores import Stores
from state.streams import Full
from telecom.msisdn import Msisdn

GOOD_FOR: Final = timedelta(hours=6)
"""How long a correction may wait to be sent: it tells what holds on the day it was prepared."""

KNOWN_FOR: Final = timedelta(days=7)
"""How long it is known which corrections were put, should their sending be begun again."""

AT_ONCE: Final = 200
FULL_PAUSE: Final = 5.0


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
    table = CorrectionTable(database)
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
    table: CorrectionTable, stores: Stores, generation: int | None, now: datetime
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
