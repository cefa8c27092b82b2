"""`--msisdn N`: whose phone it is."""

import argparse

from dargah.failures import Failure
from telecom.msisdn import Msisdn, NotAnMsisdn

OWN = "09120000000"


def msisdn_option(parser: argparse.ArgumentParser) -> None:
    """Whose phone it is; anybody's, if none is named."""
    parser.add_argument("--msisdn", default=OWN, metavar="N", help="whose phone it is")


def msisdn_of(args: argparse.Namespace) -> Msisdn:
    """The number that was given. Raises Failure, which never holds it."""
    try:
        return Msisdn.parse(args.msisdn)
    except NotAnMsisdn as error:
        raise Failure(
            f"--msisdn: {error}; write one such as {OWN}, or +442079460018 for a foreign one."
        ) from None
