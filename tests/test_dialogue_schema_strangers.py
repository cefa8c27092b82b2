"""
The schemas as strangers read them: an editor's own validator against our readers.

What an editor marks, the gateway refuses; what the gateway refuses, an editor marks, but for what
no schema can say: that a name stands for something elsewhere in the file.
"""

import copy
import json
import re
import tomllib
from importlib.resources import files
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from config.errors import ConfigError
from config.toml_lines import Document
from dialogue.guide import topic_of
from dialogue.tree_file import tree_of
from tests.dialogue_sample import SAMPLE

CONFIG = files("config")


def validator(path: str) -> Draft7Validator:
    """An editor with this schema."""
    schema = json.loads((CONFIG / path).read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


TREES = validator("dialogue/tree.schema.json")
TOPICS = validator("guide/topic.schema.json")
SHIPPED = (CONFIG / "dialogue" / "tree.toml").read_text(encoding="utf-8")
TOPIC = (CONFIG / "guide" / "brokers.toml").read_text(encoding="utf-8")

BEYOND_A_SCHEMA = re.compile(
    r"must name a message without go or a hand_over"
    r"|names no sub-tree|use itself|is used by no screen|names no screen of the sub-tree"
    r"|has a screen's name|must be one of .*, or a script of one"
    r"|\.returns\b.*(?:is missing|is not known here)"
    r"|must be two whole numbers .*"
    r"|has no topic in the guide|has no words"
    r"|must be a date"  # to an editor it is a text
)

VALUES = st.one_of(
    st.sampled_from(
        ["", " ", "x", "main", "Main", "a b", "1", "100", "۱", "*4", "fa", "fa-latn", "ussd", "sms"]
    ),
    st.integers(-1, 4000),
    st.booleans(),
    st.sampled_from([0.5, 2.5]),
    st.lists(st.sampled_from(["busy", "x y", 1, "busy"]), max_size=3),
    st.dictionaries(st.sampled_from(["x", "kind"]), st.just("x"), max_size=1),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    found = [at] if at else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += places(item, (*at, key))
    if isinstance(value, list):
        for number, item in enumerate(value):
            found += places(item, (*at, number))
    return found


def spoilt(data: Any, draw: st.DataObject) -> Any:
    """The document with one thing gone, another in its place, named otherwise, or more."""
    changed = copy.deepcopy(data)
    *way, key = draw.draw(st.sampled_from(places(changed)))
    inside = changed
    for part in way:
        inside = inside[part]
    match draw.draw(st.sampled_from(["gone", "other", "renamed", "more", "again"])):
        case "gone":
            del inside[key]
        case "other":
            inside[key] = draw.draw(VALUES)
        case "renamed" if isinstance(inside, dict):
            inside[draw.draw(st.sampled_from(["unheard_of", "X", "*4x"]))] = inside.pop(key)
        case "again" if isinstance(inside, list):
            inside.append(inside[key])
        case _ if isinstance(inside, dict):
            inside["unheard_of"] = draw.draw(VALUES)
    return changed


def refusal(read: Any, data: Any) -> str:
    """What a reader says; empty where it reads it."""
    try:
        read(Document("t.toml", data, {}))
    except ConfigError as error:
        return str(error)
    return ""


def marked(editor: Draft7Validator, data: Any) -> str:
    """What an editor marks. Dates are texts to it."""
    plain = json.loads(json.dumps(data, default=str))
    return "; ".join(error.message[:100] for error in editor.iter_errors(plain))


def test_strangers_find_nothing_wrong_with_what_is_shipped() -> None:
    """Every editor takes the shipped tree and topics, and the tree that uses everything."""
    for text in (SHIPPED, SAMPLE):
        assert marked(TREES, tomllib.loads(text)) == ""
    for topic in (CONFIG / "guide").iterdir():
        if topic.name.endswith(".toml"):
            assert marked(TOPICS, tomllib.loads(topic.read_text(encoding="utf-8"))) == ""


@settings(max_examples=150)
@given(st.data(), st.booleans())
def test_trees(draw: st.DataObject, shipped: bool) -> None:
    """A tree that is changed anywhere is refused by both, or taken by both."""
    data = spoilt(tomllib.loads(SHIPPED if shipped else SAMPLE), draw)
    said, seen = refusal(tree_of, data), marked(TREES, data)
    if seen:
        assert said, seen
    elif said:
        assert BEYOND_A_SCHEMA.search(said), said


@settings(max_examples=200)
@given(st.data())
def test_topics(draw: st.DataObject) -> None:
    """A topic that is changed anywhere is refused by both, or taken by both."""
    data = spoilt(tomllib.loads(TOPIC), draw)
    said = refusal(lambda document: topic_of("one", document), data)
    seen = marked(TOPICS, data)
    if seen:
        assert said, seen
    elif said:
        assert BEYOND_A_SCHEMA.search(said), said
