"""What an inquiry gives back to whoever asked, whatever the channel."""

from dataclasses import dataclass, field
from typing import Protocol

from eligibility.verdict import Verdict
from telecom.channel import Channel
from telecom.msisdn import Msisdn


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, known by `token`: a keyed hash of a number or of an API key's id.

    `known` is False where the network withheld the number: no repeat is recognised then. The
    others are for the journal, which seals them: the number, or the API key's id, and whose
    network the question came by, where that is known.
    """

    token: str
    known: bool = True
    contact: Msisdn | None = field(default=None, compare=False)
    api_key: str = field(default="", compare=False)
    operator: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict with the code to quote. Only INVALID_ID comes without a code."""

    verdict: Verdict
    tracking_code: str | None
    repeat: bool = False
    wrong: str | None = None
    """For INVALID_ID, what is wrong with it: `length`, `short`, `check_digit` or `characters`."""


@dataclass(frozen=True, slots=True)
class OverBudget:
    """The asker has asked too much for now; `retry_after` is in seconds."""

    retry_after: float


class RetryKeyReused(Exception):
    """The asker used this retry key before, for another person."""


class Inquirer(Protocol):
    """The one entrance to eligibility: eligibility/inquiry.py has the real one."""

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        """Answer for an ID as it was typed. A fault of ours is CANNOT_CHECK, never an exception.

        `retry_key` names one request for a day, so that a retry gets the same tracking code.
        Raises RetryKeyReused where the same asker used it for another person.
        """
        ...
