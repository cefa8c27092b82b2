"""Every kind of screen and of answer, channel by channel."""

import asyncio
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.toml_lines import parse_toml
from dialogue.advance import advance
from dialogue.check import findings
from dialogue.check_words import shows
from dialogue.conversation import Conversation
from dialogue.paths import situations
from dialogue.phrases import Phrase
from dialogue.state import EXPIRED, MOST_OCTETS, State, decode, encode
from dialogue.steps import Looked, LookUp, Show, Silent, Start, Step, Typed
from dialogue.tree import CHANNELS, Question, Tree
from dialogue.tree_file import tree_of
from dialogue.typed import Right, Wrong, masked, read_answer
from dialogue.words import words
from eligibility.answer import Answer, Asker, OverBudget
from telecom.channel import Channel
from telecom.screen import fits
from tests.dialogue_sample import SAMPLE, changed, sample, sample_phrases
from tests.scripted_inquirer import (
    BROKEN_CODE,
    COVERED,
    KEPT,
    OWNER,
    PHRASES,
    TREE,
    UNKNOWN_CODE,
    ScriptedInquirer,
    answers,
    typed,
)
from ussd.rendering import render

ONE, WORDS = sample(), sample_phrases()
MOBILE = "09121234567"
CODE = "10987654315"


def walk(tree: Tree, *inputs: str) -> tuple[State, Step]:
    """What is typed, from the first service code on; look-ups are answered."""
    state, step = advance(tree, EXPIRED, Start(next(iter(tree.entries))))
    for text in inputs:
        state, step = advance(tree, state, Typed(text))
        assert isinstance(step, Show)
    return state, step


def shown(step: Step) -> Show:
    """A step that shows something."""
    assert isinstance(step, Show)
    return step


def test_the_sample_is_sound() -> None:
    """A tree that uses everything can be proven."""
    assert findings(ONE, WORDS) == []


def test_words_and_options_by_channel() -> None:
    """The telephone has its own words, and an operator; the story can only be written."""
    ussd, voice = (shown(walk(ONE.on(channel))[1]) for channel in CHANNELS)
    assert (ussd.say, voice.say) == (("top_title",), ("top_heard",))
    assert [choice.key for choice in ussd.choices] == ["1", "2", "3", "4", "5", "6", "9"]
    assert [choice.key for choice in voice.choices] == ["1", "3", "4", "5", "6", "0", "9"]
    assert (ussd.choices[0].label, voice.choices[0].label) == ("to_sort_read", "to_sort")
    assert ONE.on(Channel.SMS) is ONE
    wrong = shown(walk(ONE.on(Channel.VOICE), "1", "2", "x")[1])
    assert wrong.say == ("count_wrong",)
    short = shown(walk(ONE.on(Channel.VOICE), "1", "2", "1234")[1])
    assert short.say == ("count_heard",)


def test_a_hand_over() -> None:
    """Who asks for an operator is handed over, and what that takes is for the channel to know."""
    step = shown(walk(ONE.on(Channel.VOICE), "0")[1])
    assert (step.screen, step.hand_over, step.last, step.say) == (
        "person",
        True,
        True,
        ("person_heard",),
    )
    assert shown(walk(ONE.on(Channel.USSD), "0")[1]).wrong


def test_answers_are_kept_by_their_questions() -> None:
    """A choice, a number and a mobile number are kept; the same sub-tree twice keeps two."""
    state, step = walk(ONE, "1", "2", "۱۰۰", "+98 912 123 4567")
    assert shown(step).screen == "callback.kept"
    assert dict(state.answers) == {
        "sort": "complaint",
        "count": "100",
        "callback": "989121234567",
    }
    assert decode(encode(state)) == state
    state, step = advance(ONE, state, Typed(""))
    assert shown(step).screen == "back"
    state, _ = advance(ONE, state, Typed(""))
    for text in ("2", "یک داستان", MOBILE):
        state, step = advance(ONE, state, Typed(text))
    assert dict(state.answers)["story"] == "یک داستان"
    assert dict(state.answers)["story_callback"] == "989121234567"
    assert "98912" not in repr(state)
    assert shown(advance(ONE, state, Typed(""))[1]).screen == "thanks"


