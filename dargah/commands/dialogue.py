"""`dargah dialogue`: the work of those who write the dialogue and its words."""

import argparse
import os
from pathlib import Path

from config.settings import read_settings
from dargah.author import record, rehearse, replay
from dargah.stage import stage_of
from dialogue.graph import mermaid

ENTRY = "*4*1420"


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah dialogue`."""
    does = parser.add_subparsers(dest="does", required=True, metavar="graph|try|record|replay")
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
    """Draw, try, record or replay."""
    stage = stage_of(read_settings(args.settings, os.environ))
    match args.does:
        case "graph":
            print(mermaid(stage.tree, stage.phrases), end="")
            return 0
        case "try":
            rehearse(stage, args.entry)
            return 0
        case "record":
            return record(stage, args.entry, args.file)
    return replay(stage, args.files, accept=args.accept)
