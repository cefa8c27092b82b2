"""
A rehearsal: the tree alone, on every channel at once, without Redis, network or clock.

What is typed goes to a USSD phone and to a telephone; where it is looked up, an SMS would bring
the same answer. Who is looked up is named (dargah/cast.py): no ID is ever typed here. All pages
of a USSD screen are seen at once, so that the keys for more and back leave it as it is.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from dargah.cast import TYPED, WRONG_TYPED, Member, cast_of
from dargah.failures import Failure
from dargah.stage import Stage
from dialogue.advance import advance
from dialogue.guide_words import PREFIX as GUIDE
from dialogue.guide_words import sms_key
from dialogue.lookups import Result
from dialogue.phrases import read_as
from dialogue.state import EXPIRED, State
from dialogue.steps import Found, Input, Looked, LookUp, Show, Start, Typed
from dialogue.texts import text_of
from dialogue.tree import Lookup, Question, Tree
from dialogue.words import phrase_text
from eligibility.answer import Answer
from eligibility.national_id import InvalidId, NationalId
from eligibility.verdict import INVALID_ID
from ivr.prompts import FOLDER
from sms.answer import said_of
from telecom.channel import Channel
from telecom.service_code import NotAServiceCode, match, normalise_dialled
from ussd.rendering import render

LIKE_AN_ID = 8
"""Digits from which an input may be a person's ID, or one that lost its zeros."""

LONGEST = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """What one channel shows: USSD pages, or prompts by name. `last`: it is over there.

    `screen` and `language` are for the author; nobody else sees them.
    """

    screen: str
    language: str
    lines: tuple[str, ...]
    last: bool
    hand_over: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """What is seen after one input; None on a channel that was over before, or has no text."""

    ussd: Seen | None
    telephone: Seen | None
    sms: str | None

    @property
    def channels(self) -> tuple[Seen, ...]:
        """What is seen on the channels that still go on."""
        return tuple(seen for seen in (self.ussd, self.telephone) if seen is not None)


@dataclass(frozen=True, slots=True)
class Taken:
    """One turn as it was taken: the state before it, what was given, what a look-up came to."""

    state: State
    given: Input
    result: Result


@dataclass(slots=True)
class Line:
    """The conversation on one channel. `taken` has its turns, for those who measure."""

    tree: Tree
    rendering: Callable[[Show], list[str]]
    state: State = EXPIRED
    show: Show | None = None
    lines: tuple[str, ...] = ()
    taken: list[Taken] = field(default_factory=list)

    def turn(self, given: Input, member: Member | None) -> Result | None:
        """Go on by one input; what was looked up, None if nothing was."""
        result: Result = Found("")  # no branch of any look-up
        if member is not None:
            result = member.result
        elif isinstance(given, Typed):
            result = _wrong(given.text) or result
        self.taken.append(Taken(self.state, given, result))
        self.state, self.show, looked = turn(self.tree, self.taken[-1])
        self.lines = tuple(self.rendering(self.show))
        return result if looked else None

    @property
    def question(self) -> tuple[Question | None, Lookup | None]:
        """What is asked now, and the look-up that the answer goes to."""
        asked = self.tree.screens.get(self.state.screen)
        if self.state.ended or not isinstance(asked, Question):
            return None, None
        ahead = self.tree.screens.get(asked.go)
        return asked, ahead if isinstance(ahead, Lookup) else None

    def played(self, name: str) -> tuple[str, Member | None]:
        """What is typed here for a name, and who is meant."""
        asked, ahead = self.question
        if asked is None:
            return name, None
        named = name.lower()
        wrong = WRONG_TYPED.get(asked.ask, {})
        if named in wrong:
            return wrong[named], None
        member = cast_of(ahead.what).get(named) if ahead else None
        if member is not None or named == asked.ask:
            return TYPED.get(asked.ask, name), member
        return name, None


