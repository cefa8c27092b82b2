"""What is said next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.advance import advance
from dialogue.state import EXPIRED, State, decode, encode
from dialogue.steps import Input, Looked, LookUp, OutOfTime, Show, Silent, Start, Step, Typed
from dialogue.tree import Message
from dialogue.words import words
from eligibility.answer import Answer, OverBudget
from eligibility.tracking_code import is_code
from eligibility.verdict import INVALID_ID
from telecom.channel import Channel
from tests.scripted_inquirer import COVERED, PHRASES, SCRIPT, TREE, answers, typed

ENTRIES = st.sampled_from([*TREE.entries, "", "*9*9"])
INPUTS = (
    st.builds(Start, ENTRIES, st.sampled_from([None, "fa", "en", "fa-latn", "xx"]))
    | st.builds(Typed, typed())
    | st.builds(Looked, answers())
    | st.just(OutOfTime())
    | st.builds(Silent, st.floats(0, 2**40))
)
STATES = st.builds(
    State,
    st.sampled_from([TREE.digest, "another"]),
    st.sampled_from([*PHRASES, "", "xx"]),
    st.sampled_from([*TREE.screens, "", "gone"]),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.booleans(),
    st.integers(0, 1000),
    st.integers(0, 2**40),
    st.lists(st.tuples(st.sampled_from(["ask_mobile", "x"]), st.text(max_size=9)), max_size=3).map(
        tuple
    ),
)


def at(screen: str) -> State:
    """A state of the shipped tree."""
    return State(TREE.digest, "fa", screen)


def follow(state: State, *inputs: Input) -> tuple[State, Step]:
    """The state and step after several inputs."""
    state, step = advance(TREE, state, inputs[0])
    for given_ in inputs[1:]:
        state, step = advance(TREE, state, given_)
    return state, step


def screen(step: Step) -> str:
    """The name of the screen that is shown."""
    assert isinstance(step, Show)
    return step.screen


@given(STATES, INPUTS)
def test_any_state_and_any_input(state: State, given_: Input) -> None:
    """Whatever is typed or comes back, in whatever state, there is something true to say."""
    following, step = advance(TREE, state, given_)
    assert following.tree == TREE.digest
    if isinstance(step, Show):
        assert words(PHRASES, step)
        assert step.last == following.ended
    else:
        assert isinstance(given_, Typed)
        assert step.text == given_.text or is_code(step.text)


@given(ENTRIES, st.lists(typed() | st.none(), max_size=80), answers())
def test_every_conversation_ends(
    entry: str, inputs: list[str | None], answer: Answer | OverBudget
) -> None:
    """No conversation takes more answers than the tree allows."""
    state, _ = advance(TREE, EXPIRED, Start(entry))
    taken = 0
    for text in inputs:
        if state.ended:
            break
        state, step = advance(TREE, state, Typed("1" if text is None else text))
        taken += 1
        if isinstance(step, LookUp):
            state, step = advance(TREE, state, Looked(answer))
            assert isinstance(step, Show)
    assert taken <= TREE.turns + 1
    assert state.ended or taken == len(inputs)


@given(STATES)
def test_a_state_is_kept_whole(state: State) -> None:
    """A conversation goes on where it stood."""
    assert decode(encode(state)) == state


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_broken_state_has_expired(blob: bytes) -> None:
    """A state that cannot be read ends politely."""
    state = decode(blob)
    assert isinstance(state, State)
    _, step = advance(TREE, state, Typed("1"))
    assert screen(step) == "expired"


def test_every_field_of_a_state_is_looked_at() -> None:
    """A state with a field of another kind, too many or too few has expired."""
    good = encode(at("main"))
    assert decode(good) == at("main")
    for wrong in (
        good.replace(b'"v":2', b'"v":3'),
        good.replace(b'"tries":0', b'"tries":true'),
        good.replace(b'"turns":0', b'"turns":-1'),
        good.replace(b'"ended":false', b'"ended":0'),
        good.replace(b'"screen":"main"', b'"screen":1'),
        good.replace(b'"turns"', b'"turned"'),
        good.replace(b',"ended":false', b""),
        good.replace(b'"depth":0', b'"depth":1.5'),
        good.replace(b'"since":0', b'"since":null'),
        good.replace(b'"answers":[]', b'"answers":{}'),
        good.replace(b'"answers":[]', b'"answers":[["x"]]'),
        good.replace(b'"answers":[]', b'"answers":[["x",1]]'),
        good + b" " * 9000,
        b"[" * 1000,
        b"null",
    ):
        assert decode(wrong) == EXPIRED


def test_a_changed_tree_ends_old_conversations() -> None:
    """A conversation that began on another tree is told to dial again, in its own language."""
    _, step = advance(TREE, State("another", "en", "main"), Typed("1"))
    assert isinstance(step, Show)
    assert (step.screen, step.language, step.last) == ("expired", "en", True)


def test_the_inquiry() -> None:
    """From the code to the answer: choose, type the ID, read."""
    state, step = follow(EXPIRED, Start("*4*1420"), Typed("1"))
    assert screen(step) == "ask_id"
    state, step = advance(TREE, state, Typed(COVERED))
    assert step == LookUp(COVERED)
    assert COVERED not in repr((state, step))
    assert COVERED.encode() not in encode(state)
    state, step = advance(TREE, state, Looked(SCRIPT[COVERED]))
    assert screen(step) == "covered"
    assert state.ended


def test_menu_keys_in_any_script() -> None:
    """Persian and Arabic digits, blanks, marks and a hash are all the same key."""
    for text in ("1", "۱", "١", " 1", "1 ", "1#", "\u200e1", "\uff11", "*1#", "1."):
        assert screen(follow(EXPIRED, Start("*1666"), Typed(text))[1]) == "ask_id", text


def test_the_language_is_chosen_and_changed_back() -> None:
    """9 leads to the languages and the letters, and each of them back to the menu."""
    state, step = follow(EXPIRED, Start("*4*1420"), Typed("9"))
    assert screen(step) == "main_language"
    own_key = {"en": "1", "fa-latn": "2", "fa": "3"}
    for key, code in (
        ("1", "en"),
        ("2", "fa-latn"),
        ("3", "fa"),
        ("2", "fa-latn"),
        ("0", "fa-latn"),
    ):
        state, step = advance(TREE, state, Typed(key))
        assert isinstance(step, Show)
        assert (state.language, step.language, step.screen) == (code, code, "main")
        state, step = advance(TREE, state, Typed("9"))
        assert isinstance(step, Show)
        assert {choice.key for choice in step.choices} == {"0", "1", "2", "3"} - {own_key[code]}


@pytest.mark.parametrize("entry", TREE.entries)
def test_a_caller_is_in_english_at_once(entry: str) -> None:
    """By telephone 9 is the other language, and 9 again the first: letters are not heard."""
    tree = TREE.on(Channel.VOICE)
    state, step = advance(tree, EXPIRED, Start(entry))
    for code in ("en", "fa"):
        state, step = advance(tree, state, Typed("9"))
        assert (state.language, screen(step)) == (code, tree.entries[entry])


def test_a_wrong_key_shows_the_menu_again() -> None:
    """A key that is not offered shows the menu with a hint; too many end at the helpline."""
    state, step = follow(EXPIRED, Start("*4*1420"), Typed("5"))
    assert isinstance(step, Show)
    assert (step.screen, step.hint, step.wrong, step.last) == ("main", "wrong_option", True, False)
    assert screen(advance(TREE, state, Typed("1"))[1]) == "ask_id"
    _, step = follow(state, Typed("x"), Typed("y" * 10_000))
    assert isinstance(step, Show)
    assert (step.screen, step.last) == ("helpline", True)


def test_a_wrong_id_is_asked_again() -> None:
    """Who mistypes an ID hears what is wrong, and after the third time whom to call."""
    state = at("ask_id")
    for reason in ("short", "check_digit"):
        state, step = follow(state, Typed("1"), Looked(Answer(INVALID_ID, None, wrong=reason)))
        assert isinstance(step, Show)
        assert step.say == (f"wrong_id_{reason}",)
        assert step.wrong
    _, step = follow(state, Typed("1"), Looked(Answer(INVALID_ID, None, wrong="length")))
    assert screen(step) == "helpline"


def test_right_answers_are_no_wrong_ones() -> None:
    """Wrong answers count in a row: a right one clears them."""
    wrong = Typed("5")
    state, step = follow(EXPIRED, Start("*4*1420"), wrong, wrong, Typed("3"), wrong, wrong)
    assert screen(step) == "guide"
    assert not state.ended


def test_a_conversation_may_not_go_on_for_ever() -> None:
    """After as many answers as the tree allows it ends, and says so."""
    state, _ = advance(TREE, EXPIRED, Start("*4*1420"))
    for turn in range(TREE.turns):
        state, step = advance(TREE, state, Typed("90"[turn % 2]))
        assert screen(step) == ("main_language", "main")[turn % 2]
    _, step = advance(TREE, state, Typed("9"))
    assert screen(step) == "too_long"


def test_a_late_answer() -> None:
    """When there was no time to look, nothing is said about the person."""
    state, _ = advance(TREE, at("ask_id"), Typed(COVERED))
    state, step = advance(TREE, state, OutOfTime())
    assert screen(step) == "busy"
    assert screen(advance(TREE, state, Looked(SCRIPT[COVERED]))[1]) == "expired"


def test_minutes_are_rounded_up() -> None:
    """Nobody is told to come back too soon."""
    for seconds, minutes in ((0.0, 1), (60.0, 1), (60.1, 2), (3600.0, 60), (float("inf"), 1)):
        _, step = advance(TREE, at("eligibility"), Looked(OverBudget(seconds)))
        assert isinstance(step, Show)
        assert (step.screen, step.values) == ("over_budget", {"minutes": minutes})


def test_every_exit_is_a_last_word() -> None:
    """What ends a conversation needs no facts."""
    for name in ("helpline", "too_long", "busy", "expired", "unavailable", "unknown_code"):
        message = TREE.screens[name]
        assert isinstance(message, Message)
        step = Show(name, "fa", message.say, last=True)
        assert words(PHRASES, step)
