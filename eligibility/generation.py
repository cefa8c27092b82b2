"""
The facts of one generation: one export of the registry, laid out in the cache.

They are kept as JSON in the state role, where they outlive the people they tell of.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from eligibility.buckets import Layout
from eligibility.comparison import Changes


class Phase(StrEnum):
    """How far a generation has come."""

    LOADING = "loading"
    READY = "ready"


class Alarm(StrEnum):
    """What stops a load that the operator has not accepted."""

    FEWER_PEOPLE = "fewer people"
    MORE_CHANGES = "more changes"


class BadGeneration(ValueError):
    """Stored facts that cannot be read: written by another version, or damaged."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One export. Its `number` is for people, its `token` for the keys in the cache.

    `as_of` is when the export was true; `source` is the file's base name; `sha256` is that of the
    file as it lay on disk, in hexadecimal. `accepted`: it has far fewer people than the one before
    it, or changes far more outcomes, and was loaded because the operator (`accepted_by`, "" where
    that is not known) said that this is right; `alarms`: which of the two it was, or both, none
    where older facts do not say. `changes`: what it changed against the one that
    answered before it; None where there was none to compare with. `unreadable`: people beside
    those whose rows were all rejected, and who cannot be checked.
    """

    number: int
    token: str
    width: int
    foreign_width: int
    people: int
    rejected: int
    duplicates: int
    as_of: datetime
    loaded_at: datetime
    source: str
    sha256: str
    phase: Phase
    accepted: bool = False
    accepted_by: str = ""
    changes: Changes | None = None
    unreadable: int = 0
    alarms: tuple[Alarm, ...] = ()
    layout: Layout = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        layout = Layout(self.token, self.width, self.foreign_width)
        object.__setattr__(self, "layout", layout)

    def to_json(self) -> str:
        """The facts as they are stored."""
        return json.dumps(
            {
                "number": self.number,
                "token": self.token,
                "width": self.width,
                "foreign_width": self.foreign_width,
                "people": self.people,
                "rejected": self.rejected,
                "duplicates": self.duplicates,
                "as_of": self.as_of.astimezone(UTC).isoformat(),
                "loaded_at": self.loaded_at.astimezone(UTC).isoformat(),
                "source": self.source,
                "sha256": self.sha256,
                "phase": self.phase,
                "accepted": self.accepted,
                "accepted_by": self.accepted_by,
                "changes": self.changes and self.changes.to_facts(),
                "unreadable": self.unreadable,
                "alarms": [alarm.value for alarm in self.alarms],
            }
        )

    @classmethod
    def from_json(cls, stored: bytes) -> "Generation":
        """Read stored facts. Raises BadGeneration."""
        try:
            facts = json.loads(stored)
            return cls(
                number=int(facts["number"]),
                token=str(facts["token"]),
                width=int(facts["width"]),
                foreign_width=int(facts["foreign_width"]),
                people=int(facts["people"]),
                rejected=int(facts["rejected"]),
                duplicates=int(facts["duplicates"]),
                as_of=datetime.fromisoformat(facts["as_of"]).astimezone(UTC),
                loaded_at=datetime.fromisoformat(facts["loaded_at"]).astimezone(UTC),
                source=str(facts["source"]),
                sha256=str(facts["sha256"]),
                phase=Phase(facts["phase"]),
                # Facts written before there were such things lack them.
                accepted=facts.get("accepted") is True,
                accepted_by=str(facts.get("accepted_by", "")),
                changes=Changes.from_facts(facts["changes"]) if facts.get("changes") else None,
                unreadable=int(facts.get("unreadable", 0)),
                alarms=tuple(map(Alarm, facts.get("alarms", ()))),
            )
        except (ValueError, KeyError, TypeError):
            raise BadGeneration("the stored facts of a generation cannot be read") from None
