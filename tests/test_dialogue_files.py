"""The tree and the phrases as their authors write them."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.toml_lines import parse_toml
from dialogue.check import load_dialogue
from dialogue.phrases import Language, language_of, load_phrases
from dialogue.tree import Tree
from dialogue.tree_file import load_tree, tree_of

TREE_TOML = (files("config") / "dialogue" / "tree.toml").read_text(encoding="utf-8")
FA_TOML = (files("config") / "phrases" / "fa.toml").read_text(encoding="utf-8")

KEYS = ["languages", "limits", "exits", "entries", "screens", "kind", "go", "say", "options", "on"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["main", "menu", "fa", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


def toml(value: object) -> str:
    """A value as inline TOML; None becomes a date, which nothing here is."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if value is None:
        return "2026-01-01"
    return str(value).lower() if isinstance(value, bool | int) else f'"{value}"'


def read(text: str) -> Tree:
    """The tree in a text."""
    return tree_of(parse_toml(text, "tree.toml"))


def changed(text: str, old: str, new: str) -> tuple[str, int]:
    """A file with one change, and the line of the change."""
    assert old in text, old
    return text.replace(old, new, 1), text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('languages = ["fa", "en"]', 'languages = "fa"', "list"),
        ('languages = ["fa", "en"]', 'languages = ["fa", "fa"]', "twice"),
        ('languages = ["fa", "en"]', 'languages = ["FA"]', "small letters"),
        ("tries = 3 ", "tries = 0 ", "from 1 to 10"),
        ("tries = 3 ", "tries = true ", "whole number"),
        ("turns = 20 ", "turns = 1000 ", "from 1 to 100"),
        ('busy = "busy"', 'busy = "main"', "message without go"),
        ('busy = "busy"', 'busy = "nowhere"', "message without go"),
        ('"*4*1420" = "main"', '"4*1420#" = "main"', "service code"),
        ('"*4*1420" = "main"', '"*4*1420" = 7', "text in quotation marks"),
        ('kind = "menu"', 'kind = "maze"', "menu, question, lookup or message"),
        ('kind = "menu"', "kind = 3", "text in quotation marks"),
        ('title = "main_title"', 'titel = "main_title"', "is missing"),
        ('wrong = "wrong_option"', 'wrong = "wrong_option"\ncolour = "red"', "not known here"),
        ('key = "1"', 'key = "one"', "one or two digits"),
        ('key = "1"', 'key = "۱"', "one or two digits"),
        ('key = "1"', "key = 1", "text in quotation marks"),
        ('language = "en"', 'language = "de"', "one of fa, en"),
        ('ask = "national_id"', 'ask = "shoe_size"', "national_id"),
        ('short = "wrong_id_short"', "", "is missing"),
        ('NOT_FOUND = "not_found"', "", "is missing"),
        ('NOT_FOUND = "not_found"', 'NOT_FOUND = "not_found"\nMAYBE = "covered"', "not known"),
        ('say = ["cannot_check"]', "say = []", "at least 1"),
        ('say = ["cannot_check"]', "say = [1]", "names"),
        ('say = ["cannot_check"]', 'say = ["cannot_check"]\npaged = "yes"', "true or false"),
        ("[screens.busy]", "[screens.Busy]", "small letters"),
        ("[limits]", "[limit]", "limits"),
        ("[limits]", "[limits", "not valid TOML"),
        ("[limits]", "[limits]\ntries = 4", "not valid TOML"),
        ("[limits]", 'x = "\\q"\n[limits]', "not valid TOML"),
    ],
)
def test_a_broken_tree_is_one_sentence(old: str, new: str, says: str) -> None:
    """Each mistake in a tree is said in one line, with the file and the line it is in."""
    text, line = changed(TREE_TOML, old, new)
    with pytest.raises(ConfigError) as refused:
        read(text)
    told = str(refused.value)
    found = re.fullmatch(r"tree\.toml:(\d+): [^\n]+\.", told)
    assert found, told
    assert says in told
    if "is missing" not in told and "TOML" not in told:
        assert abs(int(found[1]) - line) <= 1, (told, line)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{as_of}).", "{as_off}).", "not known; known are {as_of}"),
        ("{as_of}).", "{}).", "not known"),
        ("{as_of}).", "{as_of!r}).", "not known"),
        ("{as_of}).", "{as_of:>99999}).", "not known"),
        ("{as_of}).", "{as_of.year}).", "not known"),
        ("{as_of}).", "{as_of).", "brace"),
        ('digits = "persian"', 'digits = "roman"', '"persian" or "latin"'),
        ('alphabet = "any"', 'alphabet = "morse"', '"gsm" or "any"'),
        ('more = "0 ادامه"', 'more = "ادامه"', "a key, a blank"),
        ('back = "00 قبلی"', 'back = "0 قبلی"', "same key"),
        ('option_persian = "فارسی"', 'option_persian = ""', "quotation marks"),
        ('option_persian = "فارسی"', 'option_persian = "\\u0007"', "control characters"),
        ('option_persian = "فارسی"', f'option_persian = "{"ن" * 1001}"', "longer than 1000"),
        ('option_persian = "فارسی"', '"Option Persian" = "فارسی"', "small letters"),
        ("[phrases]", "[words]", "phrases"),
        ("[language]", '[language]\nflag = "ir"', "not known here"),
    ],
)
def test_a_broken_phrase_file_is_one_sentence(old: str, new: str, says: str) -> None:
    """Each mistake in a phrase file is said in one line, with the file and the line it is in."""
    text, _ = changed(FA_TOML, old, new)
    with pytest.raises(ConfigError, match=r"^fa\.toml:\d+: [^\n]+\.$") as refused:
        language_of("fa", parse_toml(text, "fa.toml"))
    assert says in str(refused.value)


