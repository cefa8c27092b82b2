"""`dargah dialogue`: what the line says: drawn, tried, shown on a page, changed while it runs."""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from config.settings import Settings, read_settings
from dargah.author import record, rehearse, replay
from dargah.dialogue_of_settings import (
    GUIDE,
    PHRASES,
    TREE,
    VOICE,
    folders_of,
    own_version,
)
from dargah.failures import Failure
from dargah.operator_name import operator_name
from dargah.publishing import go_back, publish, show_versions
from dargah.stage import stage_of
from dargah.words_page import words_page
from dialogue.graph import mermaid
from dialogue.guide import load_guide

ENTRY = "*4*1420"


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah dialogue`."""
    does = parser.add_subparsers(
        dest="does",
        required=True,
        metavar="graph|try|record|replay|words|publish|versions|back",
    )
    _author_options(does)
    page = does.add_parser("words", help="every screen, text and spoken sentence, as Markdown")
    page.add_argument("--to", type=Path, metavar="FILE", help="write it there (docs/words.md)")
    put = does.add_parser("publish", help="prove the files, and let every gateway speak from them")
    for name, what in (
        (TREE, "tree.toml"),
        (PHRASES, "phrase files, such as fa.toml"),
        (VOICE, "voices, such as fa.toml"),
        (GUIDE, "the guide's topics, such as brokers.toml"),
    ):
        flag = "tree" if name == TREE else name
        put.add_argument(
            f"--{flag}",
            dest=name,
            type=Path,
            metavar="DIR",
            help=f"the folder with {what}; else that of the settings, else what comes with Dargah",
        )
    put.add_argument("--by", required=True, metavar="NAME", help="who publishes it")
    does.add_parser("versions", help="what is kept, what is in service, and who did what when")
    back = does.add_parser("back", help="put the version before in service again")
    back.add_argument("version", nargs="?", metavar="VERSION", help="or this one")
    back.add_argument("--by", metavar="NAME", help="who does it; else the login name")


def _author_options(does: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    does.add_parser("graph", help="the tree as a Mermaid drawing")
    alone = does.add_parser("try", help="the tree alone: every channel, side by side")
    keep = does.add_parser("record", help="try, and keep the session as a test")
    keep.add_argument("file", type=Path, metavar="FILE", help="where it is written")
    for command in (alone, keep):
        command.add_argument(
            "--entry", default=ENTRY, metavar="CODE", help=f"what is dialled ({ENTRY})"
        )
    again = does.add_parser("replay", help="play sessions again; 1 where a screen differs")
    again.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a recorded session")
    again.add_argument(
        "--accept", action="store_true", help="the words changed on purpose: write them anew"
    )


def run(args: argparse.Namespace) -> int:
    """Draw, try, record or replay; show the words; publish, list or go back."""
    settings = read_settings(args.settings, os.environ)
    match args.does:
        case "graph":
            stage = stage_of(settings)
            print(mermaid(stage.tree, stage.phrases), end="")
            return 0
        case "try":
            rehearse(stage_of(settings), args.entry)
            return 0
        case "record":
            return record(stage_of(settings), args.entry, args.file)
        case "replay":
            return replay(stage_of(settings), args.files, accept=args.accept)
        case "words":
            return _words(settings, args.to)
    does: dict[str, Callable[[Settings, argparse.Namespace], Awaitable[int]]] = {
        "publish": _publish,
        "versions": _versions,
        "back": _back,
    }
    return asyncio.run(_awaited(does[args.does](settings, args)))


def _words(settings: Settings, to: Path | None) -> int:
    version, folder = own_version(settings), folders_of(settings)[GUIDE]
    page = words_page(version.tree, version.phrases, version.voices, load_guide(folder))
    if to is None:
        print(page, end="")
        return 0
    try:
        to.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{to}: cannot be written ({error.strerror}).") from None
    print(f"{to}: {page.count('<pre')} texts.")
    return 0


async def _awaited(done: Awaitable[int]) -> int:
    return await done


async def _publish(settings: Settings, args: argparse.Namespace) -> int:
    own = {name: getattr(args, name) for name in (TREE, PHRASES, VOICE, GUIDE)}
    for name, folder in own.items():
        if folder is not None and not folder.is_dir():
            raise Failure(f"{folder} is no folder with the files of {name}.")
    chosen = {name: folder for name, folder in own.items() if folder is not None}
    return await publish(settings, chosen, operator_name(args.by))


async def _versions(settings: Settings, args: argparse.Namespace) -> int:
    return await show_versions(settings)


async def _back(settings: Settings, args: argparse.Namespace) -> int:
    return await go_back(settings, args.version, operator_name(args.by))