@pytest.mark.parametrize(
    ("question", "text", "reason"),
    [
        ("sort", "3", "choice"),
        ("sort", "advice", "choice"),
        ("count", "", "characters"),
        ("count", "1x", "characters"),
        ("count", "1234", "length"),
        ("count", "9", "range"),
        ("count", "121", "range"),
        ("callback", "02188881234", "number"),
        ("callback", "1", "number"),
        ("story", "ab", "length"),
        ("story", "x" * 61, "length"),
        ("code", "1098765431", "length"),
        ("code", "10987654316", "check_digit"),
        ("code", "کد", "characters"),
    ],
)
def test_wrong_answers(question: str, text: str, reason: str) -> None:
    """Each thing that can be wrong has its own words, and is asked again."""
    asked = ONE.screens[question]
    assert isinstance(asked, Question)
    assert read_answer(asked, text) == Wrong(reason)
    state = State(ONE.digest, "fa", question)
    state, step = advance(ONE, state, Typed(text))
    assert (shown(step).say, shown(step).wrong) == ((asked.wrong[reason],), True)
    assert state.answers == ()


@given(st.sampled_from([n for n, s in ONE.screens.items() if isinstance(s, Question)]), typed())
def test_any_answer(question: str, text: str) -> None:
    """Whatever is typed is an answer or is wrong in a way that the question has words for."""
    asked = ONE.screens[question]
    assert isinstance(asked, Question)
    given_ = read_answer(asked, text)
    assert isinstance(given_, Right) or given_.reason in asked.wrong


@given(
    st.lists(
        st.sampled_from(["1", "2", "4", "5", "6", "9", "100", MOBILE, CODE, COVERED])
        | st.text(max_size=30).map(lambda text: f"{text} {COVERED}")
        | st.text(max_size=3)
        .map(lambda between: between.join("۰۰۱۲۳۴۵۶۷۹"))
        .filter(lambda text: not re.search(r"[^\W_۰-۹]", text)),
        max_size=20,
    ),
    answers(),
)
def test_no_state_holds_an_id(inputs: list[str], answer: Answer | OverBudget) -> None:
    """Wherever a person types an ID, none is kept; and what is kept can be read again."""
    state, _ = advance(ONE, EXPIRED, Start("*1"))
    for text in inputs:
        state, step = advance(ONE, state, Typed(text))
        if isinstance(step, LookUp):
            state, step = advance(ONE, state, Looked(answer))
        blob = encode(state)
        assert len(blob) <= MOST_OCTETS
        assert decode(blob) == state
        for _, value in state.answers:
            digits = re.sub(r"\W", "", value)
            assert COVERED not in digits
            assert "۰۰۱۲۳۴۵۶۷۹" not in digits


def test_an_id_in_a_story_is_masked() -> None:
    """Of a number that may be an ID only the last three digits stay; short ones are left."""
    assert masked("ID 0012345679, since 1405/12/29?") == "ID …679, since …229?"
    assert masked("کد ۰۰۱۲-۳۴۵ ۶۷۹ و ۲۵") == "کد …۶۷۹ و ۲۵"
    assert masked("room 1234567") == "room 1234567"


def test_depth() -> None:
    """Who goes deeper than the tree allows is told so; at the top the count begins again."""
    tree = sample(("depth = 9", "depth = 2"))
    assert shown(walk(tree, "1", "1", "50")[1]).screen == "deep"
    assert shown(walk(tree, *["6", ""] * 5)[1]).screen == "top"
    assert "3 screens from its service code" in str(findings(tree, WORDS))


def test_seconds() -> None:
    """A conversation that takes too long ends; one that nobody times does not."""
    state, _ = advance(ONE, EXPIRED, Start("*1", at=1000.0))
    assert shown(advance(ONE, state, Typed("1", at=1060.0))[1]).screen == "sort"
    assert shown(advance(ONE, state, Typed("1", at=1061.5))[1]).screen == "late"
    assert shown(advance(ONE, state, Typed("1"))[1]).screen == "sort"
    assert shown(advance(ONE, state, Silent(at=1060.0))[1]).screen == "top"
    assert shown(advance(ONE, state, Silent(at=1061.5))[1]).screen == "late"
    for odd in (float("nan"), float("inf"), -5.0):
        state, _ = advance(ONE, EXPIRED, Start("*1", at=odd))
        assert shown(advance(ONE, state, Typed("1", at=odd))[1]).screen == "sort"


