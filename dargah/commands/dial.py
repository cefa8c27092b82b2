"""`dargah dial '*4*1420#'`: a handset in the terminal, through a running gateway's real ports.

`--over http` speaks as an aggregator does, `--over smpp` dials in the carrier in a box.
"""

import argparse
import os
import sys
from typing import Protocol

from carrier.errors import CarrierError
from config.settings import Settings, read_settings
from dargah.carrier_socket import control_option, control_path, speaking
from dargah.demo_folder import demo_folder
from dargah.handset import Handset
from dargah.msisdn_option import msisdn_of, msisdn_option
from dargah.running import find
from dargah.typed_words import readable

WIDTH = 40


class Shown(Protocol):
    """A screen, whichever way it came."""

    @property
    def text(self) -> str:
        """What the phone shows."""

    @property
    def more(self) -> bool:
        """Whether it takes an answer."""


class Phone(Protocol):
    """A phone, whichever way it goes."""

    def dial(self, code: str) -> Shown:
        """Dial a code."""

    def reply(self, text: str) -> Shown:
        """Answer the screen."""


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah dial`."""
    parser.add_argument("code", metavar="CODE", help="such as '*4*1420#' (in quotes)")
    msisdn_option(parser)
    parser.add_argument(
        "--over",
        choices=("http", "smpp"),
        default="http",
        help="through the aggregator's port (http), or an operator's network (smpp)",
    )
    parser.add_argument(
        "--hang-up-after",
        type=int,
        metavar="N",
        help="hang up when so many screens were shown; who dials again is asked whether to go on",
    )
    parser.add_argument(
        "--then-sms",
        action="store_true",
        help="with --over smpp: where the network shows no screen, wait for an SMS instead",
    )
    control_option(parser)


def run(args: argparse.Namespace) -> int:
    """Dial, then go on with what is typed, until the conversation ends."""
    settings = read_settings(args.settings, os.environ)
    msisdn, code = f"+{msisdn_of(args).digits}", readable(args.code, "CODE")
    if args.over == "http":
        return converse(_http_phone(msisdn, settings), code, args.hang_up_after)
    with speaking(control_path(args, settings)) as carrier:
        try:
            return converse(carrier.phone(msisdn), code, args.hang_up_after)
        except CarrierError as error:
            if not args.then_sms:
                raise
            print(f"No screen: {error}. Waiting for an SMS ...", flush=True)
        frame(carrier.message(msisdn), " (SMS)")
        return 0


def converse(phone: Phone, code: str, screens: int | None = None) -> int:
    """A conversation in the terminal, whole or until so many screens were shown."""
    screen, shown = phone.dial(code), 0
    while True:
        show(screen)
        shown += 1
        if not screen.more or shown == screens:
            return 0
        typed = _typed()
        if typed is None:
            return 0
        screen = phone.reply(typed)


def show(screen: Shown) -> None:
    """Print a screen as a phone frames it. Right to left is the terminal's to do."""
    frame(screen.text, "" if screen.more else " (end)")


def frame(text: str, below: str = "") -> None:
    """Print a text in a phone's frame."""
    print("┌" + "─" * WIDTH)
    for line in text.split("\n"):
        print("│ " + line)
    print("└" + "─" * WIDTH + below, flush=True)


def _http_phone(msisdn: str, settings: Settings) -> Handset:
    running = find(settings.data_folder, demo_folder(settings.data_folder))
    return Handset(running.http, msisdn, settings.ussd.secret.value)


def _typed() -> str | None:
    """What the person types; None where they hang up (Ctrl-D, or an empty line)."""
    if sys.stdin.isatty():
        print("answer (empty hangs up): ", end="", flush=True)
    line = sys.stdin.readline(256)
    return line.strip() or None
