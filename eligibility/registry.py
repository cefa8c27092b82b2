"""
The registry behind the cache: the system that knows, and is slow.

    SQL        registry_sql.py     a table or view of the operator's
    HTTP       registry_http.py    a small JSON protocol (docs/registry.md)

Whoever asks goes through registry_guard.py, never straight here.
"""

from enum import StrEnum
from typing import Protocol

from eligibility.national_id import NationalId
from eligibility.verdict import Record
from state.errors import Unavailable


class FaultKind(StrEnum):
    """Why a question was not answered."""

    AWAY = "away"
    """It cannot be reached, or says itself that it cannot answer."""
    LATE = "late"
    """No answer in time."""
    STRANGE = "strange"
    """An answer that is not of the protocol: a proxy's page, a refused key."""
    UNREADABLE = "unreadable"
    """It answered, but what it has about this person is no record."""


class RegistryFault(Unavailable):
    """The registry did not say; the text, one sentence, holds nothing about the person."""

    def __init__(self, kind: FaultKind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Registry(Protocol):
    """A registry that can be asked about one person at a time."""

    @property
    def name(self) -> str:
        """What may be shown of where it is: never a secret."""
        ...

    async def person(self, person: NationalId) -> Record | None:
        """The record of a person, None for one whom the registry does not know.

        Raises Unavailable, of which RegistryFault says more. Neither bounds itself in time.
        """
        ...

    async def prove(self) -> None:
        """See that it answers, and in the right form, asking about nobody. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """End all connections. Harmless twice."""
        ...