@given(
    st.sampled_from(CHANNELS),
    st.lists(typed() | st.sampled_from(["2", "3", "4", "5", "6", MOBILE]), max_size=60),
    answers(),
    st.booleans(),
)
def test_every_path_ends_and_every_page_fits(
    channel: Channel, inputs: list[str], answer: Answer | OverBudget, shipped: bool
) -> None:
    """Whatever is typed and found, on each channel: a true end, and pages within the limit."""
    tree, phrases = (TREE, PHRASES) if shipped else (ONE, WORDS)
    tree = tree.on(channel)
    state, step = advance(tree, EXPIRED, Start(next(iter(tree.entries))))
    for count, text in enumerate([*inputs, *["1"] * 40], start=1):
        if state.ended:
            break
        state, step = advance(tree, state, Typed(text))
        if isinstance(step, LookUp):
            state, step = advance(tree, state, Looked(answer))
        assert all(fits(page) for page in render(phrases, shown(step)))
        assert count <= tree.turns + 1
    assert state.ended


@given(st.data(), st.sampled_from(CHANNELS), st.sampled_from([*PHRASES]))
def test_the_proof_reckons_with_the_worst(
    data: st.DataObject, channel: Channel, language: str
) -> None:
    """No values make a screen of the shipped tree longer than the proof has seen it."""
    tree = TREE.on(channel)
    state = State(tree.digest, language, "eligibility")
    _, step = advance(tree, state, Looked(data.draw(answers())))
    show = shown(step)
    known = situations(tree)[show.screen]
    seen = [len(words(PHRASES, one)) for one in shows(tree.screens[show.screen], language, known)]
    assert len(words(PHRASES, show)) <= max(seen)


def follow(code: str, asker: Asker) -> Show:
    """What a person is told under a code."""

    async def run() -> Show:
        one = Conversation(TREE, ScriptedInquirer(), asker, Channel.USSD, turn_seconds=5.0)
        return await one.start("*4*1420", ["2", code])

    return asyncio.run(run())


@pytest.mark.parametrize("code", KEPT)
def test_following_up(code: str) -> None:
    """The asker of a code is told what was said then; another one only that it was, and when."""
    show = follow(code, Asker(OWNER))
    told = words(PHRASES, show)
    assert show.screen == f"told_{KEPT[code].outcome}".lower().replace("_payment", "")
    assert "۱۴۰۵/۰۸/۳۰" in told
    assert ("۱۴۰۵/۱۲/۲۹" in told) == bool(KEPT[code].valid_until or KEPT[code].not_covered_since)
    for other in (Asker("b"), Asker(OWNER, known=False)):
        show = follow(code, other)
        assert (show.screen, set(show.values)) == ("told_other", {"told_on"})