@given(VALUES)
@example({"screens": {}})
def test_any_toml(value: object) -> None:
    """Whatever a file holds, it is either a tree or one clear sentence."""
    head = TREE_TOML.split("[limits]", 1)[0]
    for text in (
        f"x = {toml(value)}",
        f"screens = {toml(value)}",
        f"{head}\nscreens = {toml(value)}\n",
        TREE_TOML.replace('say = ["busy"]', f"say = {toml(value)}"),
        TREE_TOML.replace('title = "main_title"', f"title = {toml(value)}"),
    ):
        told = ""
        try:
            assert isinstance(read(text), Tree)
        except ConfigError as error:
            told = str(error)
        assert not told or re.match(r"tree\.toml:\d+: ", told)


@given(st.binary(max_size=300))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """Whatever bytes lie in the folders, the gateway says in one sentence what is wrong."""
    folder = tmp_path_factory.mktemp("dialogue", numbered=True)
    for name, load in (("tree.toml", load_tree), ("fa.toml", lambda p: load_phrases(p.parent))):
        path: Path = folder / name
        path.write_bytes(raw)
        with pytest.raises(ConfigError):
            load(path)
        path.unlink()


def test_missing_and_huge_files(tmp_path: Path) -> None:
    """A folder that is not there, holds nothing, or ten megabytes, is named."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "huge").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "huge" / "tree.toml").write_bytes(b"#" * 10_000_000)
    (tmp_path / "huge" / "fa.toml").write_bytes(b"#" * 10_000_000)
    (tmp_path / "odd" / "Farsi 2.toml").write_text(FA_TOML, encoding="utf-8")
    for folder in ("gone", "empty", "huge"):
        with pytest.raises(ConfigError, match=folder):
            load_dialogue(tree_folder=tmp_path / folder)
        with pytest.raises(ConfigError, match=folder):
            load_dialogue(phrases_folder=tmp_path / folder)
    with pytest.raises(ConfigError, match=r"tree\.toml:1: goes on after the 1048576"):
        load_tree(tmp_path / "huge" / "tree.toml")
    lines = b"# a line\n" * 200_000
    (tmp_path / "huge" / "tree.toml").write_bytes(lines)
    with pytest.raises(ConfigError, match=r"tree\.toml:116509: goes on after"):
        load_tree(tmp_path / "huge" / "tree.toml")
    with pytest.raises(ConfigError, match="named after its language"):
        load_phrases(tmp_path / "odd")


def test_comments_do_not_end_conversations() -> None:
    """A comment changes nothing for those in mid-conversation; a menu does."""
    digest = read(TREE_TOML).digest
    assert read(TREE_TOML + "\n# reviewed\n").digest == digest
    assert read(TREE_TOML.replace('key = "1"', 'key = "2"')).digest != digest


def test_another_language_is_a_file(tmp_path: Path) -> None:
    """A language is added by adding its file."""
    for code in ("fa", "ckb"):
        (tmp_path / f"{code}.toml").write_text(FA_TOML, encoding="utf-8")
    languages = load_phrases(tmp_path)
    assert sorted(languages) == ["ckb", "fa"]
    assert isinstance(languages["ckb"], Language)
    assert (languages["ckb"].more_key, languages["ckb"].back_key) == ("0", "00")
