"""
What to say next.

`advance` takes a state and an input and gives the next state and the step to take. It waits for
nothing and raises nothing, so every channel shares it. Whatever does not fit ends in one of the
tree's exits, each of which says truly why.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from dialogue.lookups import LOOKUPS
from dialogue.state import State
from dialogue.steps import (
    Choice,
    Found,
    Input,
    Looked,
    LookUp,
    OutOfTime,
    Show,
    Silent,
    Start,
    Step,
    Typed,
    Value,
)
from dialogue.tree import Branch, Lookup, Menu, Message, Question, Tree
from dialogue.typed import Right, Wrong, chosen, read_answer
from eligibility.answer import Answer, OverBudget
from persian.jalali import tehran_date

MOST_MINUTES = 9999
"""A longer wait is a week, and the proof of the words reckons with four digits."""


def advance(tree: Tree, state: State, given: Input) -> tuple[State, Step]:
    """The next state and step. Pure and total."""
    if isinstance(given, Start):
        return _start(tree, given)
    if state.ended or state.tree != tree.digest or not tree.speaks(state.language):
        return leave(tree, state, tree.exits.expired)
    match given:
        case Typed(at=at) | Silent(at=at) if at and 0 < state.since < at - tree.seconds:
            return leave(tree, state, tree.exits.seconds)
        case Typed(text):
            return _typed(tree, state, text)
        case Silent():
            return _silent(tree, state)
        case Looked(result):
            return _looked(tree, state, result)
        case OutOfTime():
            return leave(tree, state, tree.exits.busy)


def leave(tree: Tree, state: State, exit_: str) -> tuple[State, Show]:
    """End at one of the tree's exits, in the language spoken so far."""
    language = state.language if tree.speaks(state.language) else tree.languages[0]
    ended = replace(state, tree=tree.digest, language=language, screen=exit_, ended=True)
    message = tree.screens[exit_]
    assert isinstance(message, Message)  # the tree file is read so
    show = Show(exit_, language, message.say, message.also, last=True, hand_over=message.hand_over)
    return ended, show


def _start(tree: Tree, start: Start) -> tuple[State, Step]:
    asked = start.language or ""
    language = asked if tree.speaks(asked) else tree.languages[0]
    since = int(start.at) if math.isfinite(start.at) else 0
    state = State(tree.digest, language, screen="", since=max(0, since))
    entry = tree.entries.get(start.entry)
    if entry is None:
        return leave(tree, state, tree.exits.unknown_code)
    return _go(tree, state, entry)


def _typed(tree: Tree, state: State, text: str) -> tuple[State, Step]:
    if state.turns >= tree.turns:
        return leave(tree, state, tree.exits.turns)
    state = replace(state, turns=state.turns + 1)
    match tree.screens.get(state.screen):
        case Menu() as menu:
            option = chosen(menu.offered(state.language), text)
            if option is None:
                return _again(tree, state, menu, menu.wrong)
            spoken = replace(state, language=option.language or state.language)
            return _go(tree, spoken, option.go)
        case Question() as question:
            return _answered(tree, state, question, text)
        case Message(go=str(go)):
            return _go(tree, state, go)
    # A look-up that never came back, or a state that this tree cannot have made.
    return leave(tree, state, tree.exits.busy)


def _answered(tree: Tree, state: State, question: Question, text: str) -> tuple[State, Step]:
    match read_answer(question, text):
        case Wrong(reason):
            return _again(tree, state, question, question.wrong[reason])
        case Right(value):
            lookup = tree.screens.get(question.go)
            if isinstance(lookup, Lookup):
                ahead = replace(state, screen=question.go)
                return ahead, LookUp(value, lookup.what, state.answers)
            if question.ask == "national_id":  # no proven tree has one; an ID is never kept
                return leave(tree, state, tree.exits.unavailable)
            others = tuple(pair for pair in state.answers if pair[0] != question.name)
            kept = replace(state, answers=(*others, (question.name, value)))
            return _go(tree, kept, question.go)


def _silent(tree: Tree, state: State) -> tuple[State, Step]:
    """Ask again in the same words: silence is no mistake, and is borne as often as one."""
    if not isinstance(tree.screens.get(state.screen), Menu | Question):
        return _typed(tree, state, "")
    if state.turns >= tree.turns:
        return leave(tree, state, tree.exits.turns)
    state = replace(state, turns=state.turns + 1, tries=state.tries + 1)
    if state.tries >= tree.tries:
        return leave(tree, state, tree.exits.tries)
    return _show(tree, state)