def test_following_up_what_is_not_there() -> None:
    """An unknown code is unknown; where codes cannot be looked up, that is what is said."""
    assert follow(UNKNOWN_CODE, Asker(OWNER)).screen == "code_unknown"
    assert follow(BROKEN_CODE, Asker(OWNER)).screen == "cannot_follow_up"
    assert follow("12345678901", Asker(OWNER)).say == ("wrong_code_check_digit",)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('use = "mobile"', 'use = "fax"', "names no sub-tree; there are mobile"),
        ('returns = { done = "back" }', "", "returns"),
        ('returns = { done = "back" }', "returns = { gone = 'x', done = 'back' }", "not known"),
        ('start = "ask"', 'start = "nowhere"', "names no screen of the sub-tree"),
        ('returns = ["done"]', 'returns = ["done", "kept"]', "has a screen's name: kept"),
        ("[subtrees.mobile]", "[subtrees.spare]\nstart = 'x'\n[subtrees.mobile]", "used by no"),
        ('say = ["mobile_kept"]\ngo = "done"', 'x = 1\nsay = ["mobile_kept"]', "not known"),
        (
            'kind = "message"\nsay = ["mobile_kept"]\ngo = "done"',
            'kind = "subtree"\nuse = "mobile"\nreturns = { done = "done" }',
            "use itself",
        ),
        ("length = [3, 60]", "length = [60, 3]", "two whole numbers"),
        ('what = "inquiry"', 'what = "weather"', "one of eligibility, inquiry"),
        ('channels = ["ussd"]', 'channels = ["sms"]', "some of ussd, voice"),
        ('title = "top_heard"', 'titel = "top_heard"', "known are title, wrong"),
        ('depth = "deep"', 'depth = "top"', "message without go or a hand_over"),
        ('group = "treatment"', 'group = "sport"', '"insurance" or "treatment"'),
    ],
)
def test_a_broken_format_is_one_sentence(old: str, new: str, says: str) -> None:
    """Each mistake is said in one line, with the file and the line it is in."""
    with pytest.raises(ConfigError, match=r"^tree\.toml:\d+: [^\n]+\.$") as refused:
        sample((old, new))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([('go = "look_code"', 'go = "look_id"')], "asks for a tracking_code, but the lookup"),
        ([('INVALID_ID = "id"', 'INVALID_ID = "code"')], "must lead to a question on INVALID_ID"),
        ([('go = "story"\nchannels = ["ussd"]', 'go = "story"')], "no telephone keypad"),
        ([('key = "0"', 'key = "2"')], 'under the key 2 to "story" on ussd and to "person" on'),
        (
            [
                ('value = "complaint"', 'value = "complaint"\n#'),
                ('key = "2"\nlabel = "comp', 'key = "1"\nlabel = "comp'),
            ],
            "the key 1 twice",
        ),
        ([('say = ["again"]\ngo = "top"', 'say = ["again"]\ngo = "back"')], 'no path from "back"'),
        ([('say = ["person_heard"]', 'say = ["nothing"]')], 'names the phrase "nothing"'),
        ([('go = "kept"', 'go = "lost"')], 'leads to "lost", which is no screen'),
    ],
)
def test_mistakes_are_found_and_shown(changes: list[tuple[str, str]], says: str) -> None:
    """Each finding names its line and shows the screen that it is about."""
    text = changed(*changes)
    found = findings(sample(*changes), sample_phrases())
    assert says in "\n".join(map(str, found))
    lines = text.count("\n") + 1
    for finding in found:
        assert 1 <= finding.line <= lines
        assert not finding.screen or finding.shown


def test_one_option_under_two_keys() -> None:
    """Who knows a menu by heart finds an option under the same key on every channel."""
    twice = (
        'key = "0"\nlabel = "to_person"\ngo = "person"\nchannels = ["voice"]',
        'key = "0"\nlabel = "to_person"\ngo = "person"\nchannels = ["voice"]\n'
        "[[screens.top.options]]\n"
        'key = "7"\nlabel = "to_person"\ngo = "person"\nchannels = ["ussd"]',
    )
    (finding,) = findings(sample(twice), WORDS)
    assert 'has "person" under the key 7 on ussd and under 0 on voice' in finding.message
    assert "7 to person" in finding.shown


def test_a_key_of_languages_is_one_key() -> None:
    """A key may lead to the languages here and change the language there, and to nothing else."""
    text = (files("config") / "dialogue" / "tree.toml").read_text(encoding="utf-8")
    other = text.replace('go = "main_language"', 'go = "guide"')
    told = str(findings(tree_of(parse_toml(other, "tree.toml")), PHRASES))
    assert '"main" leads under the key 9 to "guide" on ussd and to "main" on voice' in told
    assert findings(tree_of(parse_toml(text, "tree.toml")), PHRASES) == []


def test_answers_that_would_not_fit_the_state() -> None:
    """A tree cannot ask for more than a conversation can keep."""
    more = "".join(
        f'\n[screens.story{n}]\nkind = "question"\nask = "free_text"\nlength = [1, 160]\n'
        f'prompt = "story_ask"\nwrong = {{ length = "story_wrong" }}\ngo = "top"\n'
        for n in range(8)
    )
    with pytest.raises(ConfigError, match="answers are kept"):
        tree_of(parse_toml(SAMPLE + more, "tree.toml"))


def test_keys_that_turn_pages_are_no_answers() -> None:
    """A question that runs over a page may not take the key for more as its answer."""
    tree = sample(
        ("range = [10, 120]", ""),
        ('range = "count_wrong"\n', ""),
        ('go = "callback"', 'go = "callback"\npaged = true'),
    )
    long = {
        code: replace(
            language,
            phrases={
                **language.phrases,
                "count_ask": Phrase("word " * 50, frozenset(), 1),
            },
        )
        for code, language in WORDS.items()
    }
    assert "its key 0 turns pages" in str(findings(tree, long))
