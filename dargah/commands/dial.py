"""`dargah dial '*4*1420#'`: a handset in the terminal, through a running gateway's real port."""

import argparse
import os
import sys

from config.settings import read_settings
from dargah.demo_folder import demo_folder
from dargah.handset import Handset, Screen
from dargah.running import find

WIDTH = 40


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah dial`."""
    parser.add_argument("code", metavar="CODE", help="such as '*4*1420#' (in quotes)")
    parser.add_argument("--msisdn", default="09120000000", metavar="N", help="whose phone it is")


def run(args: argparse.Namespace) -> int:
    """Dial, then go on with what is typed, until the conversation ends."""
    settings = read_settings(args.settings, os.environ)
    running = find(settings.data_folder, demo_folder(settings.data_folder))
    handset = Handset(running.http, args.msisdn, settings.ussd.secret.value)
    screen = handset.dial(args.code)
    while True:
        show(screen)
        if not screen.more:
            return 0
        typed = _typed()
        if typed is None:
            return 0
        screen = handset.reply(typed)


def show(screen: Screen) -> None:
    """Print a screen as a phone frames it. Right to left is the terminal's to do."""
    print("┌" + "─" * WIDTH)
    for line in screen.text.split("\n"):
        print("│ " + line)
    print("└" + "─" * WIDTH + ("" if screen.more else " (end)"), flush=True)


def _typed() -> str | None:
    """What the person types; None where they hang up (Ctrl-D, or an empty line)."""
    if sys.stdin.isatty():
        print("answer (empty hangs up): ", end="", flush=True)
    line = sys.stdin.readline(256)
    return line.strip() or None