class Rehearsal:
    """One session. Raises Failure for an input that cannot be played here."""

    def __init__(self, stage: Stage) -> None:
        self._phrases = stage.phrases
        self._entries = stage.tree.entries
        self.ussd = Line(stage.tree.on(Channel.USSD), lambda show: render(stage.phrases, show))
        self.telephone = Line(
            stage.tree.on(Channel.VOICE),
            lambda show: [name.removeprefix(f"{FOLDER}/") for name in stage.prompts.screen(show)],
        )

    @property
    def over(self) -> bool:
        """Whether nothing more can be typed."""
        return all(line.show is not None and line.show.last for line in self._lines)

    @property
    def names(self) -> list[str]:
        """Who may be asked about now."""
        found: dict[str, None] = {}
        for line in self._lines:
            asked, ahead = line.question
            if asked is not None:
                found |= dict.fromkeys(WRONG_TYPED.get(asked.ask, ()))
                known = cast_of(ahead.what) if ahead else [asked.ask] if asked.ask in TYPED else ()
                found |= dict.fromkeys(known)
        return list(found)

    def dial(self, dialled: str) -> Scene:
        """Begin at a service code, with what was dialled after it."""
        _proven(dialled)
        try:
            entry, inputs = match(self._entries, dialled) or ("", ())
        except NotAServiceCode:
            entry, inputs = "", ()
        for line in self._lines:
            line.turn(Start(entry), None)
        scene = self._scene({}, None)
        for text in inputs:
            ready = [line for line in self._lines if line.show and not line.show.wrong]
            if not ready:
                break
            scene = self._typed(text, ready, scene)
        return scene

    def type(self, text: str) -> Scene:
        """Type an answer, or the name of somebody in the cast."""
        _proven(text)
        return self._typed(text, self._lines, None)

    @property
    def _lines(self) -> list[Line]:
        return [self.ussd, self.telephone]

    def _typed(self, name: str, lines: list[Line], before: Scene | None) -> Scene:
        over = {id(line): bool(line.show and line.show.last) for line in self._lines}
        sms = before.sms if before else None
        for line in lines:
            turns = before is None and line is self.ussd and self._turns_a_page(name)
            if over[id(line)] or turns:
                continue
            typed, member = line.played(name)
            language = line.state.language
            result = line.turn(Typed(typed), member)
            if result is not None:
                sms = self._text(language, result, member) or sms
            sms = self._topic(line) or sms
        return self._scene({} if before else over, sms)

    def _turns_a_page(self, text: str) -> bool:
        language = read_as(self._phrases, self.ussd.state.language)
        keys = (language.more_key, language.back_key)
        return len(self.ussd.lines) > 1 and normalise_dialled(text).strip("#") in keys

    def _topic(self, line: Line) -> str | None:
        """The text message of a topic of the guide, where one is shown."""
        said = line.show.say if line.show else ()
        if line is not self.ussd or not said or not said[0].startswith(GUIDE):
            return None
        language = read_as(self._phrases, line.state.language)
        return phrase_text(language, sms_key(said[0].removeprefix(GUIDE)), {})

    def _text(self, code: str, result: Result, member: Member | None) -> str | None:
        said = member.said if member else None
        if said is None and isinstance(result, Answer):
            said = said_of(result)
        return text_of(read_as(self._phrases, code), said.name, said.values) if said else None

    def _scene(self, over: dict[int, bool], sms: str | None) -> Scene:
        def seen(line: Line) -> Seen | None:
            if line.show is None or over.get(id(line)):
                return None
            show = line.show
            return Seen(show.screen, show.language, line.lines, show.last, show.hand_over)

        return Scene(seen(self.ussd), seen(self.telephone), sms)


def turn(tree: Tree, taken: Taken) -> tuple[State, Show, bool]:
    """A whole turn: the state after it, what to show, and whether anything was looked up."""
    state, step = advance(tree, taken.state, taken.given)
    looked = False
    while isinstance(step, LookUp):
        looked = True
        state, step = advance(tree, state, Looked(taken.result))
    return state, step, looked


def _wrong(text: str) -> Answer | None:
    """What an inquiry says of digits that are no ID."""
    try:
        NationalId.parse(text)
    except InvalidId as error:
        return Answer(INVALID_ID, None, wrong=error.reason)
    return None


def _proven(text: str) -> None:
    """Raises Failure for what must not be typed, or cannot be kept in a line."""
    if len(text) > LONGEST or any(unicodedata.category(char) == "Cc" for char in text):
        raise Failure(f"an input is one line of up to {LONGEST} characters.")
    for part in text.split("*"):
        if sum(char.isdigit() for char in part) >= LIKE_AN_ID:
            raise Failure(
                f"{LIKE_AN_ID} digits or more may be somebody's ID; name one of the cast instead."
            )
