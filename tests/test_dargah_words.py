"""The page of all words: docs/words.md and the command that makes it."""

import html
import re
from pathlib import Path
from shutil import copytree

from dargah.words_page import words_page
from dialogue.check_texts import text_renderings
from dialogue.check_words import renderings
from dialogue.guide import load_guide
from dialogue.resume import offer_renderings
from ivr.voices import load_voices
from tests.gateway_process import ANY_PORTS, dargah, environment_of
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
    for rendered in [*renderings(TREE, PHRASES), *offer_renderings(TREE, PHRASES)]:
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


def test_the_command(tmp_path: Path) -> None:
    """The page is printed or written to a file; what cannot be is said in one line."""
    settings = tmp_path / "settings.toml"
    settings.write_text(ANY_PORTS)
    environment = environment_of(tmp_path / "data", settings)
    printed = dargah("dialogue", "words", environment=environment)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout == PAGE.read_text(encoding="utf-8")
    file = tmp_path / "words.md"
    written = dargah("dialogue", "words", "--to", str(file), environment=environment)
    assert re.fullmatch(r".*words\.md: \d+ texts\.\n", written.stdout)
    assert file.read_bytes() == PAGE.read_bytes()
    refused = dargah("dialogue", "words", "--to", str(tmp_path), environment=environment)
    assert refused.returncode == 1
    assert "cannot be written" in refused.stderr


def test_an_unproven_guide_makes_no_page(tmp_path: Path) -> None:
    """A guide that does not fit is named, and no page is written."""
    guide = Path(copytree(PAGE.parent.parent / "config" / "guide", tmp_path / "guide"))
    text = (guide / "brokers.toml").read_text(encoding="utf-8")
    assert "Brokers do some of" in text
    text = text.replace("Brokers do some of", "Brokers do some, " + "and more, " * 50 + "of", 1)
    (guide / "brokers.toml").write_text(text, encoding="utf-8")
    settings = tmp_path / "settings.toml"
    settings.write_text(f'{ANY_PORTS}\n[dialogue]\nguide = "{guide}"\n')
    environment = environment_of(tmp_path / "data", settings)
    for words in (("dialogue", "words"), ("check",)):
        refused = dargah(*words, environment=environment)
        assert refused.returncode == 1
        assert '"en.ussd" needs' in refused.stdout + refused.stderr
