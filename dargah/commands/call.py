"""`dargah call`: a telephone in the terminal, on a running gateway's FastAGI port.

An Asterisk stand-in dials the port as a real one does. Prompts are named as they are heard; keys
are asked for whenever the line takes some. `--type 1,0012345679#` types by itself.
"""

import argparse
import asyncio
import os
import sys

from carrier.caller import HANG_UP, Caller, Script, Telephone
from carrier.channel import Asked, Event, Heard, Waiting
from carrier.pbx import CallRecord, Pbx
from config.settings import read_settings
from dargah.demo_folder import demo_folder
from dargah.failures import Failure
from dargah.msisdn_option import msisdn_of, msisdn_option
from dargah.running import find
from telecom.msisdn import Msisdn

PERSON = 0.2
"""How fast the line's time runs while a person types: a keyboard in a terminal is slower than the
keypad in a hand."""


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah call`."""
    msisdn_option(parser)
    parser.add_argument(
        "--type",
        dest="script",
        metavar="KEYS,...",
        help=f"typed at each question in turn, such as 1,0012345679#; {HANG_UP} hangs up",
    )
    parser.add_argument(
        "--fastagi", metavar="HOST:PORT", help="a FastAGI port; else that of the running gateway"
    )


def run(args: argparse.Namespace) -> int:
    """Call, until one side hangs up."""
    settings = read_settings(args.settings, os.environ)
    number, address = msisdn_of(args), args.fastagi
    if address is None:
        running = find(settings.data_folder, demo_folder(settings.data_folder))
        address = running.fastagi
        if not address:
            raise Failure("the running gateway takes no telephone calls.")
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Failure("--fastagi takes HOST:PORT.")
    try:
        script = None if args.script is None else Script(filter(None, args.script.split(",")))
    except ValueError as error:
        raise Failure(f"{error}.") from None
    record = asyncio.run(_call(host.strip("[]"), int(port), _national(number), script))
    if record.status == "FAILURE":
        raise Failure(f"no FastAGI server answers on {address}.")
    print(f"the call is over ({'we' if record.status == 'HANGUP' else 'the line'} hung up)")
    return 0


async def _call(host: str, port: int, number: str, script: Script | None) -> CallRecord:
    if script is not None:
        return await Pbx(host, port, speed=1.0).call(_Aloud(script), msisdn=number)
    person = _Person()
    try:
        return await Pbx(host, port, speed=PERSON).call(_Aloud(person), msisdn=number)
    finally:
        person.leave()


class _Aloud:
    """Prints what is heard, then lets the caller react."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def noticed(self, event: Event, telephone: Telephone) -> None:
        if isinstance(event, Heard):
            print(f"  ♪ {event.name}", flush=True)
        self._caller.noticed(event, telephone)


class _Person:
    """Somebody at the terminal: a line of keys for each question; an empty one hangs up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._telephone: Telephone | None = None
        self._typed = b""
        self._left = ""
        self._reading = False

    def noticed(self, event: Event, telephone: Telephone) -> None:
        if isinstance(event, Asked) and self._left:
            self._left = telephone.press(self._left)
        elif isinstance(event, Heard) and not event.asked:
            self._left = ""
        elif isinstance(event, Waiting) and telephone.takes_digits and not self._reading:
            self._telephone = telephone
            self._ask()

    def _ask(self) -> None:
        if sys.stdin.isatty():
            print("keys (empty hangs up): ", end="", flush=True)
        if b"\n" in self._typed:
            self._press()
            return
        self._reading = True
        try:
            self._loop.add_reader(0, self._read)
        except OSError:
            # A plain file can always be read.
            self._loop.call_soon(self._read)

    def leave(self) -> None:
        """The call is over, whatever is still awaited."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(0)

    def _read(self) -> None:
        self.leave()
        self._typed += os.read(0, 4096) or b"\n"
        self._press()

    def _press(self) -> None:
        line, _, self._typed = self._typed.partition(b"\n")
        if self._telephone is None:
            return
        if not line.strip():
            self._telephone.hang_up()
        keys = "".join(key for key in line.decode("ascii", "ignore") if key in "0123456789*#")
        self._left = self._telephone.press(keys)


def _national(number: Msisdn) -> str:
    """As an Iranian exchange shows a subscriber: 0 and ten digits."""
    digits = number.digits
    return f"0{digits[2:]}" if digits.startswith("98") else f"00{digits}"
