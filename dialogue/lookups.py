"""
Everything that a dialogue can look up: one table.

    eligibility   takes a national_id     the six outcomes, and OVER_BUDGET
    inquiry       takes a tracking_code   OWN.<outcome>, OTHER, UNKNOWN, CANNOT_CHECK

Each entry says which answer it takes, what it can come to, what is known then, and how it is
done. Another look-up is another entry: the reader of the tree, its proof and the conversation
all go by this table (config/dialogue/tree.schema.json, for editors, is held to it by a test).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import structlog

from dialogue.steps import Found, LookUp, Value
from dialogue.tree import Branch
from eligibility.answer import Answer, Asker, Inquirer, OverBudget
from eligibility.ledger import Kept
from eligibility.verdict import Outcome
from persian.jalali import tehran_date
from state.errors import ReplyError, Unavailable
from telecom.channel import Channel

_log = structlog.get_logger()

Result = Answer | OverBudget | Found


class Inquiries(Inquirer, Protocol):
    """The entrance to eligibility, and what was told under a code: eligibility/inquiry.py."""

    async def follow_up(self, code: str) -> Kept | None:
        """What is known of a code, None if nothing. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """The values that a branch hands to its screen: `always`, or `sometimes`."""

    always: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LookupKind:
    """One thing that can be looked up.

    `takes` is the kind of answer it needs; the branch `again` leads to a question that asks it
    once more.
    """

    takes: str
    branches: Mapping[str, Known]
    perform: Callable[[Inquiries, Asker, Channel, LookUp], Awaitable[Result]]
    again: str | None = None


def is_own(kept: Kept, asker: Asker) -> bool:
    """Whether the code was given to this asker; anybody else learns only that, and when."""
    return asker.known and kept.asker == asker.token


def told_values(kept: Kept, asker: Asker) -> dict[str, Value]:
    """What may be told under a code: the day to anybody, the dates to whom they were told."""
    values: dict[str, Value] = {"told_on": tehran_date(kept.last_at)}
    if is_own(kept, asker):
        if kept.valid_until is not None:
            values["valid_until"] = kept.valid_until
        if kept.not_covered_since is not None:
            values["since"] = kept.not_covered_since
    return values


async def _eligibility(
    inquiries: Inquiries, asker: Asker, channel: Channel, lookup: LookUp
) -> Result:
    return await inquiries.inquire(lookup.text, asker, channel)


async def _inquiry(inquiries: Inquiries, asker: Asker, channel: Channel, lookup: LookUp) -> Result:
    try:
        kept = await inquiries.follow_up(lookup.text)
    except (Unavailable, ReplyError) as error:
        _log.warning("follow_up_failed", channel=channel, reason=type(error).__name__)
        return Found("CANNOT_CHECK")
    if kept is None:
        return Found("UNKNOWN")
    branch = f"OWN.{kept.outcome}" if is_own(kept, asker) else "OTHER"
    if branch not in INQUIRY.branches:
        branch = "OTHER"
    known = INQUIRY.branches[branch]
    allowed = {*known.always, *known.sometimes}
    values = told_values(kept, asker)
    return Found(branch, {name: value for name, value in values.items() if name in allowed})


ELIGIBILITY = LookupKind(
    takes="national_id",
    branches={
        Branch.COVERED: Known(("code",), ("valid_until", "as_of")),
        Branch.NOT_COVERED: Known(("code",), ("since", "as_of")),
        Branch.PENDING_PAYMENT: Known(("code",), ("as_of",)),
        Branch.NOT_FOUND: Known(("code",), ("as_of",)),
        Branch.INVALID_ID: Known(),
        Branch.CANNOT_CHECK: Known(("code",)),
        Branch.OVER_BUDGET: Known(("minutes",)),
    },
    perform=_eligibility,
    again=Branch.INVALID_ID,
)

INQUIRY = LookupKind(
    takes="tracking_code",
    branches={
        f"OWN.{Outcome.COVERED}": Known(("told_on",), ("valid_until",)),
        f"OWN.{Outcome.NOT_COVERED}": Known(("told_on",), ("since",)),
        f"OWN.{Outcome.PENDING_PAYMENT}": Known(("told_on",)),
        f"OWN.{Outcome.NOT_FOUND}": Known(("told_on",)),
        f"OWN.{Outcome.CANNOT_CHECK}": Known(("told_on",)),
        "OTHER": Known(("told_on",)),
        "UNKNOWN": Known(),
        "CANNOT_CHECK": Known(),
    },
    perform=_inquiry,
)

LOOKUPS: Mapping[str, LookupKind] = MappingProxyType(
    {"eligibility": ELIGIBILITY, "inquiry": INQUIRY}
)
"""What a screen of kind "lookup" may name as its `what`."""
