"""A small tree that uses every kind of screen and of answer, and its words."""

import re
from dataclasses import replace

from config.toml_lines import parse_toml
from dialogue.guide_words import our_guide, with_guide
from dialogue.phrases import Phrase, Phrases
from dialogue.tree import Tree
from dialogue.tree_file import tree_of
from tests.scripted_inquirer import PHRASES

SAMPLE = """
languages = ["fa", "en"]

[limits]
tries = 3
turns = 30
depth = 9
seconds = 60

[exits]
tries = "bye"
turns = "bye"
depth = "deep"
seconds = "late"
busy = "bye"
expired = "bye"
unavailable = "bye"
unknown_code = "bye"

[entries]
"*1" = "top"

[screens.top]
kind = "menu"
title = "top_title"
wrong = "top_wrong"
paged = false

[screens.top.voice]
title = "top_heard"

[[screens.top.options]]
key = "1"
label = "to_sort"
go = "sort"
[screens.top.options.ussd]
label = "to_sort_read"

[[screens.top.options]]
key = "2"
label = "to_story"
go = "story"
channels = ["ussd"]

[[screens.top.options]]
key = "3"
label = "to_guide"
go = "topics"

[[screens.top.options]]
key = "4"
label = "to_code"
go = "code"

[[screens.top.options]]
key = "5"
label = "to_id"
go = "id"

[[screens.top.options]]
key = "6"
label = "to_back"
go = "back"

[[screens.top.options]]
key = "0"
label = "to_person"
go = "person"
channels = ["voice"]

[[screens.top.options]]
key = "9"
label = "to_english"
language = "en"
go = "top"

[screens.sort]
kind = "question"
ask = "choice"
prompt = "sort_ask"
go = "count"
[screens.sort.wrong]
choice = "sort_wrong"
[[screens.sort.choices]]
key = "1"
label = "advice"
value = "advice"
[[screens.sort.choices]]
key = "2"
label = "complaint"
value = "complaint"
channels = ["ussd", "voice"]
[screens.sort.choices.voice]
label = "complaint_heard"

[screens.count]
kind = "question"
ask = "digits"
length = [1, 3]
range = [10, 120]
prompt = "count_ask"
go = "callback"
[screens.count.wrong]
length = "count_wrong"
range = "count_wrong"
characters = "count_wrong"
[screens.count.voice]
prompt = "count_heard"
[screens.count.voice.wrong]
length = "count_heard"

[screens.callback]
kind = "subtree"
use = "mobile"
returns = { done = "back" }

[screens.story]
kind = "question"
ask = "free_text"
length = [3, 60]
prompt = "story_ask"
wrong = { length = "story_wrong" }
go = "story_callback"

[screens.story_callback]
kind = "subtree"
use = "mobile"
returns = { done = "thanks" }

[screens.thanks]
kind = "message"
say = ["thanks"]
also = []

[screens.back]
kind = "message"
say = ["again"]
go = "top"

[screens.id]
kind = "question"
ask = "national_id"
prompt = "id_ask"
go = "look_id"
[screens.id.wrong]
length = "id_wrong"
short = "id_wrong"
check_digit = "id_wrong"
characters = "id_wrong"

[screens.look_id]
kind = "lookup"
what = "eligibility"
[screens.look_id.on]
COVERED = "told"
NOT_COVERED = "told"
PENDING_PAYMENT = "told"
NOT_FOUND = "told"
INVALID_ID = "id"
CANNOT_CHECK = "told"
OVER_BUDGET = "told"

[screens.code]
kind = "question"
ask = "tracking_code"
prompt = "code_ask"
go = "look_code"
[screens.code.wrong]
length = "code_wrong"
check_digit = "code_wrong"
characters = "code_wrong"

[screens.look_code]
kind = "lookup"
what = "inquiry"
[screens.look_code.on]
OTHER = "told"
UNKNOWN = "told"
CANNOT_CHECK = "told"
[screens.look_code.on.OWN]
COVERED = "told"
NOT_COVERED = "told"
PENDING_PAYMENT = "told"
NOT_FOUND = "told"
CANNOT_CHECK = "told"

[screens.told]
kind = "message"
say = ["told"]
also = ["t_until", "t_since", "t_as_of", "t_told_on", "t_code", "t_minutes"]
paged = true

[screens.topics]
kind = "guide"
group = "treatment"
title = "topics_title"
wrong = "top_wrong"
go = "top"

[screens.person]
kind = "hand_over"
say = ["person"]
[screens.person.voice]
say = ["person_heard"]

[screens.bye]
kind = "hand_over"
say = ["bye"]

[screens.late]
kind = "message"
say = ["late"]

[screens.deep]
kind = "message"
say = ["deep"]

[subtrees.mobile]
start = "ask"
returns = ["done"]

[subtrees.mobile.screens.ask]
kind = "question"
ask = "mobile"
prompt = "mobile_ask"
wrong = { number = "mobile_wrong" }
go = "kept"

[subtrees.mobile.screens.kept]
kind = "message"
say = ["mobile_kept"]
go = "done"
"""

_VALUES = {
    "t_until": "valid_until",
    "t_since": "since",
    "t_as_of": "as_of",
    "t_told_on": "told_on",
    "t_code": "code",
    "t_minutes": "minutes",
}
_NAMED = re.compile(
    r"(?:title|wrong|prompt|label|say|also|choice|length|range|characters|number|short|check_digit)"
    r" = (?:\[?)((?:\"\w+\"(?:, )?)+)"
)


def sample(*changes: tuple[str, str]) -> Tree:
    """The sample with some changes."""
    return tree_of(parse_toml(changed(*changes), "tree.toml"), our_guide())


def changed(*changes: tuple[str, str]) -> str:
    """The sample's text with some changes."""
    text = SAMPLE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def sample_phrases(text: str = SAMPLE) -> Phrases:
    """A word for every phrase that a sample names: its own name."""
    keys = {key for names in _NAMED.findall(text) for key in re.findall(r"\w+", names)}
    said = {}
    for key in keys:
        value = _VALUES.get(key)
        words = f"{key.replace('_', ' ')} {{{value}}}" if value else key.replace("_", " ")
        said[key] = Phrase(words, frozenset({value} if value else ()), 1)
    languages = {code: replace(PHRASES[code], phrases=said) for code in ("fa", "en")}
    return with_guide(languages, our_guide())
