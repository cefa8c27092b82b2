"""`dargah dialogue`: the work of those who write the dialogue and its words."""

import argparse
import os
from pathlib import Path

from config.settings import Settings, read_settings
from dargah.failures import Failure
from dargah.ivr_port import voices_of
from dargah.wiring import dialogue_of, guide_folder
from dargah.words_page import words_page
from dialogue.check_guide import guide_findings
from dialogue.guide import load_guide
from ivr.voices import voice_findings


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah dialogue`."""
    does = parser.add_subparsers(dest="does", required=True, metavar="words")
    page = does.add_parser("words", help="every screen, text and spoken sentence, as Markdown")
    page.add_argument("--to", type=Path, metavar="FILE", help="write it there (docs/words.md)")


def run(args: argparse.Namespace) -> int:
    """Write the page of all words."""
    settings = read_settings(args.settings, os.environ)
    return _words(settings, args.to)


def _words(settings: Settings, to: Path | None) -> int:
    tree, phrases = dialogue_of(settings)
    voices, guide = voices_of(settings), load_guide(guide_folder(settings))
    for finding in (*voice_findings(voices, tree, phrases), *guide_findings(guide, phrases)):
        raise Failure(str(finding))
    page = words_page(tree, phrases, voices, guide)
    if to is None:
        print(page, end="")
        return 0
    try:
        to.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{to}: cannot be written ({error.strerror}).") from None
    print(f"{to}: {page.count('<pre')} texts.")
    return 0
