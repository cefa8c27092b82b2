"""
The dialogue tree: what can be said, and what may follow it.

    entry ─▶ menu ─▶ question ─▶ lookup ─▶ message
               └──────────▶ ... ◀── again, where the answer was wrong

Facts only. dialogue/tree_file.py reads them from config/dialogue/tree.toml, whose head explains
the format; dialogue/check.py proves them; dialogue/advance.py walks through them. Names of
screens and phrases are plain strings; `line` is where each thing stands in the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from dialogue.phrases import language_of_script
from telecom.channel import Channel

CHANNELS = (Channel.USSD, Channel.VOICE)
"""The channels that a dialogue is held on; a text message is answered at once, without one."""


class Branch(StrEnum):
    """What the eligibility lookup can come to: the six outcomes, or none for want of budget."""

    COVERED = "COVERED"
    NOT_COVERED = "NOT_COVERED"
    PENDING_PAYMENT = "PENDING_PAYMENT"
    NOT_FOUND = "NOT_FOUND"
    INVALID_ID = "INVALID_ID"
    CANNOT_CHECK = "CANNOT_CHECK"
    OVER_BUDGET = "OVER_BUDGET"


WRONG_ID = ("length", "short", "check_digit", "characters")
"""What can be wrong with a national ID; a question has a phrase for each."""

Span = tuple[int, int]
"""The least and the most, both allowed."""


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a menu or a question; `language`, if any, is spoken from then on.

    `channels` are those that offer it; `value` is the answer that a question takes it for.
    """

    key: str
    label: str
    go: str
    language: str | None
    line: int
    channels: tuple[Channel, ...] = CHANNELS
    value: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """A title and options; `wrong` is said where none of them was typed."""

    name: str
    line: int
    paged: bool
    title: str
    wrong: str
    options: tuple[Option, ...]

    def offered(self, language: str) -> tuple[Option, ...]:
        """The options in a language: none leads to the language that is spoken already.

        One that leads from a script back to its language gives way to another with its key.
        """
        offered = tuple(option for option in self.options if option.language != language)
        own = language_of_script(language)
        if own == language:
            return offered
        keys = {option.key for option in offered if option.language != own}
        return tuple(
            option for option in offered if option.language != own or option.key not in keys
        )


@dataclass(frozen=True, slots=True)
class Question:
    """Asks for a typed answer of the kind `ask` (dialogue/typed.py has them all).

    `wrong` has the phrase that asks again, by what was wrong. `length` is in characters, `span`
    bounds a number, `choices` are what may be chosen; each is None or empty where `ask` needs
    none. The answer goes to the lookup `go`, or is kept with the state.
    """

    name: str
    line: int
    paged: bool
    ask: str
    prompt: str
    wrong: Mapping[str, str]
    go: str
    length: Span | None = None
    span: Span | None = None
    choices: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """Looks up what the question before it was told; `on` has the screen for each branch.

    `what` names one of LOOKUPS (dialogue/lookups.py).
    """

    name: str
    line: int
    what: str
    on: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """Says something. With `go` any answer leads on; without, it is the last word.

    Of `say` the first phrase is said whose every value is known; of `also`, each whose values
    are known and not yet said. `hand_over`: a person goes on from here. A call goes to an
    operator; on other channels the words say whom to call.
    """

    name: str
    line: int
    paged: bool
    say: tuple[str, ...]
    also: tuple[str, ...]
    go: str | None
    hand_over: bool = False


Screen = Menu | Question | Lookup | Message


@dataclass(frozen=True, slots=True)
class Exits:
    """Messages that end a conversation which cannot go on."""

    tries: str
    turns: str
    busy: str
    expired: str
    unavailable: str
    unknown_code: str
    depth: str
    seconds: str


@dataclass(frozen=True, slots=True)
class Tree:
    """Everything that can be said.

    `tries` are wrong answers in a row at one screen, `turns` are answers in one conversation,
    `depth` screens in a row since an entry, `seconds` the length of a conversation. `entries` has
    the screen for each service code. `digest` changes with the tree's meaning, not with its
    comments: a conversation that began on another tree is ended politely.

    `tops` are the screens that service codes lead to. `screens` are as written, or as `channel`
    has them: its words, and the options it offers.
    """

    file: str
    digest: str
    languages: tuple[str, ...]
    tries: int
    turns: int
    depth: int
    seconds: int
    exits: Exits
    entries: Mapping[str, str]
    entry_lines: Mapping[str, int]
    screens: Mapping[str, Screen]
    by_channel: Mapping[Channel, Mapping[str, Screen]]
    tops: frozenset[str]
    channel: Channel | None = None
    _views: dict[Channel, "Tree"] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def speaks(self, code: str) -> bool:
        """Whether this is one of the languages, or a script of one."""
        return language_of_script(code) in self.languages

    def on(self, channel: Channel) -> "Tree":
        """This tree as one channel has it; as it is for a channel without a dialogue."""
        if self.channel is channel or channel not in self.by_channel:
            return self
        # Made once: every turn of every conversation asks for it.
        if channel not in self._views:
            self._views[channel] = replace(self, screens=self.by_channel[channel], channel=channel)
        return self._views[channel]
