from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.toml_lines import parse_toml
from dialogue.check import load_dialogue
from dialogue.steps import Choice, Show, Value
from ivr import english_words
from ivr.commands import playback
from ivr.prompts import Prompts, value_words
from ivr.voices import load_voices, voice_findings, voice_of

TREE, PHRASES = load_dialogue()
VOICES = load_voices()
FA = (files("config") / "voice" / "fa.toml").read_text("utf-8")
DAYS = st.dates(date(1990, 1, 1), date(2090, 1, 1))


def test_our_voices_say_everything() -> None:
    """Both languages say every phrase and choice of the tree, with the same values."""
    assert voice_findings(VOICES, TREE, PHRASES) == []


def test_whatever_is_unsaid_is_found() -> None:
    """A phrase, a value, a choice or a whole language without a voice is named with its file."""
    text = FA.replace('busy = ["پاسخ', 'bussy = ["پاسخ').replace('"{minutes}", ', "")
    text = text.replace('option_booklet = ["برایِ', 'other = ["برایِ')
    found = voice_findings({"fa": voice_of("fa", parse_toml(text, "fa.toml"))}, TREE, PHRASES)
    said = [str(finding) for finding in found]
    assert any('"phrases.busy" is missing' in line for line in said)
    assert any('"phrases.over_budget" does not say' in line for line in said)
    assert any('"choices.option_booklet" is missing' in line for line in said)
    assert any('no voice for "en"' in line for line in said)
    assert len([line for line in said if ".guide." not in line]) == 4


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("x = []", "list of 1 to"),
        ('x = "text"', "must be"),
        ("x = [1]", "texts and {values}"),
        ('x = ["a {code} b"]', "no part of their own"),
        ('x = ["{nid}"]', "no part of their own"),
        ('x = ["{key}"]', "no part of their own"),
        (f'x = ["{"a" * 401}"]', "longer than"),
        ('x = ["a\\nb"]', "texts and {values}"),
        ('"../x" = ["a"]', "small letters"),
    ],
)
def test_a_bad_voice_file(line: str, complaint: str) -> None:
    """Each mistake in a voice file is one sentence with its file and line."""
    text = FA.replace("[phrases]", f"[phrases]\n{line}", 1)
    with pytest.raises(ConfigError, match=complaint) as raised:
        voice_of("fa", parse_toml(text, "fa.toml"))
    assert str(raised.value).startswith("fa.toml:10:")


def test_voice_folders(tmp_path: Path) -> None:
    """A folder without voices, a language without numbers, and a label that points nowhere are
    refused."""
    with pytest.raises(ConfigError, match="holds no voice"):
        load_voices(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_voices(tmp_path / "none")
    (tmp_path / "fa.toml").write_text(FA, "utf-8")
    with pytest.raises(ConfigError, match=r': en\.toml is missing; .*"option_english"'):
        load_voices(tmp_path)
    (tmp_path / "en.toml").write_text("[phrases]\n[choices]\n" + FA[FA.index("[call]") :], "utf-8")
    with pytest.raises(ConfigError, match='"en" has no choice "option_english"'):
        load_voices(tmp_path)
    (tmp_path / "de.toml").write_text(FA, "utf-8")
    with pytest.raises(ConfigError, match="numbers are spoken in"):
        load_voices(tmp_path)


@given(
    st.sampled_from(["fa", "en"]),
    st.sampled_from(sorted(VOICES["fa"].phrases)),
    DAYS,
    DAYS,
    st.integers(0, 10**9),
)
def test_whatever_is_said_has_a_recording(
    language: str, key: str, day: date, as_of: date, minutes: int
) -> None:
    """Every phrase with any values is a list of recordings that are built, and Asterisk reads
    the whole list."""
    values: dict[str, Value] = {
        "valid_until": day,
        "since": day,
        "as_of": as_of,
        "told_on": as_of,
        "code": "48305172606",
        "minutes": minutes,
    }
    names = Prompts(VOICES, PHRASES).screen(
        Show("x", language, (key,), ("tracking_code",), values, hint="wrong_option")
    )
    recordings = {f"dargah/{language}/{name}" for name, _ in VOICES[language].recordings()}
    assert names
    assert set(names) <= recordings
    playback(names)


def test_a_label_in_another_language() -> None:
    """The way to English is said in English, key and all, whatever language is spoken."""
    show = Show("main", "fa", ("main_title",), choices=(Choice("9", "option_english"),))
    assert Prompts(VOICES, PHRASES).screen(show) == (
        "dargah/fa/main_title",
        "dargah/en/choice/option_english-1",
        "dargah/en/digit/9-end",
    )


@pytest.mark.parametrize(
    ("year", "said"),
    [
        (1405, "twenty nine Esfand fourteen oh five"),
        (1400, "twenty nine Esfand fourteen hundred"),
        (1415, "twenty nine Esfand fourteen fifteen"),
        (1399, "twenty nine Esfand thirteen ninety nine"),
    ],
)
def test_english_dates(year: int, said: str) -> None:
    """A Jalali date in English is day, month and year, the year in two halves."""
    names = english_words.date_words(year, 12, 29)
    assert " ".join(english_words.TEXTS[name] for name in names) == said


def test_english_numbers() -> None:
    """Numbers in English are whole, and those out of reach are refused."""
    spoken = [
        " ".join(english_words.TEXTS[name] for name in english_words.number_words(value))
        for value in (0, 13, 42, 100, 9999)
    ]
    assert spoken == [
        "zero",
        "thirteen",
        "forty two",
        "one hundred",
        "nine thousand nine hundred ninety nine",
    ]
    with pytest.raises(ValueError, match="no words"):
        english_words.number_words(10_000)


def test_every_day_in_english() -> None:
    """Every day has English words too."""
    for offset in range(0, 20_000, 7):
        names = value_words("en", date(1990, 1, 1) + timedelta(offset))
        assert set(names) <= english_words.TEXTS.keys()
