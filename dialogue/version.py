"""
Versions of the dialogue: the tree with its phrases, as one thing that changes as one.

A conversation finishes on the version that it began with. Its state holds the tree's digest
(dialogue/state.py), and `Versions.of` finds the version again by it.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from dialogue.notice import Notice
from dialogue.phrases import Phrases
from dialogue.tree import Tree


@dataclass(frozen=True, slots=True)
class Version:
    """One proven dialogue. What a channel needs besides (voices) is added by a subclass."""

    tree: Tree
    phrases: Phrases

    @property
    def digest(self) -> str:
        """By which conversations remember it."""
        return self.tree.digest


V = TypeVar("V", bound=Version)
V_co = TypeVar("V_co", bound=Version, covariant=True)


class Versions(Protocol[V_co]):
    """Where the edges find what to say. dialogue/live.py changes while it runs."""

    @property
    def current(self) -> V_co:
        """The version on which a conversation begins now."""
        ...

    async def of(self, digest: str) -> V_co | None:
        """The version that a conversation began on; None if it is not known any more.

        Raises Unavailable or ReplyError where it must be asked for and cannot.
        """
        ...

    def notice(self) -> Notice | None:
        """What stands before everything now, if anything does."""
        ...


class OneVersion(Generic[V]):
    """A version that never changes."""

    def __init__(self, version: V, notice: Notice | None = None) -> None:
        self._version = version
        self._notice = notice

    @property
    def current(self) -> V:
        """The one."""
        return self._version

    async def of(self, digest: str) -> V | None:
        """The one, if it is that."""
        return self._version if digest == self._version.digest else None

    def notice(self) -> Notice | None:
        """The notice that it was made with."""
        return self._notice
