"""
Who is asked about in a rehearsal: nobody real, and each is named by what comes of asking.

    covered   covered+valid_until   not_covered+since+as_of   over_budget     at an ID
    short     length     check_digit     characters                           an ID that is wrong
    own.covered   other   unknown   cannot_check                              at a tracking code

A branch of a look-up in small letters, and what is known besides. A look-up that is added to
LOOKUPS has its cast by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from itertools import chain, combinations
from types import MappingProxyType

from dialogue.lookups import LOOKUPS, Result
from dialogue.paths import LONGEST, Values
from dialogue.steps import Found
from dialogue.tree import WRONG_ID, Branch
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from eligibility.verdict import INVALID_ID, Outcome, Source, Verdict
from sms.answer import Said, said_of, told
from telecom.channel import Channel

CODE = "48305172606"

TYPED: Mapping[str, str] = MappingProxyType(
    {
        "national_id": "000000000000",  # twelve digits have no check; nobody's
        "tracking_code": CODE,
        "mobile": "09120000000",
    }
)
"""What is typed in place of a name, by the kind of question: it passes, and says nothing."""

WRONG_TYPED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"tracking_code": {"check_digit": "48305172600"}}
)
"""What is wrong and has too many digits to be typed here by hand."""

_ASKER = Asker("author")
_SEEN = datetime.combine(date(2026, 11, 21), time(8), UTC)  # the day that LONGEST says
_WAIT = 61.0
"""Seconds: two minutes, as they are told."""


@dataclass(frozen=True, slots=True)
class Member:
    """What comes of asking: `result` goes to the dialogue, `said` would be sent by SMS."""

    result: Result
    said: Said | None = None


@cache
def cast_of(what: str) -> Mapping[str, Member]:
    """Everybody who can be asked about at a look-up, by name."""
    members: dict[str, Member] = {}
    for branch, known in LOOKUPS[what].branches.items():
        if what == "eligibility" and branch == Branch.INVALID_ID:
            for reason in WRONG_ID:
                members[reason] = _person(Answer(INVALID_ID, None, wrong=reason))
            continue
        for some in _subsets(known.sometimes):
            values = {name: LONGEST[name] for name in (*known.always, *some)}
            name = "+".join([branch.lower(), *some])
            members[name] = _member(what, branch, values)
    return members


def _member(what: str, branch: str, values: Values) -> Member:
    match what:
        case "eligibility" if branch == Branch.OVER_BUDGET:
            return _person(OverBudget(_WAIT))
        case "eligibility":
            return _person(Answer(_verdict(Outcome(branch), values), CODE))
        case "inquiry":
            return Member(Found(branch, values), _told(branch, values))
    return Member(Found(branch, values))


def _person(result: Answer | OverBudget) -> Member:
    return Member(result, said_of(result))


def _verdict(outcome: Outcome, values: Values) -> Verdict:
    return Verdict(
        outcome,
        as_of=_SEEN,
        source=Source.CACHE,
        stale="as_of" in values,
        valid_until=_day(values, "valid_until"),
        not_covered_since=_day(values, "since"),
    )


def _told(branch: str, values: Values) -> Said:
    if branch == "UNKNOWN":
        return Said("code_unknown", {})
    if branch == "CANNOT_CHECK":
        return Said("code_unavailable", {})
    outcome = branch.removeprefix("OWN.")
    own = outcome != branch
    kept = Kept(
        code=CODE,
        asker=_ASKER.token if own else "somebody else",
        channel=Channel.USSD,
        outcome=Outcome(outcome) if own else Outcome.COVERED,
        stale=False,
        valid_until=_day(values, "valid_until"),
        not_covered_since=_day(values, "since"),
        generation=1,
        first_at=_SEEN,
        last_at=_SEEN,
        times=1,
    )
    return told(kept, _ASKER)


def _day(values: Values, name: str) -> date | None:
    day = values.get(name)
    return day if isinstance(day, date) else None


def _subsets(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))
