"""`dargah prompts`: the recordings that callers hear."""

import argparse
import os
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from config.settings import read_settings
from dargah.dialogue_of_settings import voices_of
from dargah.failures import Failure
from dargah.ivr_port import prompts_folder
from dargah.wiring import required_folder
from ivr.build_prompts import build, inventory, missing
from ivr.synthesiser import NoSynthesiser, find_synthesiser


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah prompts`."""
    parser.add_argument(
        "--build",
        action="store_true",
        help="make what is missing or has changed, by espeak-ng; a person's recordings stay",
    )
    parser.add_argument(
        "--voice",
        type=Path,
        metavar="DIR",
        help="of these voices, such as those about to be published; else of the settings'",
    )


def run(args: argparse.Namespace) -> int:
    """List the recordings, or build them."""
    settings = read_settings(args.settings, os.environ)
    if args.voice:
        settings = replace(settings, ivr=replace(settings.ivr, voices=str(args.voice)))
    required_folder(settings.data_folder)
    voices, folder = voices_of(settings), prompts_folder(settings)
    if not args.build:
        lacking = set(missing(voices, folder))
        for each in inventory(voices):
            state = "missing" if each.name in lacking else "ready"
            print(f"{state:<8} {each.name:<40} {each.text}")
        print(f"{len(inventory(voices))} recordings in {folder}, {len(lacking)} missing.")
        return 0
    try:
        synthesiser = find_synthesiser()
    except NoSynthesiser as error:
        raise Failure(str(error)) from None
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("speaking", total=len(inventory(voices)))
        built = build(
            voices,
            folder,
            synthesiser,
            lambda done, of: bar.update(task, completed=done, total=of),
        )
    print(f"{folder}: {built.made} made, {built.kept} were right, {built.own} are a person's own.")
    return 0
