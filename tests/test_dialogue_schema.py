"""The schema that editors read, held to the reader that decides."""

import json
import re
import tomllib
from importlib.resources import files
from typing import Any

import pytest

from config.errors import ConfigError
from config.toml_lines import parse_toml
from dialogue.lookups import LOOKUPS
from dialogue.tree_file import tree_of
from dialogue.typed import ASKS
from tests.dialogue_sample import SAMPLE
from tests.test_dialogue_schema_strangers import TREES, marked

FOLDER = files("config") / "dialogue"
SCHEMA: dict[str, Any] = json.loads((FOLDER / "tree.schema.json").read_text(encoding="utf-8"))
SHIPPED = (FOLDER / "tree.toml").read_text(encoding="utf-8")

TABLES = {
    # the schema's table, and a line of the sample after which a key of it stands
    "limits": "[limits]",
    "exits": "[exits]",
    "menu": 'kind = "menu"',
    "option": 'key = "3"',
    "choice": 'value = "advice"',
    "question_national_id": 'ask = "national_id"',
    "question_tracking_code": 'ask = "tracking_code"',
    "question_mobile": 'ask = "mobile"',
    "question_choice": 'ask = "choice"',
    "question_digits": 'ask = "digits"',
    "question_free_text": 'ask = "free_text"',
    "lookup_eligibility": 'what = "eligibility"',
    "lookup_inquiry": 'what = "inquiry"',
    "message": 'say = ["thanks"]',
    "hand_over": 'kind = "hand_over"',
    "guide": 'kind = "guide"',
    "subtree": 'use = "mobile"',
    "subtree_body": "[subtrees.mobile]",
    "lookup_eligibility/on": "[screens.look_id.on]",
    "lookup_inquiry/on": "[screens.look_code.on]",
    "lookup_inquiry/on/OWN": "[screens.look_code.on.OWN]",
    "question_digits/wrong": "[screens.count.wrong]",
    "menu/voice": "[screens.top.voice]",
    "option/ussd": "[screens.top.options.ussd]",
    "choice/voice": "[screens.sort.choices.voice]",
    "question_digits/voice": "[screens.count.voice]",
    "question_digits/voice/wrong": "[screens.count.voice.wrong]",
    "hand_over/voice": "[screens.person.voice]",
}


def table_of(path: str) -> dict[str, Any]:
    """A table of the schema: a definition, and properties from there."""
    name, *inner = path.split("/")
    found: dict[str, Any] = SCHEMA["$defs"].get(name) or SCHEMA["properties"][name]
    for part in inner:
        found = found["properties"][part]
    return found


def refusal(text: str) -> str:
    """What the reader says to a tree; empty where it reads it."""
    try:
        tree_of(parse_toml(text, "tree.toml"))
    except ConfigError as error:
        return str(error)
    return ""


def test_the_schema_takes_what_the_reader_takes() -> None:
    """An editor finds nothing wrong with the shipped tree, nor with one that uses everything."""
    for text in (SHIPPED, SAMPLE):
        assert refusal(text) == ""
        assert marked(TREES, tomllib.loads(text)) == ""
    assert SHIPPED.startswith("#:schema ./tree.schema.json\n")


@pytest.mark.parametrize("path", TABLES)
def test_reader_and_schema_know_the_same_keys(path: str) -> None:
    """Every key that the reader knows is in the schema, and the reverse."""
    line = TABLES[path]
    assert line in SAMPLE
    text = SAMPLE.replace(line, f"{line}\nunheard_of = 1", 1)
    told = refusal(text)
    known = re.search(r"known are ([^.]+)\.$", told)
    assert known, told
    properties = set(table_of(path)["properties"])
    assert set(known[1].split(", ")) == properties
    assert marked(TREES, tomllib.loads(text))


def test_the_top_of_the_file() -> None:
    """The same holds for the file itself."""
    known = re.search(r"known are ([^.]+)\.$", refusal("unheard_of = 1\n" + SAMPLE))
    assert known
    assert set(known[1].split(", ")) == set(SCHEMA["properties"])


def test_every_table_of_the_schema_is_held() -> None:
    """No kind of screen, answer or look-up is in one of the two alone."""
    defined = {name for name, one in SCHEMA["$defs"].items() if "properties" in one}
    assert defined <= TABLES.keys()
    assert {name for name in defined if name.startswith("question_")} == {
        f"question_{ask}" for ask in ASKS
    }
    assert {name for name in defined if name.startswith("lookup_")} == {
        f"lookup_{what}" for what in LOOKUPS
    }


@pytest.mark.parametrize(
    "line", [line for line in dict.fromkeys(SAMPLE.splitlines()) if " = " in line]
)
def test_what_one_requires_the_other_does(line: str) -> None:
    """A line that may be left out may be left out for both."""
    if line.startswith("returns = {"):
        return  # needed where the sub-tree returns
    text = SAMPLE.replace(f"\n{line}\n", "\n", 1)
    told = refusal(text)
    if told and "is missing" not in told and "must be a list of at least" not in told:
        return  # it names something that is not there now: beyond any schema
    assert bool(told) == bool(marked(TREES, tomllib.loads(text))), told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tries = 3", "tries = 11"),
        ("seconds = 60", "seconds = 0"),
        ("length = [1, 3]", "length = [1, 10]"),
        ("length = [1, 3]", "length = [1]"),
        ("range = [10, 120]", "range = 10"),
        ("length = [3, 60]", "length = [3, 161]"),
        ('channels = ["ussd"]', 'channels = ["sms"]'),
        ('channels = ["ussd"]', "channels = []"),
        ('key = "4"', 'key = "444"'),
        ('key = "4"', "key = 4"),
        ('kind = "guide"', 'kind = "maze"'),
        ('group = "treatment"', 'group = "sport"'),
        ("paged = true", 'paged = "yes"'),
        ('"*1" = "top"', '"1" = "top"'),
        ('what = "inquiry"', 'what = "weather"'),
        ('ask = "mobile"', 'ask = "fax"'),
        ('say = ["thanks"]', "say = []"),
        ("[screens.thanks]", "[screens.Thanks]"),
    ],
)
def test_both_refuse(old: str, new: str) -> None:
    """What the reader refuses the editor marks while it is typed."""
    assert old in SAMPLE
    text = SAMPLE.replace(old, new, 1)
    assert refusal(text)
    assert marked(TREES, tomllib.loads(text))
