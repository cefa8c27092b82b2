"""The page of all words: docs/words.md and the command that makes it."""

import html
import re
from pathlib import Path

import pytest

from dargah.main import main
from dargah.words_page import words_page
from dialogue.check_texts import text_renderings
from dialogue.check_words import renderings
from dialogue.guide import load_guide
from ivr.voices import load_voices
from tests.scripted_inquirer import PHRASES, TREE

PAGE = Path(__file__).parent.parent / "docs" / "words.md"


def shown() -> set[str]:
    """The texts on the page."""
    page = PAGE.read_text(encoding="utf-8")
    return {html.unescape(one) for one in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)}


def test_the_page_is_current() -> None:
    """docs/words.md shows the words as they are now."""
    made = words_page(TREE, PHRASES, load_voices(), load_guide())
    assert PAGE.read_text(encoding="utf-8") == made, "run: dargah dialogue words --to docs/words.md"


def test_every_text_is_on_the_page() -> None:
    """No screen, SMS, spoken sentence or topic is left out, in any language."""
    texts = shown()
    for rendered in renderings(TREE, PHRASES):
        assert texts.issuperset(rendered.pages)
    assert {one.text for one in text_renderings(TREE, PHRASES)} <= texts
    for topic in load_guide().topics:
        for own in topic.words.values():
            assert {own.title, own.sms} <= texts
            assert not own.voice or {own.voice_title, own.voice} <= texts
    for voice in load_voices().values():
        assert {part.text for part in voice.call.values()} <= texts
        whole = "\n".join(texts)
        for spoken in voice.phrases.values():
            for part in spoken.parts:
                assert part.text in whole


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page is printed or written to a file; what cannot be is said in one line."""
    assert main(["dialogue", "words"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8")
    file = tmp_path / "words.md"
    assert main(["dialogue", "words", "--to", str(file)]) == 0
    assert file.read_bytes() == PAGE.read_bytes()
    assert re.fullmatch(r".*words\.md: \d+ texts\.\n", capsys.readouterr().out)
    assert main(["dialogue", "words", "--to", str(tmp_path)]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_an_unproven_guide_makes_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A guide that does not fit is named, and no page is written."""
    guide = tmp_path / "guide"
    guide.mkdir()
    text = (PAGE.parent.parent / "config" / "guide" / "brokers.toml").read_text(encoding="utf-8")
    (guide / "brokers.toml").write_text(text.replace("[en]", "[ckb]"), encoding="utf-8")
    settings = tmp_path / "dargah.toml"
    settings.write_text(f'[dialogue]\nguide = "{guide}"\n', encoding="utf-8")
    for command in (["dialogue", "words"], ["check"]):
        assert main(["--settings", str(settings), *command]) == 1
        told = capsys.readouterr()
        assert "brokers.toml:1: has no words in [en]." in told.out + told.err
