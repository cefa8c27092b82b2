"""
`dargah demo`: the gateway on loopback with a synthetic population, ready to be tried.

Everything of it lies in `demo/` of the data folder, apart from a real gateway's data. `--once`
plays every outcome through every route on a folder and ports of its own, and ends.
"""

import argparse
import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from api.keys import ApiKeys
from carrier.carrier import Carrier
from config.errors import ConfigError
from config.reading import Secret
from config.settings import Settings, read_settings
from dargah import loop
from dargah.carrier_socket import FILE as CARRIER_SOCKET
from dargah.demo_carrier import bind_to_carrier, demo_carrier
from dargah.demo_folder import demo_folder
from dargah.demo_key import FILE as KEY_FILE
from dargah.demo_key import demo_key
from dargah.demo_people import ready_people
from dargah.dialogue_of_settings import voices_of
from dargah.failures import Failure
from dargah.logs import set_up_logs
from dargah.once import play_all
from dargah.provider import Provider
from dargah.routes import Line, routes
from dargah.running import running_on
from dargah.serving import Serving, serving
from dargah.wiring import required_folder
from eligibility.population import MOST, Example
from persian.jalali import jalali_date
from state.embedded import stopped

PEOPLE = 100_000

STOP = 30.0
"""Seconds for the demo's Redis to end; its folder may be removed after that."""


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah demo`."""
    parser.add_argument(
        "--once",
        action="store_true",
        help="play every outcome through every route, print what is seen, and end: 0 if all agree",
    )
    parser.add_argument(
        "--people", type=int, default=PEOPLE, metavar="N", help=f"how many ({PEOPLE})"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop, or play once."""
    settings = read_settings(args.settings, os.environ)
    if not 1 <= args.people <= MOST:
        raise Failure(f"--people is a number from 1 to {MOST:,}.")
    set_up_logs("error" if args.once else settings.log.level, readable=True)
    reactor = loop.install()
    with _place(settings, once=args.once) as folder:
        if others := running_on(folder):
            raise Failure(
                f"a demo is running already (process {others[0].pid}, {others[0].http}); use it, "
                "or end it by Ctrl-C."
            )

        async def main(stopping: asyncio.Event) -> int:
            print(f"Getting {args.people:,} synthetic people ready ...", flush=True)
            async with demo_carrier(reactor, folder) as carrier:
                own = _settings_of_demo(settings, folder, carrier.port, once=args.once)
                people = await ready_people(own, args.people)
                control = str(folder / CARRIER_SOCKET)
                async with serving(reactor, own, carrier=control) as served:
                    key = await demo_key(ApiKeys(served.stores.state), folder)
                    await carrier.network.bound()
                    if args.once:
                        code = await _once(own, served, carrier, key, people)
                    else:
                        _invite(own, served, people)
                        await stopping.wait()
                        code = 0
                        print("Stopping ...", flush=True)
            await stopped(folder, STOP)
            return code

        return loop.run(reactor, main)


@contextmanager
def _place(settings: Settings, *, once: bool) -> Iterator[Path]:
    """The demo's folder; for `--once` one that is gone afterwards."""
    folder = required_folder(demo_folder(settings.data_folder))
    if not once:
        yield folder
        return
    own = Path(tempfile.mkdtemp(prefix="once-", dir=folder))
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _settings_of_demo(settings: Settings, folder: Path, smsc: int, *, once: bool) -> Settings:
    """The operator's settings, but: the demo's folder, Redis and SMSC, loopback, no registry, and
    no budget.

    One person tries a demo with many questions; a budget would only be in the way.
    """
    if any((settings.redis.cache_url, settings.redis.state_url)):
        raise ConfigError(
            f"{settings.where('redis')}: the demo never touches a Redis of yours; "
            "run it without these settings."
        )
    bind = bind_to_carrier(smsc)
    port, metrics_port = (0, 0) if once else (settings.http.port, settings.metrics.port)
    return replace(
        settings,
        data_folder=folder,
        http=replace(settings.http, host="127.0.0.1", port=port, tls_certificate="", tls_key=""),
        metrics=replace(settings.metrics, host="127.0.0.1", port=metrics_port),
        ivr=replace(settings.ivr, host="127.0.0.1", port=0 if once else settings.ivr.port),
        ussd=replace(settings.ussd, answers_by_sms=bind.operator),
        smpp=(bind,),
        eligibility=replace(settings.eligibility, phone_burst=0),
        registry=replace(settings.registry, url=Secret()),
    )


async def _once(
    settings: Settings, served: Serving, carrier: Carrier, key: str, people: list[Example]
) -> int:
    line = Line(served, carrier, Provider(served.http, key), settings.ussd.secret.value)
    ways = routes(line, voices_of(settings))
    wrong = await play_all(people, ways, served.stores.cache)
    if wrong:
        print("\nNot all routes agree:")
        for fault in wrong:
            print(f"  {fault}")
        return 1
    print("\nAll routes agree: the same outcome and day on each, every tracking code valid.")
    return 0


def _invite(settings: Settings, served: Serving, people: list[Example]) -> None:
    folder = _short(settings.data_folder)
    print(f"""
Dargah is on the line.

  a phone           .venv/bin/dargah dial '*4*1420#'     (or '*4*1420*1#', '*1666#';
                                                          --over smpp: the other way in)
  an SMS            .venv/bin/dargah text '{people[0].national_id.digits}'
  a call            .venv/bin/dargah call               (1, then an ID and #)
  a provider        curl -s {served.http}/v1/eligibility \\
                      -H "Authorization: Bearer $(cat {folder}/{KEY_FILE})" \\
                      -d '{{"national_id": "{people[0].national_id.digits}"}}'
  the operator      DARGAH_DATA={folder} .venv/bin/dargah generations   (lookup, inquiry, key ...)
  its state         curl -s {served.http}/readyz
  its metrics       curl -s {served.metrics}/metrics

People to ask about (made of numbers; nobody real):
""")
    for example in people:
        day = f"  {jalali_date(example.day)}" if example.day else ""
        print(f"  {example.national_id.digits}   {example.outcome}{day}")
    print("\nTry it from another terminal. Ctrl-C ends it.\n", flush=True)


def _short(path: Path) -> Path:
    """A path as a person would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
