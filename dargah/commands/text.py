"""`dargah text 'MESSAGE'`: a handset in the terminal sends an SMS, and shows the reply."""

import argparse
import os

from config.settings import read_settings
from dargah.carrier_socket import control_option, control_path, speaking
from dargah.commands.dial import frame
from dargah.msisdn_option import msisdn_of, msisdn_option
from dargah.typed_words import readable


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah text`."""
    parser.add_argument("message", metavar="MESSAGE", help="what the phone sends (in quotes)")
    msisdn_option(parser)
    control_option(parser)


def run(args: argparse.Namespace) -> int:
    """Send, and print what comes back."""
    settings = read_settings(args.settings, os.environ)
    msisdn, message = msisdn_of(args), readable(args.message, "MESSAGE")
    with speaking(control_path(args, settings)) as carrier:
        frame(carrier.text(f"+{msisdn.digits}", message))
    return 0
