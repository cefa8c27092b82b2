"""`dargah check`: settings, tree, phrases and guide, proved before they are used."""

import argparse
import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime

from config.errors import ConfigError
from config.settings import Settings, read_settings
from dargah.dialogue_of_settings import prove_entry, voices_of
from dargah.ivr_port import peers_of, prompts_folder
from dargah.journal_of_settings import prove_journal
from dargah.registry_of_settings import complaint, registry_of
from dargah.serving import http_settings
from dargah.wiring import clock, dialogue_folders, guide_folder
from dialogue.check import findings, read_dialogue
from dialogue.check_guide import guide_findings, guide_reminders, topic_renderings
from dialogue.check_words import renderings
from dialogue.finding import Finding
from dialogue.guide import Guide, load_guide
from dialogue.phrases import Phrases
from dialogue.resume import offer_renderings
from dialogue.tree import Tree
from ivr.build_prompts import missing
from ivr.voices import voice_findings
from persian.jalali import tehran_date
from telecom.screen import octets_of

NAMED = 10
"""Missing recordings that are named; a machine without any lacks a hundred."""


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah check`."""
    parser.add_argument(
        "--screens", action="store_true", help="print every screen as it is at its longest"
    )


def run(args: argparse.Namespace) -> int:
    """Print each problem with file and line; 1 if there is one.

    What is due in the guide, a review or a circular, is printed and is no problem.
    """
    problems = []
    try:
        settings = read_settings(args.settings, os.environ)
    except ConfigError as error:
        print(error, *error.others, sep="\n")
        return 1
    for proof in (http_settings, peers_of, prove_journal):
        try:
            proof(settings)
        except ConfigError as error:
            problems.append(str(error))
    try:
        tree, phrases = read_dialogue(*dialogue_folders(settings), guide_folder(settings))
        found = findings(tree, phrases)
        problems += map(_told, found)
        if not found:
            problems += _of_the_telephone(settings, tree, phrases)
            _report(tree, phrases, whole=args.screens)
            guide = load_guide(guide_folder(settings))
            problems += map(str, guide_findings(guide, phrases))
            _report_guide(guide, phrases, whole=args.screens)
    except ConfigError as error:
        problems.append(str(error))
    try:
        asyncio.run(_of_the_registry(settings))
    except ConfigError as error:
        problems.append(str(error))
    for problem in problems:
        print(problem)
    if not problems:
        print("Settings, tree, phrases and guide hold.")
    return 1 if problems else 0


def _told(finding: Finding) -> str:
    """The sentence, and the screen that it is about."""
    shown = "".join(f"\n  │ {line}" for line in finding.shown.split("\n")) if finding.shown else ""
    return f"{finding}{shown}"


def _of_the_telephone(settings: Settings, tree: Tree, phrases: Phrases) -> Iterator[str]:
    """What the telephone lacks; recordings are noted alone: they may be made later."""
    try:
        prove_entry(settings, tree)
    except ConfigError as error:
        yield str(error)
    voices = voices_of(settings)
    yield from map(_told, voice_findings(voices, tree, phrases))
    folder = prompts_folder(settings)
    if lacking := missing(voices, folder):
        more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
        print(
            f"Note: {len(lacking)} recordings are missing in {folder}: "
            f"{', '.join(lacking[:NAMED])}{more}; `dargah prompts` lists them, "
            "`dargah prompts --build` makes them."
        )


async def _of_the_registry(settings: Settings) -> None:
    """Whether the registry answers is noted alone: it may be away. Raises ConfigError."""
    registry = registry_of(settings, clock)
    if registry is None:
        return
    why = await complaint(registry)
    print(f"Note: {why}." if why else f"The registry {registry.name} answers.")


def _report(tree: Tree, phrases: Phrases, *, whole: bool) -> None:
    """What was proved, counted; with `whole`, every screen that was rendered for it."""
    rendered = [*renderings(tree, phrases), *offer_renderings(tree, phrases)]
    if whole:
        for one in rendered:
            for number, page in enumerate(one.pages, start=1):
                of = f", page {number}" if len(one.pages) > 1 else ""
                file = phrases[one.language].file if one.screen not in tree.screens else tree.file
                print(f"{file}:{one.line}: {one.screen} ({one.language}{of})")
                for line in page.split("\n"):
                    print(f"  │ {line}")
                print(f"  └ {octets_of(page)} of 160 octets")
    longest = max(octets_of(page) for one in rendered for page in one.pages)
    print(
        f"{len(tree.screens)} screens in {len(phrases)} languages, each reachable, each path "
        f"ending; {len(rendered)} renderings, the longest {longest} of 160 octets."
    )


def _report_guide(guide: Guide, phrases: Phrases, *, whole: bool) -> None:
    rendered = list(topic_renderings(guide, phrases))
    if whole:
        for one in rendered:
            for number, page in enumerate(one.pages, start=1):
                print(f"{one.topic.file}: {one.topic.name} ({one.language}, page {number})")
                for line in page.split("\n"):
                    print(f"  │ {line}")
                print(f"  └ {octets_of(page)} of 160 octets")
            print(f"{one.topic.file}: {one.topic.name} ({one.language}, SMS)")
            for line in one.sms.split("\n"):
                print(f"  │ {line}")
            print(f"  └ {len(one.sms)} characters, {one.parts} parts")
    pages = max((len(one.pages) for one in rendered), default=0)
    parts = max((one.parts for one in rendered), default=0)
    print(
        f"{len(guide.topics)} topics in the guide, {pages} USSD pages and {parts} parts of SMS"
        " at most."
    )
    for reminder in guide_reminders(guide, tehran_date(datetime.now(UTC))):
        print(f"due: {reminder}")
