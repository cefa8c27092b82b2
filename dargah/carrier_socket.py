"""Where the carrier in a box is to be found, and how a command speaks with it."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carrier.errors import CarrierError
from carrier.remote import Remote
from config.settings import Settings
from dargah.demo_folder import demo_folder
from dargah.failures import Failure
from dargah.running import find

FILE = "carrier.sock"


def control_option(parser: argparse.ArgumentParser) -> None:
    """`--control PATH`."""
    parser.add_argument(
        "--control",
        type=Path,
        metavar="PATH",
        help="the carrier's control socket; else that of the running demo, else that of "
        "`dargah carrier` on the same data folder",
    )


def control_path(args: argparse.Namespace, settings: Settings) -> Path:
    """The socket to speak to: the one named, the running gateway's, or a lone carrier's."""
    if args.control is not None:
        named: Path = args.control
        return named
    try:
        running = find(settings.data_folder, demo_folder(settings.data_folder))
    except Failure:
        running = None
    if running is not None and running.carrier:
        return Path(running.carrier)
    return settings.data_folder / FILE


@contextmanager
def speaking(path: Path) -> Iterator[Remote]:
    """A connection to a carrier. Raises Failure, also for whatever goes wrong on it."""
    try:
        remote = Remote(path)
    except OSError:
        raise Failure(
            f"no carrier is running on {path}; start one with `dargah demo` or `dargah carrier`."
        ) from None
    with remote:
        try:
            yield remote
        except CarrierError as error:
            raise Failure(f"{error}.") from None
        except TimeoutError:
            raise Failure(f"the carrier on {path} does not answer.") from None
        except ConnectionError:
            raise Failure(f"the carrier on {path} has ended.") from None
