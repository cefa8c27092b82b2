"""
`dargah carrier`: an operator in a box, alone. A gateway binds to it; phones text and dial in it.

`--switch FAULT=VALUE` changes one that runs, `--drop` and `--garbage` happen to it at once.
"""

import argparse
import asyncio
import json
import os
from pathlib import Path

from config.settings import Settings, read_settings
from dargah import loop
from dargah.carrier_socket import FILE, control_option, control_path, speaking
from dargah.failures import Failure
from dargah.logs import set_up_logs
from dargah.wiring import required_folder


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah carrier`."""
    parser.add_argument("--host", default="127.0.0.1", help="where its SMSC listens (127.0.0.1)")
    parser.add_argument("--port", type=int, default=2775, help="of its SMSC (2775; 0: any)")
    parser.add_argument(
        "--user",
        action="append",
        metavar="SYSTEM_ID:PASSWORD",
        help="who may bind (dargah:dargah); may be given again",
    )
    control_option(parser)
    running = parser.add_argument_group("a carrier that runs already")
    running.add_argument(
        "--switch",
        action="append",
        metavar="FAULT=VALUE",
        help="such as throttle=3, delay=0.5, one_byte=true; `--state` shows them all",
    )
    running.add_argument("--drop", action="store_true", help="cut every connection now")
    running.add_argument("--garbage", action="store_true", help="send what is no SMPP")
    running.add_argument("--state", action="store_true", help="its binds, counts and faults")


def run(args: argparse.Namespace) -> int:
    """Run until told to stop; or change one that runs."""
    settings = read_settings(args.settings, os.environ)
    if args.switch or args.drop or args.garbage or args.state:
        return _change(args, settings)
    if not 0 <= args.port <= 65535:
        raise Failure("--port is a number from 1 to 65535, or 0 for any that is free.")
    return _serve(args, settings)


def _change(args: argparse.Namespace, settings: Settings) -> int:
    with speaking(control_path(args, settings)) as carrier:
        if args.switch:
            carrier.switch(**dict(_fault(each) for each in args.switch))
        for do in ("drop", "garbage"):
            if getattr(args, do):
                carrier.ask(do)
        told = carrier.ask("state")
        print(json.dumps({**told, "faults": carrier.switch()}, ensure_ascii=False, indent=2))
    return 0


def _fault(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        raise Failure("--switch takes FAULT=VALUE, the value a number, true or false.") from None


def _serve(args: argparse.Namespace, settings: Settings) -> int:
    control: Path = args.control or required_folder(settings.data_folder) / FILE
    users = dict(_user(each) for each in args.user or ["dargah:dargah"])
    set_up_logs(settings.log.level, readable=True)
    reactor = loop.install()
    # After the reactor: they import Twisted.
    from twisted.internet.error import CannotListenError

    from carrier.carrier import start_carrier
    from carrier.settings import CarrierSettings

    own = CarrierSettings(host=args.host, port=args.port, users=users, control_path=control)

    async def main(stopping: asyncio.Event) -> int:
        try:
            carrier = await start_carrier(reactor, own)
        except CannotListenError:
            raise Failure(
                f"port {args.port} on {args.host} can't be listened on; "
                "give another --port, or stop what listens there."
            ) from None
        except OSError as error:
            raise Failure(f"the control socket {control}: {error.strerror}.") from None
        _invite(args.host, carrier.port, list(users), control)
        try:
            await stopping.wait()
        finally:
            await carrier.stop()
        return 0

    return loop.run(reactor, main)


def _user(text: str) -> tuple[str, str]:
    system_id, colon, password = text.partition(":")
    if not colon or not 0 < len(system_id) < 16 or len(password) > 8:
        raise Failure(
            "--user takes SYSTEM_ID:PASSWORD, at most 15 and 8 characters (SMPP 3.4, 4.1.1)."
        )
    return system_id, password


def _invite(host: str, port: int, users: list[str], control: Path) -> None:
    print(
        f"""
An operator's SMSC on {host}:{port}, for {", ".join(users)}. Once a gateway is bound:

  a text            dargah text '0012345679' --control {control}
  a USSD code       dargah dial '*4*1420#' --over smpp --control {control}
  its state         dargah carrier --state --control {control}
  a fault           dargah carrier --switch throttle=3 --control {control}
  a cut link        dargah carrier --drop --control {control}

Ctrl-C ends it.
""",
        flush=True,
    )
