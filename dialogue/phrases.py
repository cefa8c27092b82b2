"""
Phrases: every word that people read, by key and language.

One file for each language in config/phrases, named after it (fa.toml). A phrase is a text with
named values in braces; {{ and }} are braces themselves.

fa-latn.toml is Persian in Latin letters, for phones without a Persian font: a script of "fa". It
has the same phrases; whatever knows languages alone (the tree, the voices) takes it for "fa".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Formatter

from config.errors import ConfigError
from config.toml_lines import Document, read_toml
from dialogue.toml_table import NAME, Table

LANGUAGE = re.compile("[a-z]{2,3}")
CODE = re.compile(LANGUAGE.pattern + "(?:-[a-z]{4})?")
"""A language, or a script of it: ISO 639 and ISO 15924, in small letters."""

VALUES = frozenset({"valid_until", "since", "as_of", "told_on", "code", "minutes"})
"""What a phrase may say in braces: four dates, a tracking code, a number of minutes."""

LONGEST_PHRASE = 1000
MOST_LANGUAGES = 20
_KEY_LINE = re.compile(r"[0-9]{1,2} \S[^\n]{0,19}")
_PLAIN = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f]*")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One text, the values it needs, and the line where it stands.

    `file` is where, if it is not the language's own.
    """

    text: str
    values: frozenset[str]
    line: int
    file: str = ""


@dataclass(frozen=True, slots=True)
class Language:
    """All phrases of one language.

    `more` and `back` are the key lines under a page, such as "0 More". `persian_digits` says how
    dates and numbers are written, `gsm_only` that every text keeps to the GSM 7-bit alphabet.
    """

    code: str
    name: str
    file: str
    persian_digits: bool
    gsm_only: bool
    more: str
    back: str
    phrases: Mapping[str, Phrase]

    @property
    def more_key(self) -> str:
        """The key that is typed for the next page."""
        return self.more.split(" ", 1)[0]

    @property
    def back_key(self) -> str:
        """The key that is typed for the page before."""
        return self.back.split(" ", 1)[0]


Phrases = Mapping[str, Language]
"""The languages by their code, such as "fa"."""


def language_of_script(code: str) -> str:
    """The language of a code: "fa" of "fa-latn", and of "fa"."""
    return code.partition("-")[0]


def codes_of(languages: Iterable[str], phrases: Phrases) -> list[str]:
    """The languages, then what there is of their scripts."""
    first = list(languages)
    scripts = (code for code in phrases if code not in first)
    return first + [code for code in scripts if language_of_script(code) in first]


def read_as(phrases: Phrases, code: str) -> Language:
    """The phrases of a code; of its language where it is a script that has none.

    Raises KeyError for a language that is not there.
    """
    return phrases[code if code in phrases else language_of_script(code)]


def load_phrases(folder: Path | Traversable) -> Phrases:
    """Read every language of a folder. Raises ConfigError with file and line."""
    try:
        files = sorted(
            (entry for entry in folder.iterdir() if entry.name.endswith(".toml")),
            key=lambda entry: entry.name,
        )
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read ({error.strerror}).") from None
    if len(files) > MOST_LANGUAGES:
        raise ConfigError(f"{folder}: holds more than {MOST_LANGUAGES} languages.")
    languages = {}
    for file in files:
        code = file.name.removesuffix(".toml")
        if not CODE.fullmatch(code):
            raise ConfigError(f"{file}: must be named after its language, such as fa.toml.")
        languages[code] = language_of(code, read_toml(file))
    if not languages:
        raise ConfigError(f"{folder}: holds no phrase file such as fa.toml.")
    return languages


def language_of(code: str, document: Document) -> Language:
    """The phrases in a TOML document. Raises ConfigError with file and line."""
    top = Table(document)
    about = top.table("language")
    name = about.text("name")
    digits = about.text("digits", re.compile("persian|latin"), '"persian" or "latin"')
    alphabet = about.text("alphabet", re.compile("gsm|any"), '"gsm" or "any"')
    about.end()
    paging = top.table("paging")
    like = 'a key, a blank and up to 20 characters, such as "0 More"'
    more, back = paging.text("more", _KEY_LINE, like), paging.text("back", _KEY_LINE, like)
    if more.split(" ")[0] == back.split(" ")[0]:
        paging.refuse("back", 'has the same key as "more"')
    paging.end()
    texts = top.table("phrases")
    phrases = {key: _phrase(texts, key) for key in texts.own_keys()}
    top.end()
    return Language(
        code=code,
        name=name,
        file=document.name,
        persian_digits=digits == "persian",
        gsm_only=alphabet == "gsm",
        more=more,
        back=back,
        phrases=phrases,
    )


def _phrase(table: Table, key: str) -> Phrase:
    if not NAME.fullmatch(key):
        table.refuse(key, "must be a name of small letters, digits and _, such as ask_id")
    text = table.text(key, _PLAIN, "a text without control characters")
    if len(text) > LONGEST_PHRASE:
        table.refuse(key, f"is longer than {LONGEST_PHRASE} characters")
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        table.refuse(key, "has a brace without its fellow")
    values = set()
    for _, value, form, conversion in parts:
        if value is None:
            continue
        if value not in VALUES or form or conversion:
            known = ", ".join(f"{{{name}}}" for name in sorted(VALUES))
            table.refuse(key, f"has a value in braces that is not known; known are {known}")
        values.add(value)
    return Phrase(text, frozenset(values), table.line(key))