def _looked(tree: Tree, state: State, result: Answer | OverBudget | Found) -> tuple[State, Step]:
    screen = tree.screens.get(state.screen)
    if isinstance(screen, Menu | Question):
        return _show(tree, state)
    if not isinstance(screen, Lookup):
        # A message's facts are not kept, so it cannot be said a second time.
        return leave(tree, state, tree.exits.busy)
    found = result if isinstance(result, Found) else _found(result)
    target = screen.on.get(found.branch)
    if target is None:  # the result of another look-up than this screen's
        return leave(tree, state, tree.exits.busy)
    question = tree.screens.get(target)
    if found.branch == LOOKUPS[screen.what].again and isinstance(question, Question):
        wrong = result.wrong if isinstance(result, Answer) else None
        other = question.wrong.get("characters", question.prompt)
        phrase = question.wrong.get(wrong or "", other)
        return _again(tree, replace(state, screen=target), question, phrase)
    return _go(tree, state, target, found.values)


def _found(result: Answer | OverBudget) -> Found:
    """What an inquiry came to."""
    if isinstance(result, OverBudget):
        return Found(Branch.OVER_BUDGET, {"minutes": _minutes(result)})
    return Found(Branch(result.verdict.outcome), _values(result))


def _minutes(over: OverBudget) -> int:
    """Whole minutes, one at least, rounded up so that nobody comes back too soon."""
    if not math.isfinite(over.retry_after):
        return 1
    return min(max(1, math.ceil(over.retry_after / 60)), MOST_MINUTES)


def _values(answer: Answer) -> dict[str, Value]:
    """What is known of an answer, by the names that phrases use."""
    verdict = answer.verdict
    values: dict[str, Value] = {}
    if verdict.valid_until is not None:
        values["valid_until"] = verdict.valid_until
    if verdict.not_covered_since is not None:
        values["since"] = verdict.not_covered_since
    # Said only where the answer is old enough to matter.
    if verdict.stale and verdict.as_of is not None:
        values["as_of"] = tehran_date(verdict.as_of)
    if answer.tracking_code is not None:
        values["code"] = answer.tracking_code
    return values


def _go(
    tree: Tree, state: State, name: str, values: Mapping[str, Value] | None = None
) -> tuple[State, Step]:
    """Arrive at a screen, by a right answer. Who comes to an entry is not deep any more."""
    depth = 0 if name in tree.tops else state.depth + 1
    if depth > tree.depth:
        return leave(tree, state, tree.exits.depth)
    return _show(tree, replace(state, screen=name, tries=0, depth=depth), values=values)


def _again(tree: Tree, state: State, screen: Menu | Question, phrase: str) -> tuple[State, Step]:
    """Ask again after a wrong answer, or send the person to somebody who can help."""
    state = replace(state, tries=state.tries + 1)
    if state.tries >= tree.tries:
        return leave(tree, state, tree.exits.tries)
    state, step = _show(tree, state, wrong=True)
    if not isinstance(step, Show) or not step.wrong:
        return state, step
    if isinstance(screen, Question):  # its phrase for what is wrong asks again by itself
        return state, replace(step, say=(phrase,))
    return state, replace(step, say=(), hint=phrase)


def _show(
    tree: Tree, state: State, *, values: Mapping[str, Value] | None = None, wrong: bool = False
) -> tuple[State, Step]:
    language = state.language
    match tree.screens.get(state.screen):
        case Menu() as menu:
            choices = tuple(Choice(option.key, option.label) for option in menu.offered(language))
            return state, Show(menu.name, language, (menu.title,), choices=choices, wrong=wrong)
        case Question() as question:
            choices = tuple(Choice(choice.key, choice.label) for choice in question.choices)
            say = (question.prompt,)
            return state, Show(question.name, language, say, choices=choices, wrong=wrong)
        case Message() as message:
            last = message.go is None
            return replace(state, ended=last), Show(
                message.name,
                language,
                message.say,
                message.also,
                values or {},
                last=last,
                hand_over=message.hand_over,
            )
    # A look-up with nothing to look up: no proven tree has one.
    return leave(tree, state, tree.exits.unavailable)
