"""The shipped dialogue, and an inquirer that answers by a script."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime

from hypothesis import strategies as st

from dialogue.check import load_dialogue
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from eligibility.national_id import InvalidId, NationalId
from eligibility.verdict import CANNOT_CHECK, INVALID_ID, Outcome, Source, Verdict
from state.errors import Unavailable
from telecom.channel import Channel

TREE, PHRASES = load_dialogue()

CODE = "48305172606"
AS_OF = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)  # 1405/08/30 in Tehran
UNTIL = date(2027, 3, 20)  # 1405/12/29

COVERED, NOT_COVERED, PENDING, NOT_FOUND, BROKEN, OVER = (
    "0012345679",
    "1234567891",
    "0076229645",
    "1583250689",
    "0013542419",
    "0011537027",
)
"""National IDs for one outcome each; any other valid one is covered without a date."""


def verdict(outcome: Outcome, **facts: object) -> Verdict:
    """A verdict from the cache, with what is said of it."""
    fields = {"as_of": AS_OF, "source": Source.CACHE, **facts}
    return Verdict(outcome, **fields)  # type: ignore[arg-type]


SCRIPT: Mapping[str, Answer | OverBudget] = {
    COVERED: Answer(verdict(Outcome.COVERED, valid_until=UNTIL), CODE),
    NOT_COVERED: Answer(verdict(Outcome.NOT_COVERED, not_covered_since=UNTIL), CODE),
    PENDING: Answer(verdict(Outcome.PENDING_PAYMENT), CODE),
    NOT_FOUND: Answer(verdict(Outcome.NOT_FOUND), CODE),
    BROKEN: Answer(CANNOT_CHECK, CODE),
    OVER: OverBudget(61.0),
}

BROKEN_CODE = "18888888871"
OWNER = "a"
"""Who was given the codes of KEPT; anybody else is another asker."""


def told(code: str, outcome: Outcome, **facts: object) -> Kept:
    """What the ledger keeps of a code, told to OWNER."""
    fields = {
        "code": code,
        "asker": OWNER,
        "channel": Channel.USSD,
        "outcome": outcome,
        "stale": False,
        "valid_until": None,
        "not_covered_since": None,
        "generation": 1,
        "first_at": AS_OF,
        "last_at": AS_OF,
        "times": 1,
    }
    return Kept(**(fields | facts))  # type: ignore[arg-type]


KEPT: Mapping[str, Kept] = {
    kept.code: kept
    for kept in (
        told("10987654315", Outcome.COVERED, valid_until=UNTIL),
        told("11975308622", Outcome.NOT_COVERED, not_covered_since=UNTIL),
        told("12962962933", Outcome.PENDING_PAYMENT),
        told("13950617240", Outcome.NOT_FOUND),
        told("14938271558", Outcome.CANNOT_CHECK),
        told("15925925864", Outcome.COVERED),
        told("16913580171", Outcome.NOT_COVERED),
    )
}
UNKNOWN_CODE = "17901234480"


class ScriptedInquirer:
    """Answers at once, or never if `stuck`; `asked` has the IDs in order, and who asked."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.asked: list[tuple[str, Asker, Channel]] = []
        self._stuck = stuck

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        self.asked.append((national_id, asker, channel))
        # Others may run meanwhile, as they do while a real one waits for Redis.
        await asyncio.sleep(0)
        if self._stuck:
            await asyncio.Event().wait()
        try:
            person = NationalId.parse(national_id)
        except InvalidId as error:
            return Answer(INVALID_ID, None, wrong=error.reason)
        return SCRIPT.get(person.digits, Answer(verdict(Outcome.COVERED), CODE))

    async def follow_up(self, code: str) -> Kept | None:
        await asyncio.sleep(0)
        if self._stuck:
            await asyncio.Event().wait()
        if code == BROKEN_CODE:
            raise Unavailable("scripted")
        return KEPT.get(code)


def answers() -> st.SearchStrategy[Answer | OverBudget]:
    """Every answer that an inquirer can give, and some that it should not."""
    days = st.none() | st.dates(date(1950, 1, 1), date(2120, 1, 1))
    moments = st.none() | st.integers(0, 4_000_000_000).map(
        lambda s: datetime.fromtimestamp(s, UTC)
    )
    verdicts = st.builds(
        Verdict,
        st.sampled_from(Outcome),
        moments,
        st.none() | st.sampled_from(Source),
        st.booleans(),
        days,
        days,
    )
    wrong = st.none() | st.sampled_from(["length", "short", "check_digit", "characters", "?"])
    return st.builds(Answer, verdicts, st.none() | st.just(CODE), wrong=wrong) | st.builds(
        OverBudget, st.floats()
    )


def typed() -> st.SearchStrategy[str]:
    """What people type: often something that fits."""
    fitting = [
        "2",
        "10987654315",
        UNKNOWN_CODE,
        BROKEN_CODE,
        "1",
        "9",
        "۱",
        "٩",
        " 1 ",
        "1#",
        "",
        "0",
        "00",
        "5",
        "0012345679",
        "12345",
    ]
    ids = [COVERED, NOT_COVERED, PENDING, NOT_FOUND, BROKEN, OVER, "۰۰۱۲۳۴۵۶۷۹", "123456789012"]
    return st.sampled_from([*fitting, *ids]) | st.text(max_size=40)
