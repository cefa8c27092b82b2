"""`dargah text 'MESSAGE'`: a handset in the terminal sends an SMS, and shows the reply."""

import argparse
import os

from config.settings import read_settings
from dargah.carrier_socket import control_option, control_path, speaking
from dargah.commands.dial import frame


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah text`."""
    parser.add_argument("message", metavar="MESSAGE", help="what the phone sends (in quotes)")
    parser.add_argument("--msisdn", default="09120000000", metavar="N", help="whose phone it is")
    control_option(parser)


def run(args: argparse.Namespace) -> int:
    """Send, and print what comes back."""
    settings = read_settings(args.settings, os.environ)
    with speaking(control_path(args, settings)) as carrier:
        frame(carrier.text(args.msisdn, args.message))
    return 0
